// Package live keeps values read from the database in memory and keeps them
// right: a change stream removes what another process changed. While the stream
// cannot be trusted (it is not supported, or the connection is down) a value is
// believed for MaxStale and no longer.
package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// MaxStale bounds how long a change made by another process may stay unseen
// when no change stream says so.
const MaxStale = 5 * time.Second

// await is how long the server may hold an empty answer; each answer is a sign
// of life, so it has to be well below MaxStale.
const await = time.Second

// Change is one event of the stream.
type Change struct {
	Operation string        // update, replace, delete …
	ID        bson.RawValue // _id of the document

	removed bson.RawValue
}

// Removed says whether an update removed a field of the document.
func (c Change) Removed(field string) bool {
	fields, ok := c.removed.ArrayOK()
	if !ok {
		return false
	}
	names, _ := fields.Values()
	for _, v := range names {
		if name, ok := v.StringValueOK(); ok && name == field {
			return true
		}
	}
	return false
}

// Subscriber hears of changes in one collection. Its functions are called one
// at a time and must not block.
type Subscriber struct {
	Collection string
	Changed    func(Change)

	// Reset is called when events may have been missed: everything known is doubtful.
	Reset func()
}

// Watcher follows the changes of one database.
type Watcher struct {
	db     *mongo.Database
	logger *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	epoch atomic.Uint64 // number of the uninterrupted stretch of the stream, 0 before the first
	alive atomic.Int64  // unix nanoseconds of the stream's last sign of life

	mu   sync.Mutex
	subs map[*Subscriber]struct{}
}

// Watch starts following the collections of db. It returns at once; until the
// stream stands, caches fall back to MaxStale.
func Watch(db *mongo.Database, collections []string, logger *slog.Logger) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{db: db, logger: logger, cancel: cancel, done: make(chan struct{}), subs: map[*Subscriber]struct{}{}}
	go w.run(ctx, collections)
	return w
}

// Close ends the stream and waits for its goroutine.
func (w *Watcher) Close() {
	w.cancel()
	<-w.done
}

// Subscribe adds s; the returned function removes it.
func (w *Watcher) Subscribe(s *Subscriber) (cancel func()) {
	w.mu.Lock()
	w.subs[s] = struct{}{}
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		delete(w.subs, s)
		w.mu.Unlock()
	}
}

// Live reports whether the stream is up, which tests and health pages ask.
func (w *Watcher) Live() bool { return w.trusted(w.epoch.Load(), time.Now()) }

// trusted says whether a value read in that epoch would have been removed by
// now if it had changed more than MaxStale ago.
func (w *Watcher) trusted(epoch uint64, now time.Time) bool {
	return epoch != 0 && epoch == w.epoch.Load() && now.UnixNano()-w.alive.Load() < int64(MaxStale)
}

func (w *Watcher) run(ctx context.Context, collections []string) {
	defer close(w.done)
	wait, said := time.Second, false
	for ctx.Err() == nil {
		began := time.Now()
		err := w.follow(ctx, collections)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait, said = time.Second, false
		}
		if !said {
			w.logger.Warn("account changes made by other processes are noticed within 5 s only: no change stream", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 30*time.Second)
	}
}

func (w *Watcher) follow(ctx context.Context, collections []string) error {
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: bson.D{
			{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: collections}}},
			{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "insert"}}},
		}}},
	}
	stream, err := w.db.Watch(ctx, pipeline, options.ChangeStream().SetMaxAwaitTime(await))
	if err != nil {
		return err
	}
	defer stream.Close(context.WithoutCancel(ctx))
	// What was read before the stream stood may have changed unseen.
	w.each(func(s *Subscriber) { s.Reset() })
	w.alive.Store(time.Now().UnixNano())
	w.epoch.Add(1)
	defer w.epoch.Add(1)
	for {
		if stream.TryNext(ctx) {
			w.deliver(stream.Current)
			continue
		}
		if err := stream.Err(); err != nil {
			return err
		}
		if stream.ID() == 0 {
			return errors.New("the change stream was closed by the server")
		}
		w.alive.Store(time.Now().UnixNano())
	}
}

func (w *Watcher) deliver(event bson.Raw) {
	op, _ := event.Lookup("operationType").StringValueOK()
	coll, _ := event.Lookup("ns", "coll").StringValueOK()
	id, err := event.LookupErr("documentKey", "_id")
	w.each(func(s *Subscriber) {
		if s.Collection != coll {
			return
		}
		if err != nil { // drop, rename: no single document
			s.Reset()
			return
		}
		s.Changed(Change{Operation: op, ID: id, removed: event.Lookup("updateDescription", "removedFields")})
	})
}

func (w *Watcher) each(f func(*Subscriber)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.subs {
		f(s)
	}
}
