package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func insert(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	w := inserter{c: c, name: name, ordered: c.on("ordered", true), validate: !c.on("bypassDocumentValidation", false), one: c.statements("documents") == 1}
	defer w.rollback()
	if err := c.each("documents", w.add); err != nil {
		return err
	}
	if err := w.flush(true); err != nil {
		return err
	}
	c.e.ops.insert.Add(int64(w.n))
	c.int32("n", w.n)
	c.appendRetried(w.retried)
	c.appendWriteErrors(w.errors)
	if c.txn != nil && len(w.errors) > 0 {
		c.txn.abort()
	}
	return nil
}

// inserter puts documents into one collection, many under one hold of its lock.
type inserter struct {
	c        *call
	name     string
	coll     *store.Collection
	u        *store.Unit
	ordered  bool
	validate bool
	one      bool // there is one document
	n        int
	pending  []int32 // statements in u
	errors   []writeError
	retried  []int32
	buf      []byte
}

// add inserts the document at position i of the batch; more is false after an error when the batch is ordered.
func (w *inserter) add(i int, doc bson.Raw) (more bool, err error) {
	stmt := w.c.stmtID(i)
	if w.c.already(stmt) != nil {
		w.n++
		w.retried = append(w.retried, stmt)
		return true, nil
	}
	doc, err = w.prepare(doc)
	if err == nil {
		err = w.put(doc)
	}
	if err != nil {
		m := w.c.asWriteError(err)
		if m == nil {
			return false, err
		}
		w.errors = append(w.errors, writeError{i, m})
		return !w.ordered && (w.c.txn == nil), nil
	}
	w.n++
	w.pending = append(w.pending, stmt)
	if w.u.Def().Capped {
		return true, w.flush(false) // trimming looks at what has been applied
	}
	if w.u.Len() >= unitDocs || w.u.Bytes() >= unitBytes && w.c.txn == nil {
		return true, w.flush(false)
	}
	return true, nil
}

// prepare checks the document and moves its _id to the front, or gives it one.
func (w *inserter) prepare(doc bson.Raw) (bson.Raw, error) {
	if err := checkStored(doc, "insert"); err != nil {
		return nil, err
	}
	out, err := withID(w.buf, doc)
	if err != nil {
		return nil, err
	}
	if len(out) > 0 && len(doc) > 0 && &out[0] != &doc[0] {
		w.buf = out[:0]
		if err := checkStored(out, "insert"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// withID gives doc with its _id in front, a new one if it has none; buf may be used for the result.
func withID(buf []byte, doc bson.Raw) (bson.Raw, error) {
	it := value.Over(doc)
	if it.Next() && it.Key() == "_id" {
		return doc, checkID(it.Value())
	}
	id := value.Lookup(doc, "_id")
	if id.Type == 0 {
		id = value.ObjectID(bson.NewObjectID())
	} else if err := checkID(id); err != nil {
		return nil, err
	}
	i, out := bsoncore.AppendDocumentStart(buf[:0])
	out = value.Append(out, "_id", id)
	it = value.Over(doc)
	for it.Next() {
		if it.Key() != "_id" {
			out = value.Append(out, it.Key(), it.Value())
		}
	}
	out, _ = bsoncore.AppendDocumentEnd(out, i)
	return out, nil
}

func (w *inserter) put(doc bson.Raw) error {
	for {
		if w.u == nil {
			if w.coll == nil || w.coll.Dropped() {
				var err error
				if w.coll, err = w.c.ensure(w.name); err != nil {
					return err
				}
			}
			u, err := w.c.begin(w.coll, w.one)
			if err == store.ErrCollectionGone {
				continue
			}
			if err != nil {
				return err
			}
			w.u = u
		}
		if d := w.u.Def(); d.Capped && int64(len(doc)) > d.MaxSize {
			return mongoerr.New(mongoerr.BadValue, "object to insert exceeds cappedMaxSize")
		}
		_, err := w.u.Insert(doc, w.validate)
		if _, held := store.Held(err); !held {
			return err
		}
		// What is in the unit so far is applied before waiting.
		if err := w.flush(false); err != nil {
			return err
		}
		if err := w.c.wait(w.c.ctx, err); err != nil {
			return err
		}
	}
}

// flush applies what has been inserted so far; the last call waits until all of it is durable.
func (w *inserter) flush(last bool) error {
	u := w.u
	if u == nil {
		if last && w.n > 0 && w.c.sync() && w.c.txn == nil {
			return w.c.e.st.Sync()
		}
		return nil
	}
	w.u = nil
	for _, stmt := range w.pending {
		w.c.remember(u, retryStmt{first: stmt, count: 1, n: 1})
	}
	w.pending = w.pending[:0]
	_, err := u.Commit(last && w.c.sync())
	return err
}

func (w *inserter) rollback() {
	if w.u != nil {
		w.u.Rollback()
	}
}
