package data

import (
	"context"
	"io"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb/query"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/rule"
)

// Stream is an open watch of one caller (client-api.md §1.18). Next may be used
// by one goroutine at a time.
type Stream struct {
	s       *Service
	coll    *collection
	session string
	feed    *feed // nil once it has left

	mu     sync.Mutex
	queue  []*changeEvent
	bytes  int64
	err    error // ends the stream after what is queued
	signal chan struct{}

	began string // text of the token before the first event, "" when unknown

	// The rest belongs to the goroutine that calls Next.
	caller  caller.Caller
	access  *rule.Access // nil for the system
	narrow  *query.Filter
	hide    []*query.Projection // of the rule filters that apply
	filter  *query.Filter
	ids     []bson.RawValue
	renewed time.Time

	// While it catches up after a resume, events come from here first.
	private *mongo.ChangeStream
	passed  string // text of the last token that private has told
}

// userAge is how long a stream works with what it knows of its user.
const userAge = 5 * time.Second

// Watch opens a stream of the changes that the caller may see. lastEventID
// resumes after an event that an earlier stream delivered; empty begins now.
func (s *Service) Watch(ctx context.Context, c caller.Caller, service string, arg bson.Raw, lastEventID string) (*Stream, error) {
	r, err := s.request(ctx, c, service, "watch", arg, &action{})
	if err != nil {
		return nil, s.fail(ctx, "watch", err)
	}
	w := &Stream{s: s, coll: r.coll, caller: c, access: r.access, signal: make(chan struct{}, 1), renewed: s.now()}
	if c.Request != nil {
		w.session = c.Request.SessionID
	}
	if err := w.prepare(r, lastEventID); err != nil {
		return nil, s.fail(ctx, "watch", err)
	}
	if _, err := s.feeds.join(ctx, s, r.coll, w); err != nil {
		return nil, s.fail(ctx, "watch", err)
	}
	if lastEventID != "" {
		// The shared stream is joined first, so that between the two nothing is lost.
		w.passed, w.began = lastEventID, lastEventID
		if w.private, err = r.coll.upstream(context.WithoutCancel(ctx), tokenOf(lastEventID), true); err != nil {
			w.Close()
			if historyLost(err) {
				err = fault.New(fault.MongoDBError, "the stream cannot be resumed after this event: its history is gone").WithCause(err)
			}
			return nil, s.fail(ctx, "watch", err)
		}
	}
	return w, nil
}

// Begin is the id to resume after when the stream breaks before its first event;
// "" when it is not known.
func (w *Stream) Begin() string { return w.began }

// maxEventID bounds the Last-Event-ID that is tried.
const maxEventID = 4096

func (w *Stream) prepare(r *request, lastEventID string) error {
	if len(lastEventID) > maxEventID {
		return invalid("the event id is longer than %d characters", maxEventID)
	}
	for _, c := range lastEventID {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') && (c < 'a' || c > 'f') {
			return invalid("the event id is not one that this server sent")
		}
	}
	if r.args.ids.Type == bson.TypeArray {
		ids, err := r.args.ids.Array().Values()
		if err != nil {
			return invalid("the argument \"ids\" is not a valid array")
		}
		w.ids = ids
		if w.ids == nil {
			w.ids = []bson.RawValue{}
		}
	}
	if len(r.args.query) > 5 {
		// The filter sees events as the caller does; the operators are those of
		// queries.
		if err := checkQuery(r.args.query, 0, nil); err != nil {
			return err
		}
		f, err := query.Compile(r.args.query)
		if err != nil {
			return mongoFault("%v", err)
		}
		w.filter = f
	}
	return w.narrowBy(r.query)
}

// narrowBy makes the rule filters that apply part of the stream.
func (w *Stream) narrowBy(q rule.Query) error {
	w.narrow, w.hide = nil, nil
	for _, d := range q.Projections {
		p, err := query.CompileProjection(context.Background(), d, emptyDocument)
		if err != nil {
			return mongoFault("the projection of a filter of the rules cannot be applied to a watch: %v", err)
		}
		w.hide = append(w.hide, p)
	}
	if len(q.Filters) <= 5 {
		return nil
	}
	f, err := query.Compile(q.Filters)
	if err != nil {
		return mongoFault("a filter of the rules cannot be applied to a watch: %v", err)
	}
	w.narrow = f
	return nil
}

