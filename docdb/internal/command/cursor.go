package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

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

// appendNext appends the cursor's next document.
func (c *cursor) appendNext(ctx context.Context, dst []byte) ([]byte, error) {
	if c.held != nil {
		return append(dst, c.unhold()...), nil
	}
	if a, ok := c.src.(appender); ok {
		return a.AppendNext(ctx, dst)
	}
	d, err := c.src.Next(ctx)
	return append(dst, d...), err
}

// freeAnswer is the size up to which an answer that must come as a whole takes the room that it needs; for a larger one there has to be
// room for the largest of all, so that it need not wait in its middle.
const freeAnswer = 64 << 10

// maxReply is the size of the largest answer with a batch: the documents, and what is around them.
const maxReply = maxDocument + 64<<10

// reply is the room that the answer so far takes, or has to have.
func (c *call) reply() int {
	if n := cap(c.out); !c.whole || n <= freeAnswer {
		return n
	}
	return max(cap(c.out), maxReply)
}

// wholeRoom makes room for an answer that will be of n bytes at least and cannot end early.
func (c *call) wholeRoom(ctx context.Context, n int) error {
	if n <= cap(c.out) {
		return nil
	}
	c.whole = true
	if n <= freeAnswer && c.req.TakeRoom(n) || c.req.TakeRoom(max(n, maxReply)) {
		return nil
	}
	return c.waitRoom(ctx, max(n, maxReply))
}

// roomTime is how long an answer waits for room. Those who hold it must take what they have asked for within seconds.
const roomTime = time.Minute

var errNoRoom = mongoerr.New(mongoerr.ExceededMemoryLimit, "too many large answers are on their way to clients who do not read them; try again")

func (c *call) waitRoom(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, roomTime, errNoRoom)
	defer cancel()
	return c.req.WaitRoom(ctx, n)
}

// hold keeps a document for the next batch.
func (c *cursor) hold(doc bson.Raw) error {
	if n := int64(len(doc)); n > freeHeld && !c.memory.Force(n) {
		return errOpenCursors(c.memory.Most())
	}
	c.held = append(bson.Raw(nil), doc...)
	return nil
}

// freeHeld is the largest held document that is not counted.
const freeHeld = 4 << 10

// weigh keeps the command of a cursor that stays open, and counts what its filter or pipeline takes: about twice as much as it is long.
func (c *cursor) weigh(command bson.Raw) error {
	if n := int64(3 * len(command)); n > freeHeld {
		if !c.memory.Force(n) {
			return errOpenCursors(c.memory.Most())
		}
		c.weight = n
	}
	c.command = bytes.Clone(command)
	return nil
}

func errOpenCursors(most int64) error {
	return mongoerr.New(mongoerr.ExceededMemoryLimit, "open cursors and queries hold more than %d bytes; close some", most)
}

// unhold gives the held document out.
func (c *cursor) unhold() (d bson.Raw) {
	d, c.held = c.held, nil
	if n := int64(len(d)); n > freeHeld {
		c.memory.Give(n)
	}
	return d
}

// appendBatch writes up to n documents (all that fit, if n is negative) as array field; done says that there are no more.
func (c *call) appendBatch(ctx context.Context, cur *cursor, field string, n int64) (done bool, count int, err error) {
	cur.memory = c.e.memory
	a, out := bsoncore.AppendArrayElementStart(c.out, field)
	c.out = out
	start := len(c.out)
	for int64(count) != n {
		if cur.limit == 0 {
			done = true
			break
		}
		mark, had := len(c.out), cap(c.out)
		c.out = append(c.out, byte(bson.TypeEmbeddedDocument))
		c.out = strconv.AppendInt(c.out, int64(count), 10)
		c.out = append(c.out, 0)
		at := len(c.out)
		if c.out, err = cur.appendNext(ctx, c.out); err != nil {
			c.out = c.out[:mark]
			if err == io.EOF {
				done, err = true, nil
			}
			break
		}
		if count > 0 && len(c.out)-start > batchBytes {
			err = cur.hold(c.out[at:])
			c.out = c.out[:mark]
			break
		}
		if cap(c.out) > had && !c.req.TakeRoom(c.reply()) {
			// Who has to wait or to stop keeps the document, not the buffer.
			err = cur.hold(c.out[at:])
			need := c.reply()
			c.out = slices.Clone(c.out[:mark])
			if err != nil || count > 0 && !c.whole {
				break
			}
			if err = c.waitRoom(ctx, need); err != nil {
				break
			}
			c.out = slices.Grow(c.out, min(need, maxDocument/4))
			continue
		}
		count++
		if cur.limit > 0 {
			cur.limit--
		}
	}
	if cur.limit == 0 {
		done = true
	}
	c.out, _ = bsoncore.AppendArrayEnd(c.out, a)
	return done, count, err
}

