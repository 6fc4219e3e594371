package store

import (
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Kinds of oplog entry.
const (
	OpInsert  = "i"
	OpUpdate  = "u"
	OpReplace = "r"
	OpDelete  = "d"
	OpCommand = "c" // create, drop, rename, createIndexes …: named by field "cmd"
)

// Entry is one event of the oplog, as it is stored:
//
//	{t: kind, c: collection id, u: uuid, db, n: name, k: document key, o: document (insert, replace) or command details,
//	 d: update description, b: pre-image, a: post-image, n#: document delta, s#: byte delta, w: wall time, l: lsid, x: txnNumber}
type Entry struct {
	Time uint64
	Seq  uint32
	Raw  bson.Raw
}

// pending is an entry that has no time yet.
type pending struct {
	kind   string
	doc    []byte // nil: it is in the batch, at byte at
	at     int
	dCount int64
	dSize  int64
	coll   *Collection
	to     *Def // of a rename: the name that it gives, whose watchers are told, too
}

// Lookup reads a field of the entry.
func (e *Entry) Lookup(key string) bson.RawValue { return e.Raw.Lookup(key) }

// change is what an entry says about one document.
type change struct {
	kind        string
	id          bson.RawValue
	doc         bson.Raw
	description bson.Raw
	before      bson.Raw
	after       bson.Raw
	dCount      int64
	dSize       int64
}

func appendEntry(dst []byte, c *Collection, d *Def, ch *change, now time.Time, lsid bson.Raw, txnNumber int64) []byte {
	i, dst := bsoncore.AppendDocumentStart(dst)
	dst = bsoncore.AppendStringElement(dst, "t", ch.kind)
	dst = bsoncore.AppendInt32Element(dst, "c", int32(c.ID))
	dst = bsoncore.AppendBinaryElement(dst, "u", 4, c.UUID[:])
	dst = bsoncore.AppendStringElement(dst, "db", d.DB)
	dst = bsoncore.AppendStringElement(dst, "n", d.Name)
	if ch.id.Type != 0 {
		j, b := bsoncore.AppendDocumentElementStart(dst, "k")
		b = bsoncore.AppendValueElement(b, "_id", bsoncore.Value{Type: bsoncore.Type(ch.id.Type), Data: ch.id.Value})
		dst, _ = bsoncore.AppendDocumentEnd(b, j)
	}
	if ch.doc != nil {
		dst = bsoncore.AppendDocumentElement(dst, "o", bsoncore.Document(ch.doc))
	}
	if ch.description != nil {
		dst = bsoncore.AppendDocumentElement(dst, "d", bsoncore.Document(ch.description))
	}
	if ch.before != nil {
		dst = bsoncore.AppendDocumentElement(dst, "b", bsoncore.Document(ch.before))
	}
	if ch.after != nil {
		dst = bsoncore.AppendDocumentElement(dst, "a", bsoncore.Document(ch.after))
	}
	if ch.dCount != 0 {
		dst = bsoncore.AppendInt64Element(dst, "n#", ch.dCount)
	}
	if ch.dSize != 0 {
		dst = bsoncore.AppendInt64Element(dst, "s#", ch.dSize)
	}
	dst = bsoncore.AppendDateTimeElement(dst, "w", now.UnixMilli())
	if lsid != nil {
		dst = bsoncore.AppendDocumentElement(dst, "l", bsoncore.Document(lsid))
		dst = bsoncore.AppendInt64Element(dst, "x", txnNumber)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, i)
	return dst
}

// OplogIter walks oplog entries in order of time.
type OplogIter struct {
	it *pebble.Iterator
	ok bool
	e  Entry
}

// Oplog walks the entries after (ts, seq) up to and including time upTo.
func (s *Store) Oplog(ts uint64, seq uint32, upTo uint64) (*OplogIter, error) {
	lower := append(appendOplogKey(nil, ts, seq), 0)
	upper := appendOplogKey(nil, upTo+1, 0)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	return &OplogIter{it: it}, nil
}

// Next moves on; the entry is valid until the next call.
func (o *OplogIter) Next() bool {
	if !o.ok {
		o.ok = true
		return o.it.First()
	}
	return o.it.Next()
}

// Entry is the present entry.
func (o *OplogIter) Entry() *Entry {
	k := o.it.Key()
	o.e = Entry{Time: binary.BigEndian.Uint64(k[1:]), Seq: binary.BigEndian.Uint32(k[9:]), Raw: bson.Raw(o.it.Value())}
	return &o.e
}

// Close ends the walk and says whether it failed.
func (o *OplogIter) Close() error {
	err := o.it.Error()
	if e := o.it.Close(); err == nil {
		err = e
	}
	return err
}

// OplogStart is a time that is not after the oldest entry still kept.
func (s *Store) OplogStart() uint64 { return s.oplogFirst.Load() }
