package command

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
)

// stream gives documents one by one; io.EOF at the end. A document is valid until the next call.
type stream interface {
	Next(ctx context.Context) (bson.Raw, error)
	Close() error
}

// appender is a stream that can put its next document where the answer is made.
type appender interface {
	// AppendNext appends the next document to dst; io.EOF at the end.
	AppendNext(ctx context.Context, dst []byte) ([]byte, error)
}

// defaultBatch is the number of documents in a first batch that names none; later ones are bounded by size.
const defaultBatch = 101

// batchBytes bounds the documents of one batch.
const batchBytes = maxDocument

// cursors are the open cursors by id.
type cursors struct {
	e  *Engine
	mu sync.Mutex
	m  map[int64]*cursor
}

// cursor is an open result. mu is held by the getMore that works on it.
type cursor struct {
	id       int64
	ns       string
	db, coll string
	src      stream
	// on is the collection that the cursor reads, nil for others; the cursor dies with it.
	on *store.Collection
	// onName is what on was called when the cursor was opened.
	onName string
	sess   string // the session's key
	user   string
	txn    *transaction
	// limit is the number of documents still to come, or -1.
	limit int64
	// held is a document that did not fit into the last batch, weight what the command takes; both are counted by memory, which is set
	// with the first batch.
	held      bson.Raw
	weight    int64
	memory    *budget.Budget
	noTimeout bool
	tailable  bool
	awaits    bool
	// events is set for change streams.
	events *changeStream
	// tail is set for tailable cursors on capped collections.
	tail *tail
	// stop is closed when the cursor is killed while somebody waits on it.
	stop chan struct{}
	// atTime is the time of the snapshot of a read with level snapshot.
	atTime  uint64
	running *runningContext
	command bson.Raw

	mu     sync.Mutex
	used   atomic.Int64
	closed bool
	opened time.Time
}

func (cs *cursors) init(e *Engine) { cs.e, cs.m = e, map[int64]*cursor{} }

// add registers a cursor and gives it its id.
func (cs *cursors) add(c *cursor) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.m) >= cs.e.opts.MaxCursors {
		return mongoerr.New(mongoerr.OperationFailed, "the limit of %d open cursors has been reached", cs.e.opts.MaxCursors)
	}
	c.opened = cs.e.opts.Now()
	c.stop = make(chan struct{})
	c.used.Store(c.opened.UnixMilli())
	for {
		c.id = randomID()
		if _, ok := cs.m[c.id]; !ok {
			cs.m[c.id] = c
			return nil
		}
	}
}

func (cs *cursors) get(id int64) *cursor {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.m[id]
}

func (cs *cursors) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.m)
}

// take removes a cursor from the map; nil when it is not there.
func (cs *cursors) take(id int64) *cursor {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.m[id]
	delete(cs.m, id)
	return c
}

// kill closes a cursor as soon as nobody works on it.
func (cs *cursors) kill(id int64) bool {
	c := cs.take(id)
	if c == nil {
		return false
	}
	close(c.stop)
	if c.mu.TryLock() {
		c.close()
		c.mu.Unlock()
	} else {
		go func() {
			c.mu.Lock()
			c.close()
			c.mu.Unlock()
		}()
	}
	return true
}

// close gives back what the cursor holds; the caller holds mu or is the only one who knows it.
func (c *cursor) close() {
	if !c.closed {
		c.closed = true
		c.unhold()
		c.memory.Give(c.weight)
		if c.src != nil {
			c.src.Close()
		}
	}
}

func (cs *cursors) endSession(ss *session) {
	cs.killIf(func(c *cursor) bool { return c.sess == ss.id })
}

func (cs *cursors) killIf(f func(*cursor) bool) {
	cs.mu.Lock()
	var ids []int64
	for id, c := range cs.m {
		if f(c) {
			ids = append(ids, id)
		}
	}
	cs.mu.Unlock()
	for _, id := range ids {
		cs.kill(id)
	}
}

// sweep closes cursors that nobody has asked for too long.
func (cs *cursors) sweep() {
	old := cs.e.opts.Now().Add(-cs.e.opts.CursorTimeout).UnixMilli()
	cs.killIf(func(c *cursor) bool {
		return c.used.Load() < old && !c.noTimeout && c.sess == ""
	})
}

func (cs *cursors) closeAll() {
	cs.mu.Lock()
	m := cs.m
	cs.m = map[int64]*cursor{}
	cs.mu.Unlock()
	for _, c := range m {
		close(c.stop)
		c.mu.Lock()
		c.close()
		c.mu.Unlock()
	}
}

// ended reports whether a change stream has given out its invalidate.
func (c *cursor) ended() bool { return c.events != nil && c.events.finished }
