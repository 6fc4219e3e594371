package realm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Defaults of [WatchOptions].
const (
	// DefaultWatchIdleTimeout is how long a stream with heartbeats may be silent.
	DefaultWatchIdleTimeout = 90 * time.Second
	// DefaultWatchRetries is how many attempts in a row to reconnect may fail.
	DefaultWatchRetries = 10
)

// The waits between attempts to reconnect.
const (
	firstWatchWait = 250 * time.Millisecond
	maxWatchWait   = 30 * time.Second
)

// WatchOptions say which changes to watch, and how to hold on to the stream.
type WatchOptions struct {
	// IDs are the _id of the documents to watch; nil: all.
	IDs []any
	// Filter is a match on the change event, such as
	// bson.M{"fullDocument.owner": id}; nil: all events. It cannot be given
	// together with IDs.
	Filter any
	// ResumeAfter continues after the event with this [ChangeEvent].ResumeID.
	// It is an extension of Regent.
	ResumeAfter string
	// IdleTimeout is how long the stream may be silent before it is taken for
	// dead and opened anew. It counts only once the server has sent a
	// heartbeat, since a server without heartbeats may be silent for good
	// reasons. 0: DefaultWatchIdleTimeout.
	IdleTimeout time.Duration
	// MaxRetries is how many attempts in a row to reconnect may fail before
	// that is an error. 0: DefaultWatchRetries; negative: no bound.
	MaxRetries int
	// OnReconnect is called after an interrupted stream was opened again, with
	// what had interrupted it. Without resumed, changes that happened
	// meanwhile may be missing: the server gave no point to resume from.
	OnReconnect func(cause error, resumed bool)
}

// Namespace names a collection in a change event.
type Namespace struct {
	Database   string `bson:"db"`   // database
	Collection string `bson:"coll"` // collection; empty for dropDatabase
}

// UpdateDescription says what an update changed, as far as the user may read it.
type UpdateDescription struct {
	UpdatedFields bson.M   `bson:"updatedFields"` // new values by dotted path
	RemovedFields []string `bson:"removedFields"` // dotted paths
}

// ChangeEvent is one change of a collection (client-api.md §1.18).
type ChangeEvent[T any] struct {
	// ID is the database's resume token.
	ID bson.RawValue `bson:"_id"`
	// OperationType is insert, update, replace, delete, drop, rename,
	// dropDatabase or invalidate.
	OperationType string `bson:"operationType"`
	// ClusterTime is when it happened.
	ClusterTime bson.Timestamp `bson:"clusterTime"`
	// Namespace is where it happened.
	Namespace Namespace `bson:"ns"`
	// DocumentKey holds the _id of the document, and the shard key if any.
	DocumentKey bson.M `bson:"documentKey"`
	// FullDocument is the document as it is now, for insert and replace, and
	// for update if it still exists; otherwise nil.
	FullDocument *T `bson:"fullDocument"`
	// UpdateDescription is set for update.
	UpdateDescription *UpdateDescription `bson:"updateDescription"`
	// To is the new name, for rename.
	To *Namespace `bson:"to"`
	// TxnNumber and SessionID are set for changes made in a transaction.
	TxnNumber int64 `bson:"txnNumber"`
	// SessionID identifies the session of the transaction.
	SessionID bson.M `bson:"lsid"`
	// ResumeID continues the stream after this event, also in another run of
	// the program: see [WatchOptions].ResumeAfter. Empty if the server does
	// not offer that.
	ResumeID string `bson:"-"`
}

// Watch streams the changes of the collection that the user may see, for as
// long as the loop runs:
//
//	for event, err := range todos.Watch(ctx) {
//		if err != nil { return err }
//		fmt.Println(event.OperationType, event.FullDocument)
//	}
//
// A stream that breaks off is opened again and resumed where it was, with a
// growing wait between attempts; the access token is renewed when needed. The
// loop ends silently when ctx ends, and with one error when the first
// connection fails, the server ends the stream with an error, the session
// ends, or too many attempts to reconnect fail. Leaving the loop closes the
// connection.
func (c *Collection[T]) Watch(ctx context.Context, opts ...WatchOptions) iter.Seq2[ChangeEvent[T], error] {
	return func(yield func(ChangeEvent[T], error) bool) {
		w, err := newWatch(c, opts)
		if err == nil {
			err = w.run(ctx, yield)
		}
		if err != nil && ctx.Err() == nil {
			yield(ChangeEvent[T]{}, err)
		}
	}
}

