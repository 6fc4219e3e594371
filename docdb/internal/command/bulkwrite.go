package command

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// The fields of bulkWrite's operations (mongo-engine.md §1.3). The first is the operation's name, with the position of its namespace.
var (
	bulkInsert = []Arg{{Name: "insert", Kind: integer, Required: true}, {Name: "document", Kind: object, Required: true}}
	bulkUpdate = []Arg{{Name: "update", Kind: integer, Required: true}, {Name: "filter", Kind: object, Required: true}, {Name: "updateMods", Kind: updateValue, Required: true},
		{Name: "multi", Kind: flag}, {Name: "upsert", Kind: flag}, {Name: "arrayFilters", Kind: array}, {Name: "collation", Kind: object}, {Name: "hint", Kind: hintValue},
		{Name: "sort", Kind: object}, {Name: "constants", Kind: object}}
	bulkDelete = []Arg{{Name: "delete", Kind: integer, Required: true}, {Name: "filter", Kind: object, Required: true}, {Name: "multi", Kind: flag},
		{Name: "collation", Kind: object}, {Name: "hint", Kind: hintValue}}
)

// bulkOp is one parsed operation.
type bulkOp struct {
	kind string
	ns   int
	args [10]bson.RawValue
}

// bulkTotals are the counts of a bulkWrite's reply.
type bulkTotals struct{ errors, inserted, matched, modified, upserted, deleted int }

// bulk is a running bulkWrite. Each namespace has a call of its own, because a call is about one database.
type bulk struct {
	c       *call
	calls   []*call
	names   []string
	total   bulkTotals
	results []bson.Raw
	retried []int32
	only    bool // errorsOnly
	insert  *inserter
	into    int // the namespace of insert
}

