package command

import (
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// retryRecord is what a session's retryable write has done, statement by statement. It is stored together with the effects, as
//
//	{n: transaction number, w: date, s: [{i: statement, c: how many alike follow, n, m, u: upserted id, r: whole reply}, …]}
//
// so that a repeated command gets the first one's answer and never runs again (mongo-engine.md §1.5). Each page of retryPage entries is
// stored by itself, or else every statement of a command with many of them would write all that came before it once more.
type retryRecord struct {
	number int64
	stmts  []retryStmt
	whole  bool // it was stored without pages and goes on so
	mixed  bool // statements did not come in their order
}

// retryPage is how many entries a page has.
const retryPage = 64

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
	from := 0
	if !r.mixed {
		from = sort.Search(len(r.stmts), func(i int) bool { return r.stmts[i].first+r.stmts[i].count > stmt })
	}
	for i := range r.stmts[from:] {
		if s := &r.stmts[from+i]; stmt >= s.first && stmt < s.first+s.count {
			return s
		} else if !r.mixed {
			break
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
	if n := len(r.stmts); n > 0 && s.first < r.stmts[n-1].first+r.stmts[n-1].count {
		r.mixed = true
	}
	r.stmts = append(r.stmts, s)
}

// lastPage is the number of the page with the last entry, and which entries it has.
func (r *retryRecord) lastPage() (page int, stmts []retryStmt) {
	if r.whole || len(r.stmts) == 0 {
		return 0, r.stmts
	}
	page = (len(r.stmts) - 1) / retryPage
	return page, r.stmts[page*retryPage:]
}

// encode gives the last page.
func (r *retryRecord) encode(now int64) (page int, b []byte) {
	page, stmts := r.lastPage()
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 96))
	b = bsoncore.AppendInt64Element(b, "n", r.number)
	b = bsoncore.AppendDateTimeElement(b, "w", now)
	a, b := bsoncore.AppendArrayElementStart(b, "s")
	for k := range stmts {
		s := &stmts[k]
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
	return page, b
}

// loadRetry reads a session's record; store.ErrNotFound when there is none.
func loadRetry(st *store.Store, id string) (*retryRecord, error) {
	r := &retryRecord{}
	for page := 0; ; page++ {
		raw, err := st.SessionResult([]byte(id), page)
		if page > 0 && err == store.ErrNotFound {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		number, _ := raw.Lookup("n").Int64OK()
		if page == 0 {
			r.number = number
		} else if r.number != number {
			return r, nil // it belongs to an earlier write with more statements
		}
		r.parse(raw)
		if page == 0 && len(r.stmts) > retryPage {
			r.whole = true
		}
		if r.whole || len(r.stmts) < (page+1)*retryPage {
			return r, nil
		}
	}
}

// parse adds the entries of a page.
func (r *retryRecord) parse(raw bson.Raw) {
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
		if n := len(r.stmts); n > 0 && s.first < r.stmts[n-1].first+r.stmts[n-1].count {
			r.mixed = true
		}
		r.stmts = append(r.stmts, s)
	}
}

// remember makes a unit store the session's record together with its writes.
func (c *call) remember(u *store.Unit, s retryStmt) {
	if c.sess == nil || c.txn != nil || !c.hasTxn {
		return
	}
	c.sess.retry.add(s)
	page, result := c.sess.retry.encode(c.e.opts.Now().UnixMilli())
	u.SetSession([]byte(c.sess.id), page, result)
}

// done gives the result of a statement that an earlier sending of this command has run.
func (c *call) already(stmt int32) *retryStmt {
	if c.sess == nil || c.txn != nil || !c.hasTxn {
		return nil
	}
	return c.sess.retry.find(stmt)
}