// watch is one running loop over a change stream.
type watch[T any] struct {
	app      *App
	user     *User
	options  WatchOptions
	request  request
	resumeID string
	// alive says that the current connection has delivered something.
	alive bool
}

func newWatch[T any](c *Collection[T], opts []WatchOptions) (*watch[T], error) {
	o, err := one(opts)
	if err != nil {
		return nil, err
	}
	if o.IDs != nil && o.Filter != nil {
		return nil, errors.New("realm: Watch takes either IDs or a Filter, not both")
	}
	argument := c.argument()
	if o.IDs != nil {
		argument = append(argument, bson.E{Key: "ids", Value: o.IDs})
	}
	argument = add(argument, "filter", o.Filter)
	call, err := encode(functionCall{Arguments: []any{argument}, Name: "watch", Service: c.service})
	if err != nil {
		return nil, err
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = DefaultWatchIdleTimeout
	}
	if o.MaxRetries == 0 {
		o.MaxRetries = DefaultWatchRetries
	}
	return &watch[T]{
		app: c.user.app, user: c.user, options: o, resumeID: o.ResumeAfter,
		request: request{
			method: http.MethodGet, path: "/functions/call", inApp: true,
			query:  url.Values{"baas_request": {base64.StdEncoding.EncodeToString(call)}},
			header: map[string]string{"Cache-Control": "no-cache"},
		},
	}, nil
}

// errStopped says that the loop was left.
var errStopped = errors.New("stopped")

// interruption is an error after which the stream may be opened again.
type interruption struct{ cause error }

func (i interruption) Error() string { return i.cause.Error() }
func (i interruption) Unwrap() error { return i.cause }

// run opens the stream, again and again if need be. It returns nil when the
// loop was left.
func (w *watch[T]) run(ctx context.Context, yield func(ChangeEvent[T], error) bool) error {
	var cause error // of the latest interruption; nil before the first stream
	failures := 0
	for {
		err := w.connection(ctx, cause, yield)
		var i interruption
		switch {
		case errors.Is(err, errStopped), ctx.Err() != nil:
			return nil
		case !errors.As(err, &i):
			return err
		}
		if w.alive {
			failures = 0
		}
		cause = i.cause
		failures++
		if w.options.MaxRetries >= 0 && failures > w.options.MaxRetries {
			return fmt.Errorf("realm: the change stream broke off, and %d attempts to reconnect failed: %w", failures-1, cause)
		}
		wait := watchWait(failures)
		var e *Error
		if errors.As(cause, &e) && e.RetryAfter > wait {
			wait = min(e.RetryAfter, maxWatchWait)
		}
		w.app.log.Warn("realm: the change stream broke off", "error", cause, "reconnecting in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-w.app.clock.After(wait):
		}
	}
}

// watchWait doubles with each failure, and is spread so that many clients do
// not come back at the same moment.
func watchWait(failures int) time.Duration {
	wait := firstWatchWait << min(failures-1, 10)
	wait = min(wait, maxWatchWait)
	return wait/2 + rand.N(wait/2)
}

