package data

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
)

// feeds are the open change streams, one for each watched namespace however
// many watch it.
type feeds struct {
	mu       sync.Mutex
	open     map[collectionKey]*feed
	watchers int
	sessions map[string]int // watchers by session
	closed   bool
}

// feed is one upstream change stream and its watchers.
type feed struct {
	s    *Service
	coll *collection

	// ready is closed when the first stream is open, or failed with err.
	ready chan struct{}
	err   error

	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	watchers map[*Stream]struct{}
	at       string // text of the last token that was passed
}

// changeEvent is an event as it came, read once for all watchers.
type changeEvent struct {
	raw    bson.Raw
	token  string // the resume token's text
	op     string
	full   bson.Raw // after the change; nil when there is none
	before bson.Raw // before it, where the deployment keeps that
	key    bson.Raw // documentKey

	description bson.Raw
	size        int // of memory, about
	makeImage   sync.Once
	after       bson.Raw
}

// image is the document right after an update, made of the one before it; nil where
// that is not known. The looked-up one may be of a later time.
func (e *changeEvent) image() bson.Raw {
	if e.op != "update" || e.before == nil || e.description == nil {
		return nil
	}
	e.makeImage.Do(func() {
		if dotted(e.before) || e.full != nil && dotted(e.full) {
			return
		}
		if c, err := readChanges(e.description); err == nil {
			e.after, _ = c.applyTo(e.before)
		}
	})
	return e.after
}

func readEvent(raw bson.Raw) *changeEvent {
	e := &changeEvent{raw: raw, size: len(raw)}
	elems, err := raw.Elements()
	if err != nil {
		return e
	}
	for _, x := range elems {
		v := x.Value()
		switch x.Key() {
		case "_id":
			e.token = tokenText(v)
		case "operationType":
			e.op, _ = v.StringValueOK()
		case "fullDocument":
			e.full, _ = v.DocumentOK()
		case "fullDocumentBeforeChange":
			e.before, _ = v.DocumentOK()
		case "documentKey":
			e.key, _ = v.DocumentOK()
		case "updateDescription":
			e.description, _ = v.DocumentOK()
		}
	}
	if e.size = len(raw); e.description != nil {
		e.size += len(e.before) + len(e.description) // the image
	}
	return e
}

// tokenText gives a resume token's text, by which tokens sort in time; empty for
// tokens of another form, which can then only be resumed privately.
func tokenText(v bson.RawValue) string {
	d, ok := v.DocumentOK()
	if !ok {
		return ""
	}
	data, err := d.LookupErr("_data")
	if err != nil {
		return ""
	}
	s, _ := data.StringValueOK()
	return s
}

// tokenOf is the resume token with that text.
func tokenOf(text string) bson.Raw { return documentOf("_data", stringValue(text)) }

// upstream opens a change stream. Pre-images are asked for, and done without
// where the deployment does not know them.
func (c *collection) upstream(ctx context.Context, after bson.Raw, afterInvalidate bool) (*mongo.ChangeStream, error) {
	opts := func() *options.ChangeStreamOptionsBuilder {
		o := options.ChangeStream().SetFullDocument(options.UpdateLookup)
		switch {
		case after != nil && afterInvalidate:
			o.SetStartAfter(after)
		case after != nil:
			o.SetResumeAfter(after)
		}
		return o
	}
	cs, err := c.Watch(ctx, mongo.Pipeline{}, opts().SetFullDocumentBeforeChange(options.WhenAvailable))
	var command mongo.CommandError
	if errors.As(err, &command) && (command.Code == 40415 || command.Code == 9 || command.Code == 72) {
		cs, err = c.Watch(ctx, mongo.Pipeline{}, opts())
	}
	return cs, err
}

// join gives the namespace's feed with w in it, opening it when it is the first.
func (fs *feeds) join(ctx context.Context, s *Service, coll *collection, w *Stream) (*feed, error) {
	fs.mu.Lock()
	switch {
	case fs.closed:
		fs.mu.Unlock()
		return nil, io.EOF
	case fs.watchers >= s.limits.Watchers:
		fs.mu.Unlock()
		return nil, invalid("the app has %d watch streams open, which is the limit (watch_max_per_app)", s.limits.Watchers)
	case w.session != "" && fs.sessions[w.session] >= s.limits.UserWatchers:
		fs.mu.Unlock()
		return nil, invalid("the session has %d watch streams open, which is the limit (watch_max_per_session)", s.limits.UserWatchers)
	}
	f := fs.open[coll.key]
	if f == nil {
		f = &feed{s: s, coll: coll, ready: make(chan struct{}), done: make(chan struct{}), watchers: map[*Stream]struct{}{}}
		var run context.Context
		run, f.cancel = context.WithCancel(context.Background())
		fs.open[coll.key] = f
		go f.run(run)
	}
	f.mu.Lock()
	f.watchers[w] = struct{}{}
	w.began = f.at
	f.mu.Unlock()
	fs.watchers++
	s.cfg.Backlog.streams.Add(1)
	if fs.sessions == nil {
		fs.sessions = map[string]int{}
	}
	fs.sessions[w.session]++
	fs.mu.Unlock()
	w.feed = f
	select {
	case <-f.ready:
	case <-ctx.Done():
		fs.leave(w)
		return nil, ctx.Err()
	}
	if f.err != nil {
		fs.leave(w)
		return nil, f.err
	}
	if w.began == "" { // the first watcher waited for the stream to open
		f.mu.Lock()
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.began = f.at
		}
		w.mu.Unlock()
		f.mu.Unlock()
	}
	return f, nil
}

