package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// unitDocs and unitBytes bound what is written under one hold of a collection's lock.
const (
	unitDocs  = 1000
	unitBytes = 4 << 20
)

// maxDepth is how deep a stored document may nest.
const maxDepth = value.MaxStoredDepth

// begin starts a unit of writes in the command's transaction, or outside; one says that it writes one document.
func (c *call) begin(coll *store.Collection, one bool) (*store.Unit, error) {
	if c.txn != nil {
		if d := coll.Def(); d.Capped {
			return nil, mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Collection '%s' is a capped collection. Writes in transactions are not allowed on capped collections.", d.Namespace())
		}
		tx := c.txn.begin()
		c.txn.wrote = true
		u, err := tx.Begin(coll)
		if err == nil {
			u.SetTxn(c.sess.lsid, c.txnNumber)
		}
		return u, err
	}
	start := c.e.st.Begin
	if one {
		start = c.e.st.BeginOne
	}
	u, err := start(coll)
	if err == nil && c.hasTxn && c.sess != nil {
		u.SetTxn(c.sess.lsid, c.txnNumber)
	}
	return u, err
}

// wait waits until the transaction that made a write fail with ErrNeedLock has ended. It answers err itself for other errors.
func (c *call) wait(ctx context.Context, err error) error {
	var large *largeError
	if errors.As(err, &large) {
		ctx, cancel := context.WithTimeoutCause(ctx, roomTime, errOpenCursors(c.e.memory.Most()))
		defer cancel()
		c.e.memory.Give(c.large)
		c.large = 0
		if err := c.e.memory.Wait(ctx, large.need); err != nil {
			return err
		}
		c.large = large.need
		return nil
	}
	done, ok := store.Held(err)
	if !ok {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.e.ctx.Done():
		return mongoerr.New(mongoerr.InterruptedAtShutdown, "interrupted at shutdown")
	}
}

// largeError says that a write has to wait, and start again, until there is memory for it.
type largeError struct{ need int64 }

func (e *largeError) Error() string {
	return "the document is large, and there is no memory for it now"
}

// waits reports whether a write that failed with err is to be tried again after wait.
func waits(err error) bool {
	var large *largeError
	_, held := store.Held(err)
	return held || errors.As(err, &large)
}

// largeWrite is the size from which on a document that is changed is counted, copies how many there are of it on the way: before and after,
// in the batch, in the oplog, in the answer and in the record of it.
const (
	largeWrite = 256 << 10
	copies     = 6
)

// afford counts what the change of a document of n bytes takes, until the command ends. The caller holds locks, so it does not wait.
func (c *call) afford(n int) error {
	if n < largeWrite {
		return nil
	}
	need := int64(copies*n) - c.large
	if need <= 0 {
		return nil
	}
	if !c.e.memory.Take(need) {
		return &largeError{int64(copies * n)}
	}
	c.large += need
	return nil
}

// writeError is an entry of writeErrors.
type writeError struct {
	index int
	err   *mongoerr.Error
}

// appendWriteErrors writes the field writeErrors, if there are any.
func (c *call) appendWriteErrors(list []writeError) {
	if len(list) == 0 {
		return
	}
	a, b := bsoncore.AppendArrayElementStart(c.out, "writeErrors")
	size := 0
	for i, w := range list {
		j, d := value.BeginIndexed(b, bson.TypeEmbeddedDocument, i)
		d = bsoncore.AppendInt32Element(d, "index", int32(w.index))
		d = bsoncore.AppendInt32Element(d, "code", int32(w.err.Code))
		if w.err.KeyPattern != nil {
			d = bsoncore.AppendDocumentElement(d, "keyPattern", bsoncore.Document(w.err.KeyPattern))
		}
		if w.err.KeyValue != nil {
			d = bsoncore.AppendDocumentElement(d, "keyValue", bsoncore.Document(w.err.KeyValue))
		}
		if w.err.ErrInfo != nil {
			d = bsoncore.AppendDocumentElement(d, "errInfo", bsoncore.Document(w.err.ErrInfo))
		}
		msg := w.err.Message
		if size += len(msg); size > 1<<20 {
			msg = "" // as MongoDB does, so that the reply stays within bounds
		}
		d = bsoncore.AppendStringElement(d, "errmsg", msg)
		b = value.End(d, j)
	}
	c.out, _ = bsoncore.AppendArrayEnd(b, a)
}