// bulkWrite runs inserts, updates and deletes on several collections, in the order given.
func bulkWrite(c *call) error {
	b := &bulk{c: c, only: c.on("errorsOnly", false), into: -1}
	if err := b.namespaces(); err != nil {
		return err
	}
	list, err := c.documentsOf("ops")
	if err != nil {
		return err
	}
	if len(list) < 1 || len(list) > maxWriteBatch {
		return batchSize(len(list))
	}
	ops := make([]bulkOp, len(list))
	for i, d := range list {
		if ops[i], err = b.parse(i, d); err != nil {
			return err
		}
	}
	batch := int64(defaultBatch)
	if d := c.doc("cursor"); d != nil {
		if batch, err = cursorBatchSize(d); err != nil {
			return err
		}
	}
	ctx, cancel := c.deadline()
	defer cancel()
	defer b.abandon()
	ordered := c.on("ordered", true)
	for i := range ops {
		failed, err := b.run(ctx, i, &ops[i])
		if err != nil {
			return err
		}
		if failed && (ordered || c.txn != nil) {
			break
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	if c.sync() && c.txn == nil {
		if err := c.e.st.Sync(); err != nil {
			return err
		}
	}
	if c.txn != nil && b.total.errors > 0 {
		c.txn.abort()
	}
	if err := c.listCursor("admin.$cmd.bulkWrite", b.results, batch); err != nil {
		return err
	}
	c.int32("nErrors", b.total.errors)
	c.int32("nInserted", b.total.inserted)
	c.int32("nMatched", b.total.matched)
	c.int32("nModified", b.total.modified)
	c.int32("nUpserted", b.total.upserted)
	c.int32("nDeleted", b.total.deleted)
	c.appendRetried(b.retried)
	return nil
}

// documentsOf gives the documents of an argument that is an array or a document sequence.
func (c *call) documentsOf(name string) ([]bson.Raw, error) {
	var out []bson.Raw
	for _, s := range c.req.Sequences {
		if s.Name != name {
			continue
		}
		for d := s.Docs; len(d) > 0; {
			n := int(int32(uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16 | uint32(d[3])<<24))
			if err := value.Validate(d[:n], 200); err != nil {
				return nil, mongoerr.New(mongoerr.InvalidBSON, "%v", err)
			}
			out = append(out, bson.Raw(d[:n:n]))
			d = d[n:]
		}
		return out, nil
	}
	for i, v := range value.Elements(c.arg(name).Value) {
		d, ok := v.DocumentOK()
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s.%d' is the wrong type '%s', expected type 'object'", c.cmd.Name, name, i, value.TypeName(v.Type))
		}
		out = append(out, d)
	}
	return out, nil
}

// namespaces makes a call for each entry of nsInfo.
func (b *bulk) namespaces() error {
	list, err := b.c.documentsOf("nsInfo")
	if err != nil {
		return err
	}
	for _, d := range list {
		var args [1]bson.RawValue
		if err := parseStatement("bulkWrite.nsInfo", []Arg{{Name: "ns", Kind: textValue, Required: true}}, d, args[:]); err != nil {
			return err
		}
		db, name, err := splitNS(args[0], "bulkWrite.nsInfo.ns")
		if err != nil {
			return err
		}
		if b.c.txn != nil && (db == "admin" || db == "config" || db == "local") {
			return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot run command against the '%s' database in a transaction.", db)
		}
		in := *b.c
		in.db, in.out, in.alone = strings.Clone(db), nil, false
		b.calls, b.names = append(b.calls, &in), append(b.names, strings.Clone(name))
	}
	return nil
}

func (b *bulk) parse(i int, d bson.Raw) (op bulkOp, err error) {
	it := value.Over(d)
	it.Next()
	var table []Arg
	switch it.Key() {
	case "insert":
		op.kind, table = "insert", bulkInsert
	case "update":
		op.kind, table = "update", bulkUpdate
	case "delete":
		op.kind, table = "delete", bulkDelete
	default:
		return op, mongoerr.New(mongoerr.BadValue, "Unrecognized bulkWrite operation: '%s'", it.Key())
	}
	if err := parseStatement("bulkWrite.ops", table, d, op.args[:]); err != nil {
		return op, err
	}
	n, err := whole(op.args[0], op.kind)
	if err != nil {
		return op, err
	}
	if n < 0 || n >= int64(len(b.calls)) {
		return op, mongoerr.New(mongoerr.BadValue, "BulkWrite ops entry %d has an invalid nsInfo index.", i)
	}
	op.ns = int(n)
	return op, nil
}

// run runs one operation. failed says that it has an error of its own; err ends the command.
func (b *bulk) run(ctx context.Context, i int, op *bulkOp) (failed bool, err error) {
	if op.kind == "insert" {
		return b.runInsert(i, op)
	}
	if err := b.flush(); err != nil {
		return false, err
	}
	c, stmt := b.calls[op.ns], b.c.stmtID(i)
	if r := c.already(stmt); r != nil {
		b.retried = append(b.retried, stmt)
		if op.kind == "delete" {
			b.total.deleted += int(r.n)
			b.done(i, op, int(r.n), -1, bson.RawValue{})
		} else {
			b.updated(i, op, updateResult{int(r.n), int(r.modified), r.upserted})
		}
		return false, nil
	}
	began := c.e.opts.Now()
	if op.kind == "delete" {
		defer c.timed(b.names[op.ns], store.Remove, began)
		c.e.ops.delete.Add(1)
		coll, err := c.collection(b.names[op.ns])
		n := 0
		if err == nil {
			n, err = c.deleteOne(ctx, coll, stmt, op.asDelete())
		}
		b.total.deleted += n
		if err != nil {
			return true, b.failed(i, op, err)
		}
		b.done(i, op, n, -1, bson.RawValue{})
		return false, nil
	}
	defer c.timed(b.names[op.ns], store.Update, began)
	c.e.ops.update.Add(1)
	r, err := c.updateStatement(ctx, b.names[op.ns], stmt, op.asUpdate())
	if err != nil {
		b.total.matched += r.n
		b.total.modified += r.modified
		return true, b.failed(i, op, err)
	}
	b.updated(i, op, r)
	return false, nil
}

func (b *bulk) runInsert(i int, op *bulkOp) (failed bool, err error) {
	defer b.calls[op.ns].timed(b.names[op.ns], store.Insert, b.c.e.opts.Now())
	if b.insert == nil || b.into != op.ns {
		if err := b.flush(); err != nil {
			return false, err
		}
		b.insert, b.into = &inserter{c: b.calls[op.ns], name: b.names[op.ns], ordered: true, validate: !b.c.on("bypassDocumentValidation", false)}, op.ns
	}
	w := b.insert
	was := len(w.retried)
	if _, err := w.add(i, op.args[1].Document()); err != nil {
		return false, err
	}
	if len(w.errors) > 0 {
		e := w.errors[0].err
		w.errors = nil
		return true, b.failed(i, op, e)
	}
	if len(w.retried) > was {
		b.retried = append(b.retried, w.retried[was:]...)
	}
	b.total.inserted++
	b.c.e.ops.insert.Add(1)
	b.done(i, op, 1, -1, bson.RawValue{})
	return false, nil
}

// flush applies the inserts that wait.
func (b *bulk) flush() error {
	if b.insert == nil {
		return nil
	}
	err := b.insert.flush(false)
	b.insert, b.into = nil, -1
	return err
}

func (b *bulk) abandon() {
	if b.insert != nil {
		b.insert.rollback()
	}
}

func (b *bulk) updated(i int, op *bulkOp, r updateResult) {
	b.total.modified += r.modified
	if r.upserted.Type != 0 {
		b.total.upserted++
	} else {
		b.total.matched += r.n
	}
	b.done(i, op, r.n, r.modified, r.upserted)
}

// done notes the result of an operation that succeeded.
func (b *bulk) done(i int, _ *bulkOp, n, modified int, upserted bson.RawValue) {
	if b.only {
		return
	}
	j, d := bsoncore.AppendDocumentStart(nil)
	d = bsoncore.AppendDoubleElement(d, "ok", 1)
	d = bsoncore.AppendInt32Element(d, "idx", int32(i))
	d = bsoncore.AppendInt32Element(d, "n", int32(n))
	if modified >= 0 {
		d = bsoncore.AppendInt32Element(d, "nModified", int32(modified))
	}
	if upserted.Type != 0 {
		k, e := bsoncore.AppendDocumentElementStart(d, "upserted")
		e = value.Append(e, "_id", upserted)
		d, _ = bsoncore.AppendDocumentEnd(e, k)
	}
	d, _ = bsoncore.AppendDocumentEnd(d, j)
	b.results = append(b.results, d)
}

// failed notes an operation's own error; any other is returned.
func (b *bulk) failed(i int, op *bulkOp, err error) error {
	m := b.c.asWriteError(err)
	if m == nil {
		return err
	}
	b.total.errors++
	j, d := bsoncore.AppendDocumentStart(nil)
	d = bsoncore.AppendDoubleElement(d, "ok", 0)
	d = bsoncore.AppendInt32Element(d, "idx", int32(i))
	d = bsoncore.AppendInt32Element(d, "code", int32(m.Code))
	if m.KeyPattern != nil {
		d = bsoncore.AppendDocumentElement(d, "keyPattern", bsoncore.Document(m.KeyPattern))
		d = bsoncore.AppendDocumentElement(d, "keyValue", bsoncore.Document(m.KeyValue))
	}
	if m.ErrInfo != nil {
		d = bsoncore.AppendDocumentElement(d, "errInfo", bsoncore.Document(m.ErrInfo))
	}
	d = bsoncore.AppendStringElement(d, "errmsg", m.Message)
	d = bsoncore.AppendInt32Element(d, "n", 0)
	if op.kind == "update" {
		d = bsoncore.AppendInt32Element(d, "nModified", 0)
	}
	d, _ = bsoncore.AppendDocumentEnd(d, j)
	b.results = append(b.results, d)
	return nil
}

// asUpdate and asDelete are the operation as a statement of the commands update and delete.
func (op *bulkOp) asUpdate() bson.Raw {
	return statementOf(op.args[:], "", "q", "u", "multi", "upsert", "arrayFilters", "collation", "hint", "sort", "c")
}

func (op *bulkOp) asDelete() bson.Raw {
	limit := int32(1)
	if op.args[2].Type != 0 && value.Truthy(op.args[2]) {
		limit = 0
	}
	op.args[2] = value.Int32(limit)
	return statementOf(op.args[:], "", "q", "limit", "collation", "hint")
}

func statementOf(args []bson.RawValue, names ...string) bson.Raw {
	var f []value.Field
	for i, n := range names {
		if n != "" && args[i].Type != 0 {
			f = append(f, value.Field{Name: n, Value: args[i]})
		}
	}
	return value.DocOf(f...)
}