// leave takes a watcher out; the last one stops the feed.
func (fs *feeds) leave(w *Stream) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := w.feed
	if f == nil {
		return
	}
	w.feed = nil
	fs.watchers--
	w.s.cfg.Backlog.streams.Add(-1)
	if fs.sessions[w.session]--; fs.sessions[w.session] <= 0 {
		delete(fs.sessions, w.session)
	}
	f.mu.Lock()
	delete(f.watchers, w)
	last := len(f.watchers) == 0
	f.mu.Unlock()
	if last {
		if fs.open[f.coll.key] == f {
			delete(fs.open, f.coll.key)
		}
		f.cancel()
	}
}

func (fs *feeds) close() {
	fs.mu.Lock()
	fs.closed = true
	open := make([]*feed, 0, len(fs.open))
	for _, f := range fs.open {
		open = append(open, f)
	}
	fs.mu.Unlock()
	for _, f := range open {
		f.end(io.EOF)
		f.cancel()
		<-f.done
	}
}

// end ends every watcher's stream with err, after what is queued.
func (f *feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.finish(err)
	}
}

// run reads the upstream until the feed is cancelled. The driver resumes over
// lost connections; what it gives up on is reopened after the last token.
func (f *feed) run(ctx context.Context) {
	defer close(f.done)
	if f.s.cfg.PreImages != nil && f.s.cfg.PreImages(f.coll.key.service) {
		f.coll.keepPreImages(ctx)
	}
	cs, err := f.coll.upstream(ctx, nil, false)
	if err != nil {
		f.err = err
		close(f.ready)
		f.s.feeds.drop(f)
		return
	}
	f.mu.Lock()
	f.at = tokenText(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: cs.ResumeToken()})
	f.mu.Unlock()
	close(f.ready)
	pause := 50 * time.Millisecond
	for {
		invalidated := false
		for cs.Next(ctx) {
			pause = 50 * time.Millisecond
			e := readEvent(append(bson.Raw(nil), cs.Current...))
			f.deliver(e)
			invalidated = e.op == "invalidate"
		}
		token, err := cs.ResumeToken(), cs.Err()
		_ = cs.Close(context.WithoutCancel(ctx))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.s.log.WarnContext(ctx, "a change stream ended and is opened again", "namespace", f.coll.key.database+"."+f.coll.key.collection, "error", err)
		}
		for {
			if cs, err = f.coll.upstream(ctx, token, invalidated); err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			if historyLost(err) {
				f.s.feeds.drop(f)
				f.end(fault.New(fault.MongoDBError, "the change stream cannot be resumed: its history is gone"))
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// historyLost tells whether a change stream can never be resumed from a token.
func historyLost(err error) bool {
	var command mongo.CommandError
	if !errors.As(err, &command) {
		return false
	}
	switch command.Code {
	case 280, 286, 260:
		return true
	}
	return strings.Contains(command.Message, "resume token was not found")
}

// drop keeps new watchers from a feed that is over.
func (fs *feeds) drop(f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.open[f.coll.key] == f {
		delete(fs.open, f.coll.key)
	}
}

// deliver hands an event to every watcher. It never waits for one.
func (f *feed) deliver(e *changeEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = e.token
	for w := range f.watchers {
		w.offer(e)
	}
}

// keepPreImages asks the deployment to keep the documents before a change, once
// per watch. Deployments that cannot (before 6.0) or may not are left as they are.
func (c *collection) keepPreImages(ctx context.Context) {
	on := bson.D{{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}
	err := c.Database().RunCommand(ctx, append(bson.D{{Key: "collMod", Value: c.Name()}}, on...)).Err()
	var command mongo.CommandError
	if errors.As(err, &command) && command.Code == 26 { // no such collection yet
		_ = c.Database().RunCommand(ctx, append(bson.D{{Key: "create", Value: c.Name()}}, on...)).Err()
	}
}