// each calls f for every document of an argument that is an array or a document sequence; the count is checked first.
func (c *call) each(name string, f func(i int, doc bson.Raw) (more bool, err error)) error {
	if c.seq != nil {
		b := c.seq.Docs
		n := 0
		for d := b; len(d) > 0; n++ {
			m := int(int32(uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16 | uint32(d[3])<<24))
			d = d[m:]
		}
		if n < 1 || n > maxWriteBatch {
			return batchSize(n)
		}
		for i := 0; len(b) > 0; i++ {
			m := int(int32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24))
			doc := bson.Raw(b[:m:m])
			b = b[m:]
			if err := value.Validate(doc, 200); err != nil {
				return mongoerr.New(mongoerr.InvalidBSON, "%v", err)
			}
			more, err := f(i, doc)
			if err != nil || !more {
				return err
			}
		}
		return nil
	}
	arr := c.arg(name).Array()
	n := value.Count(arr)
	if n < 1 || n > maxWriteBatch {
		return batchSize(n)
	}
	it := value.Over(arr)
	for i := 0; it.Next(); i++ {
		d, ok := it.Value().DocumentOK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s.%d' is the wrong type '%s', expected type 'object'", c.cmd.Name, name, i, value.TypeName(it.Value().Type))
		}
		more, err := f(i, d)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// checkStatements refuses a batch with a statement that cannot be parsed before any of it is run, as MongoDB does.
func (c *call) checkStatements(name string, table []Arg) error {
	if c.statements(name) == 1 {
		return nil // it is parsed before it is run
	}
	var args [12]bson.RawValue
	return c.each(name, func(_ int, doc bson.Raw) (bool, error) {
		clear(args[:])
		return true, parseStatement(c.cmd.Name+"."+name, table, doc, args[:])
	})
}

func batchSize(n int) error {
	return mongoerr.New(mongoerr.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatch, n)
}

// keyError turns the store's errors about one document into MongoDB's; nil for others.
func keyError(err error) *mongoerr.Error {
	var dup *store.DuplicateKeyError
	if errors.As(err, &dup) {
		return duplicateKey(dup)
	}
	var par *keys.ParallelArraysError
	if errors.As(err, &par) {
		return mongoerr.New(171, "%v", err)
	}
	var hashed *keys.HashedArrayError
	if errors.As(err, &hashed) {
		return mongoerr.New(16766, "%v", err)
	}
	var beside *keys.WildcardArrayError
	if errors.As(err, &beside) {
		return mongoerr.New(7246301, "%v", err)
	}
	var amb *keys.AmbiguousPathError
	if errors.As(err, &amb) {
		return mongoerr.New(16746, "%v", err)
	}
	return nil
}

// duplicateKey is error 11000 with the text that applications look into (mongo-engine.md §1.4).
func duplicateKey(d *store.DuplicateKeyError) *mongoerr.Error {
	var sb strings.Builder
	fmt.Fprintf(&sb, "E11000 duplicate key error collection: %s.%s index: %s", d.DB, d.Coll, d.Index.Name)
	if d.Index.Collation != nil {
		fmt.Fprintf(&sb, " collation: %s", value.ShowDoc(d.Index.Collation))
	}
	sb.WriteString(" dup key: { ")
	i, kv := bsoncore.AppendDocumentStart(nil)
	for j, f := range d.Index.Keys.Fields {
		if j > 0 {
			sb.WriteString(", ")
		}
		v := d.Values[j]
		if v.Type == 0 {
			v = bson.RawValue{Type: bson.TypeNull}
		}
		if s, ok := v.StringValueOK(); ok && d.Index.Keys.Collator != nil {
			fmt.Fprintf(&sb, "%s: \"0x%x\"", f.Path, d.Index.Keys.Collator.AppendStringKey(nil, []byte(s)))
		} else {
			fmt.Fprintf(&sb, "%s: %s", f.Path, value.Show(v))
		}
		kv = value.Append(kv, f.Path, v)
	}
	sb.WriteString(" }")
	kv, _ = bsoncore.AppendDocumentEnd(kv, i)
	e := mongoerr.New(mongoerr.DuplicateKey, "%s", sb.String())
	e.KeyPattern, e.KeyValue = d.Index.Key, kv
	return e
}

