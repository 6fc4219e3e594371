package command

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
)

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