// openCursor answers with the first batch of src, and keeps a cursor if there is more.
func (c *call) openCursor(ctx context.Context, cur *cursor, batch int64, single bool) error {
	i, out := bsoncore.AppendDocumentElementStart(c.out, "cursor")
	mark := len(c.out)
	c.out = out
	c.whole = single
	done, n, err := c.appendBatch(ctx, cur, "firstBatch", batch)
	if err != nil && n > 0 && cur.events != nil && !errors.Is(err, context.Canceled) {
		// The events before the failure are delivered; the next getMore fails.
		cur.events.later, err = err, nil
	}
	if err != nil {
		c.out = c.out[:mark]
		cur.close()
		return err
	}
	if (done || single) && !cur.tailable || cur.ended() {
		cur.close()
		cur.id = 0
	} else {
		cur.db = c.db
		if cur.on != nil {
			cur.onName = cur.on.Def().Namespace()
		}
		cur.txn = c.txn
		cur.running = c.running
		cur.user = c.c.login.name
		if c.sess != nil {
			cur.sess = c.sess.id
		}
		err := cur.weigh(c.req.Body)
		if err == nil {
			err = c.e.cursors.add(cur)
		}
		if err != nil {
			c.out = c.out[:mark]
			cur.close()
			return err
		}
	}
	c.cursorTail(cur)
	c.out, _ = bsoncore.AppendDocumentEnd(c.out, i)
	return nil
}

func (c *call) cursorTail(cur *cursor) {
	if cur.events != nil {
		cur.events.appendResume(c)
	}
	if cur.atTime != 0 {
		c.out = bsoncore.AppendTimestampElement(c.out, "atClusterTime", uint32(cur.atTime>>32), uint32(cur.atTime))
	}
	c.out = bsoncore.AppendInt64Element(c.out, "id", cur.id)
	c.out = bsoncore.AppendStringElement(c.out, "ns", cur.ns)
}

// emptyCursor answers with no documents at all.
func (c *call) emptyCursor(ns string) error {
	i, out := bsoncore.AppendDocumentElementStart(c.out, "cursor")
	a, out := bsoncore.AppendArrayElementStart(out, "firstBatch")
	out, _ = bsoncore.AppendArrayEnd(out, a)
	out = bsoncore.AppendInt64Element(out, "id", 0)
	out = bsoncore.AppendStringElement(out, "ns", ns)
	c.out, _ = bsoncore.AppendDocumentEnd(out, i)
	return nil
}

// listCursor answers with documents that are all there.
func (c *call) listCursor(ns string, docs []bson.Raw, batch int64) error {
	cur := &cursor{ns: ns, src: &listStream{docs: docs}, limit: int64(len(docs))}
	if cur.limit == 0 {
		return c.emptyCursor(ns)
	}
	return c.openCursor(c.ctx, cur, batch, false)
}

// listStream is a stream of documents that are all there.
type listStream struct{ docs []bson.Raw }

func (l *listStream) Next(context.Context) (bson.Raw, error) {
	if len(l.docs) == 0 {
		return nil, io.EOF
	}
	d := l.docs[0]
	l.docs = l.docs[1:]
	return d, nil
}

func (l *listStream) Close() error { return nil }