// connection opens the stream once and passes its events on. It returns
// errStopped, an interruption, or an error that ends the loop.
func (w *watch[T]) connection(ctx context.Context, cause error, yield func(ChangeEvent[T], error) bool) error {
	w.alive = false
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer w.user.ended.add(func() { cancel(loggedOut(w.user.id, nil)) })()

	res, err := w.open(ctx, cancel)
	if err != nil {
		if cause != nil && isTemporary(err) {
			return interruption{err}
		}
		return err
	}
	defer res.Body.Close()
	if cause != nil && w.options.OnReconnect != nil {
		w.options.OnReconnect(cause, w.resumeID != "")
	}

	stream := newEventStream(res.Body, w.app.maxBody)
	stream.lastID = w.resumeID
	idle := time.AfterFunc(time.Hour, func() { cancel(ErrStreamStalled) })
	idle.Stop()
	defer idle.Stop()
	heartbeat := false
	stream.onLine = func(comment bool) {
		w.alive = true
		heartbeat = heartbeat || comment
		if heartbeat {
			idle.Reset(w.options.IdleTimeout)
		}
	}
	for {
		ev, err := stream.next()
		w.resumeID = stream.lastID
		switch {
		case errors.Is(err, errEventTooLarge):
			return w.app.answerError(res, ErrResponseTooLarge, err.Error()+" (WithMaxResponseSize)", nil)
		case errors.Is(err, io.EOF):
			return interruption{w.app.answerError(res, "", "the server ended the change stream", io.ErrUnexpectedEOF)}
		case errors.Is(context.Cause(ctx), ErrLoggedOut):
			return context.Cause(ctx)
		case err != nil:
			return interruption{w.app.answerError(res, "", "reading the change stream", transportCause(ctx, err))}
		}
		idle.Stop() // what the loop's body does takes as long as it takes
		switch ev.name {
		case "", "message":
			event, err := decodeOrdered[ChangeEvent[T]](ev.data, keepsOrder[T]())
			if err != nil {
				return w.app.answerError(res, ErrBadBSON, "the server sent a malformed event", err)
			}
			event.ResumeID = stream.lastID
			if !yield(event, nil) {
				return errStopped
			}
		case "error":
			return w.serverError(ctx, res, ev.data)
		}
		if heartbeat {
			idle.Reset(w.options.IdleTimeout)
		}
	}
}

// open makes the request, renewing the access token once if it is refused. The
// App's timeout counts until the answer begins.
func (w *watch[T]) open(ctx context.Context, cancel context.CancelCauseFunc) (*http.Response, error) {
	if w.app.timeout > 0 {
		timer := time.AfterFunc(w.app.timeout, func() { cancel(errTimeout{w.app.timeout}) })
		defer timer.Stop()
	}
	r := w.request
	if w.resumeID != "" {
		r.header = map[string]string{"Cache-Control": "no-cache", "Last-Event-ID": w.resumeID}
	}
	base, err := w.app.location(ctx)
	if err != nil {
		return nil, err
	}
	access, err := w.user.usableToken(ctx)
	if err != nil {
		return nil, err
	}
	r.token = access
	res, err := w.app.send(ctx, w.app.stream, base, r, streamType)
	if isStatus(err, http.StatusUnauthorized) {
		if r.token, err = w.user.renewAfter(ctx, r, err); err != nil {
			return nil, err
		}
		res, err = w.app.send(ctx, w.app.stream, base, r, streamType)
	}
	if err != nil {
		return nil, err
	}
	if !isType(res, streamType) {
		defer res.Body.Close()
		return nil, w.app.answerError(res, ErrMalformedJSON, fmt.Sprintf("expected an event stream, got %q", res.Header.Get("Content-Type")), nil)
	}
	return res, nil
}

// serverError reads the event with which a server ends a stream. One that is
// about the session means that the access token is used up: the stream is
// opened again with a new one, or the session has ended.
func (w *watch[T]) serverError(ctx context.Context, res *http.Response, data []byte) error {
	e := w.app.answerError(res, "", "", nil)
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil {
		text, hasText := stringField(object, "error")
		code, hasCode := stringField(object, "error_code")
		if hasText || hasCode {
			e.Message, e.Code = text, Code(code)
		}
	}
	if e.Message == "" && e.Code == "" {
		e.Message = snippet(data)
	}
	if e.Code != ErrInvalidSession {
		return e
	}
	r := w.request
	r.token = bearer(res.Request)
	if _, err := w.user.renewAfter(ctx, r, &Error{Method: e.Method, URL: e.URL, StatusCode: http.StatusUnauthorized, Code: e.Code, Message: e.Message}); err != nil {
		return err
	}
	return interruption{e}
}

// bearer returns the access token that a request carried.
func bearer(r *http.Request) string {
	const scheme = "Bearer "
	if h := r.Header.Get("Authorization"); len(h) > len(scheme) {
		return h[len(scheme):]
	}
	return ""
}

// isTemporary reports whether trying again may help: no answer at all, or one
// that says the server is overloaded or away.
func isTemporary(err error) bool {
	if errors.Is(err, ErrLoggedOut) {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.StatusCode {
	case 0, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
