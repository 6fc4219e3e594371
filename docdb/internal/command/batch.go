package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
)

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