// offer queues an event; too many of them end the stream, which can be resumed
// after the last one that was delivered.
func (w *Stream) offer(e *changeEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if len(w.queue) >= w.s.limits.WatchBuffer || w.bytes+int64(e.size) > w.s.limits.WatchBytes {
		w.err = fault.New(fault.MongoDBError, "the stream fell behind by more than %d events or %d bytes (watch_buffer_events, watch_buffer_size) and ended; it can be resumed", w.s.limits.WatchBuffer, w.s.limits.WatchBytes)
	} else {
		w.queue = append(w.queue, e)
		w.bytes += int64(e.size)
		w.s.cfg.Backlog.add(1, int64(e.size))
	}
	w.wake()
}

func (w *Stream) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.wake()
}

func (w *Stream) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// pop takes the next queued event; err is set when the stream is over.
func (w *Stream) pop() (*changeEvent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) > 0 {
		e := w.queue[0]
		w.queue[0] = nil
		if w.queue = w.queue[1:]; len(w.queue) == 0 {
			w.queue = nil
		}
		w.bytes -= int64(e.size)
		w.s.cfg.Backlog.add(-1, -int64(e.size))
		return e, nil
	}
	return nil, w.err
}

// Next waits for an event that the caller may see. id resumes after it. When ctx
// ends, the stream stays usable; io.EOF says that it is over, a *fault.Error why.
func (w *Stream) Next(ctx context.Context) (id string, event bson.Raw, err error) {
	for {
		e, err := w.take(ctx)
		if err != nil {
			return "", nil, err
		}
		shown, err := w.judge(ctx, e)
		if err != nil {
			if ctx.Err() != nil {
				// It was not delivered: a resumed stream will see it again.
				return "", nil, w.stop(fault.New(fault.MongoDBError, "the stream's rules took too long; it can be resumed"))
			}
			return "", nil, w.stop(w.s.fail(ctx, "watch", err))
		}
		if shown != nil {
			return e.token, shown, nil
		}
	}
}

func (w *Stream) stop(err error) error {
	w.finish(err)
	return err
}

// take gives the next event of the namespace, whoever may see it.
func (w *Stream) take(ctx context.Context) (*changeEvent, error) {
	for w.private != nil {
		if w.private.TryNext(ctx) {
			e := readEvent(append(bson.Raw(nil), w.private.Current...))
			w.passed = e.token
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := w.private.Err(); err != nil {
			return nil, w.stop(w.s.fail(ctx, "watch", err))
		}
		// It has told everything up to its token; the shared stream has the rest.
		if token := tokenText(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: w.private.ResumeToken()}); token > w.passed {
			w.passed = token
		}
		_ = w.private.Close(context.WithoutCancel(ctx))
		w.private = nil
	}
	for {
		e, err := w.pop()
		switch {
		case err != nil:
			return nil, err
		case e != nil && (w.passed == "" || e.token > w.passed):
			w.passed = ""
			return e, nil
		case e != nil:
			continue // told already while catching up
		}
		select {
		case <-w.signal:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the stream.
func (w *Stream) Close() {
	w.finish(io.EOF)
	w.s.feeds.leave(w)
	w.mu.Lock()
	w.s.cfg.Backlog.add(-len(w.queue), -w.bytes)
	w.queue, w.bytes = nil, 0
	w.mu.Unlock()
	if w.private != nil {
		_ = w.private.Close(context.Background())
		w.private = nil
	}
}

// renew looks at the user again, whose custom data may have changed.
func (w *Stream) renew(ctx context.Context) error {
	w.access.Renew(ctx)
	now := w.s.now()
	if now.Sub(w.renewed) < userAge {
		return nil
	}
	w.renewed = now
	if w.s.cfg.Refresh != nil {
		c, err := w.s.cfg.Refresh(ctx, w.caller)
		if err != nil {
			return err
		}
		w.caller = c
	}
	w.access = w.access.Namespace().Access(ctx, w.caller, w.s.cfg.Functions, nil)
	w.access.NoPushdown = w.s.cfg.NoPushdown
	q, err := w.access.Query()
	if err != nil {
		return err
	}
	return w.narrowBy(q)
}