func getMore(c *call) error {
	c.e.ops.getmore.Add(1)
	id, ok := c.target.Int64OK()
	if !ok {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'getMore.getMore' is the wrong type, expected type 'long'")
	}
	coll := c.str("collection")
	if coll == "" {
		return mongoerr.New(mongoerr.InvalidNamespace, "Collection names cannot be empty")
	}
	batch, err := c.count("batchSize", 0, 0)
	if err != nil {
		return err
	}
	if batch == 0 {
		batch = -1
	}
	cur := c.e.cursors.get(id)
	if cur == nil {
		return mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found", id)
	}
	if cur.ns != c.db+"."+coll {
		return mongoerr.New(mongoerr.Unauthorized, "Requested getMore on namespace '%s.%s', but cursor belongs to a different namespace %s", c.db, coll, cur.ns)
	}
	if cur.user != c.c.login.name {
		return mongoerr.New(mongoerr.Unauthorized, "cursor id %d was not created by the authenticated user", id)
	}
	sess := ""
	if c.sess != nil {
		sess = c.sess.id
	}
	if cur.sess != sess {
		if cur.sess == "" {
			return mongoerr.New(50736, "Cannot run getMore on cursor %d, which was not created in a session, in session %x", id, sess)
		}
		if sess == "" {
			return mongoerr.New(50737, "Cannot run getMore on cursor %d, which was created in session %x, without an lsid", id, cur.sess)
		}
		return mongoerr.New(50738, "Cannot run getMore on cursor %d, which was created in session %x, in session %x", id, cur.sess, sess)
	}
	if cur.txn != c.txn {
		if cur.txn == nil {
			return mongoerr.New(50740, "Cannot run getMore on cursor %d, which was not created in a transaction, in transaction %d", id, c.txnNumber)
		}
		return mongoerr.New(50741, "Cannot run getMore on cursor %d, which was created in a transaction, outside of it", id)
	}
	if c.maxTime != 0 && !cur.awaits {
		return mongoerr.New(mongoerr.BadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
	}
	if !cur.mu.TryLock() {
		return mongoerr.New(12051, "cursor id %d is already in use", id)
	}
	defer cur.mu.Unlock()
	if cur.closed {
		return mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found", id)
	}
	c.watching = cur.events != nil
	if c.running = cur.running; c.running != nil {
		c.running.now.Store(c.ctx)
	}
	now := c.e.opts.Now().UnixMilli()
	cur.used.Store(now)
	if cur.on != nil && cur.on.Dropped() && !cur.tailable {
		c.e.cursors.take(id)
		cur.close()
		return mongoerr.New(mongoerr.QueryPlanKilled, "collection dropped. UUID %x", cur.on.UUID)
	}
	if cur.on != nil && cur.onName != cur.on.Def().Namespace() && !cur.on.Dropped() {
		c.e.cursors.take(id)
		cur.close()
		return mongoerr.New(mongoerr.QueryPlanKilled, "collection renamed from '%s' to '%s'. UUID %x", cur.onName, cur.on.Def().Namespace(), cur.on.UUID)
	}
	mark := len(c.out)
	i, out := bsoncore.AppendDocumentElementStart(c.out, "cursor")
	c.out = out
	inside := len(c.out)
	var timer *time.Timer
	var done bool
	var n int
	for {
		done, n, err = c.appendBatch(c.ctx, cur, "nextBatch", batch)
		if err != nil || n > 0 || !cur.awaits || cur.ended() {
			break
		}
		if timer == nil {
			d := c.maxTime
			if d == 0 {
				d = time.Second
			}
			timer = time.NewTimer(d)
			defer timer.Stop()
		}
		more, e := c.await(cur, timer)
		if e != nil {
			err = e
			break
		}
		if !more {
			break
		}
		c.out = c.out[:inside]
	}
	if err != nil && n > 0 && cur.events != nil && !errors.Is(err, context.Canceled) {
		// The events before the failure are delivered; the next getMore fails.
		cur.events.later, err = err, nil
	}
	if err != nil {
		c.out = c.out[:mark]
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || cur.events == nil {
			c.e.cursors.take(id)
			cur.close()
		}
		return err
	}
	if done && !cur.tailable || cur.ended() {
		c.e.cursors.take(id)
		cur.close()
		cur.id = 0
	}
	c.cursorTail(cur)
	c.out, _ = bsoncore.AppendDocumentEnd(c.out, i)
	cur.used.Store(c.e.opts.Now().UnixMilli())
	return nil
}

// ended reports whether a change stream has given out its invalidate.
func (c *cursor) ended() bool { return c.events != nil && c.events.finished }

// await blocks until there may be something new for a tailable cursor (more), or until the time is up.
func (c *call) await(cur *cursor, t *time.Timer) (more bool, err error) {
	var wait interface {
		Wait() (ready <-chan struct{}, more bool)
	} = cur.tail
	if cur.events != nil {
		wait = cur.events
	}
	for {
		ready, more := wait.Wait()
		if more {
			return true, nil
		}
		select {
		case <-ready:
		case <-t.C:
			return false, nil
		case <-cur.stop:
			return false, mongoerr.New(mongoerr.CursorNotFound, "cursor id %d was killed", cur.id)
		case <-c.ctx.Done():
			return false, c.ctx.Err()
		case <-c.e.ctx.Done():
			return false, mongoerr.New(mongoerr.InterruptedAtShutdown, "interrupted at shutdown")
		}
	}
}

func killCursors(c *call) error {
	if _, err := c.collName(); err != nil {
		return err
	}
	vals, err := c.arg("cursors").Array().Values()
	if err != nil {
		return mongoerr.New(mongoerr.InvalidBSON, "%v", err)
	}
	killed, missing := bson.A{}, bson.A{}
	for _, v := range vals {
		id, ok := v.Int64OK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'killCursors.cursors' holds a value that is no long")
		}
		cur := c.e.cursors.get(id)
		if cur != nil && cur.user == c.c.login.name && c.e.cursors.kill(id) {
			killed = append(killed, id)
		} else {
			missing = append(missing, id)
		}
	}
	c.fields(bson.D{{Key: "cursorsKilled", Value: killed}, {Key: "cursorsNotFound", Value: missing}, {Key: "cursorsAlive", Value: bson.A{}}, {Key: "cursorsUnknown", Value: bson.A{}}})
	return nil
}