// malformed is an error of a statement that cannot be parsed: it fails the command, not the statement.
type malformed struct{ error }

func (m malformed) Unwrap() error { return m.error }

// asWriteError gives err as an entry of writeErrors, or nil when it ends the whole command.
func (c *call) asWriteError(err error) *mongoerr.Error {
	for _, whole := range []error{store.ErrWriteConflict, store.ErrLockTimeout, store.ErrTransactionsFull, store.ErrTransactionTooLarge, store.ErrTransactionDone, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, whole) {
			return nil
		}
	}
	if errors.As(err, new(malformed)) {
		return nil
	}
	if k := keyError(err); k != nil {
		return k
	}
	var m *mongoerr.Error
	if errors.As(err, &m) {
		switch m.Code {
		case mongoerr.InterruptedAtShutdown, mongoerr.MaxTimeMSExpired, mongoerr.WriteConflict, mongoerr.InternalError:
			return nil
		}
		return m
	}
	return nil
}

// stmtID gives the number of a statement for retries: its position, or what stmtId or stmtIds say.
func (c *call) stmtID(i int) int32 {
	if v := c.arg("stmtIds"); v.Type != 0 {
		if e := value.Index(v.Array(), i); e.Type == bson.TypeInt32 {
			return e.Int32()
		}
	}
	if n, ok := c.arg("stmtId").AsInt64OK(); ok {
		return int32(n) + int32(i)
	}
	return int32(i)
}

// appendRetried writes retriedStmtIds.
func (c *call) appendRetried(ids []int32) {
	if len(ids) == 0 {
		return
	}
	a, b := bsoncore.AppendArrayElementStart(c.out, "retriedStmtIds")
	for i, id := range ids {
		b = value.AppendIndexed(b, i, value.Int32(id))
	}
	c.out, _ = bsoncore.AppendArrayEnd(b, a)
}

// checkStored refuses a document that is too large or too deep to be stored.
func checkStored(doc bson.Raw, what string) error {
	if len(doc) > maxDocument {
		if what == "insert" {
			return mongoerr.New(mongoerr.BSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(doc), maxDocument)
		}
		return mongoerr.New(17419, "Resulting document after update is larger than %d", maxDocument)
	}
	if value.Depth(doc) > maxDepth {
		return mongoerr.New(mongoerr.Overflow, "document exceeds the nesting limit of %d levels", maxDepth)
	}
	return nil
}

// checkID refuses an _id of a type that cannot be one.
func checkID(id bson.RawValue) error {
	switch id.Type {
	case bson.TypeArray:
		return mongoerr.New(mongoerr.InvalidIdField, "The '_id' value cannot be of type array")
	case bson.TypeRegex:
		return mongoerr.New(mongoerr.InvalidIdField, "The '_id' value cannot be of type regex")
	case bson.TypeUndefined:
		return mongoerr.New(mongoerr.InvalidIdField, "The '_id' value cannot be of type undefined")
	case bson.TypeEmbeddedDocument:
		it := value.Over(id.Value)
		for it.Next() {
			if strings.HasPrefix(it.Key(), "$") {
				return mongoerr.New(mongoerr.DollarPrefixedFieldName, "_id fields may not contain '$'-prefixed fields: %s is not valid for storage.", it.Key())
			}
		}
	}
	return nil
}

// statements counts the documents of an argument that is an array or a document sequence; 2 stands for more than one.
func (c *call) statements(name string) int {
	if c.seq != nil {
		if d := c.seq.Docs; len(d) >= 4 && int(uint32(d[0])|uint32(d[1])<<8|uint32(d[2])<<16|uint32(d[3])<<24) == len(d) {
			return 1
		}
		return 2
	}
	return value.Count(c.arg(name).Value)
}
