package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// retryRecord is what a session's retryable write has done, statement by statement. It is stored together with the effects, as
//
//	{n: transaction number, w: date, s: [{i: statement, c: how many alike follow, n, m, u: upserted id, r: whole reply}, …]}
//
// so that a repeated command gets the first one's answer and never runs again (mongo-engine.md §1.5).
type retryRecord struct {
	number int64
	stmts  []retryStmt
}

type retryStmt struct {
	first, count int32
	n, modified  int32
	upserted     bson.RawValue
	reply        bson.Raw
}

// size is about what the record takes.
func (r *retryRecord) size() (n int) {
	if r == nil {
		return 0
	}
	for i := range r.stmts {
		n += 64 + len(r.stmts[i].upserted.Value) + len(r.stmts[i].reply)
	}
	return n
}

// find gives the statement's result if it has been run.
func (r *retryRecord) find(stmt int32) *retryStmt {
	if r == nil {
		return nil
	}
	for i := range r.stmts {
		if s := &r.stmts[i]; stmt >= s.first && stmt < s.first+s.count {
			return s
		}
	}
	return nil
}

// add notes a statement's result; inserts that follow one another are one entry.
func (r *retryRecord) add(s retryStmt) {
	if n := len(r.stmts); n > 0 && s.reply == nil && s.upserted.Type == 0 {
		if l := &r.stmts[n-1]; l.reply == nil && l.upserted.Type == 0 && l.first+l.count == s.first && l.n == s.n && l.modified == s.modified {
			l.count += s.count
			return
		}
	}
	r.stmts = append(r.stmts, s)
}

func (r *retryRecord) encode(now int64) []byte {
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 96))
	b = bsoncore.AppendInt64Element(b, "n", r.number)
	b = bsoncore.AppendDateTimeElement(b, "w", now)
	a, b := bsoncore.AppendArrayElementStart(b, "s")
	for k := range r.stmts {
		s := &r.stmts[k]
		j, d := value.BeginIndexed(b, bson.TypeEmbeddedDocument, k)
		d = bsoncore.AppendInt32Element(d, "i", s.first)
		d = bsoncore.AppendInt32Element(d, "c", s.count)
		d = bsoncore.AppendInt32Element(d, "n", s.n)
		d = bsoncore.AppendInt32Element(d, "m", s.modified)
		if s.upserted.Type != 0 {
			d = value.Append(d, "u", s.upserted)
		}
		if s.reply != nil {
			d = bsoncore.AppendDocumentElement(d, "r", bsoncore.Document(s.reply))
		}
		b = value.End(d, j)
	}
	b, _ = bsoncore.AppendArrayEnd(b, a)
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

func parseRetry(raw bson.Raw) (*retryRecord, error) {
	r := &retryRecord{}
	r.number, _ = raw.Lookup("n").Int64OK()
	arr, _ := raw.Lookup("s").ArrayOK()
	it := value.Over(arr)
	for it.Next() {
		d := it.Value().Document()
		var s retryStmt
		s.first, _ = d.Lookup("i").Int32OK()
		s.count, _ = d.Lookup("c").Int32OK()
		s.n, _ = d.Lookup("n").Int32OK()
		s.modified, _ = d.Lookup("m").Int32OK()
		s.upserted = d.Lookup("u")
		s.reply, _ = d.Lookup("r").DocumentOK()
		r.stmts = append(r.stmts, s)
	}
	return r, nil
}

// remember makes a unit store the session's record together with its writes.
func (c *call) remember(u *store.Unit, s retryStmt) {
	if c.sess == nil || c.txn != nil || !c.hasTxn {
		return
	}
	c.sess.retry.add(s)
	u.SetSession(store.SessionKey([]byte(c.sess.id)), c.sess.retry.encode(c.e.opts.Now().UnixMilli()))
}

// done gives the result of a statement that an earlier sending of this command has run.
func (c *call) already(stmt int32) *retryStmt {
	if c.sess == nil || c.txn != nil || !c.hasTxn {
		return nil
	}
	return c.sess.retry.find(stmt)
}
