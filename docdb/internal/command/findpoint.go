package command

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// findPoint answers {field: value} without a plan, a snapshot or a cursor, where the field is _id, or where one document is wanted and
// the field has an index of its own. done is false when the query is another, and when a writer came in between.
func (c *call) findPoint(ns string, coll *store.Collection, skip, limit, batch int64) (done bool, err error) {
	if coll == nil || c.txn != nil || c.readLevel == "snapshot" || c.given&^c.e.pointArgs != 0 || skip != 0 || batch == 0 {
		return false, nil
	}
	it := value.Over(c.doc("filter"))
	if !it.Next() {
		return false, nil
	}
	field, v := it.Key(), it.Value()
	if it.Next() || !pointValue(v) || limit != 1 && field != "_id" || len(c.doc("sort")) > 5 {
		return false, nil
	}
	d := coll.Def()
	ix := pointIndex(d, field)
	if ix == nil {
		return false, nil
	}
	var proj *projection
	if p := c.doc("projection"); len(p) > 5 {
		if proj, err = c.projection(&query{}, p); err != nil {
			return true, err
		}
		if proj != nil && proj.needsMatch() {
			return false, nil
		}
	}
	i, out := bsoncore.AppendDocumentElementStart(c.out, "cursor")
	a, out := bsoncore.AppendArrayElementStart(out, "firstBatch")
	view := c.e.st.Present()
	rid, err := store.FindValue(view, ix, v)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if coll.Def() != d {
			return false, nil // the index may have been dropped
		}
	case err != nil:
		return true, err
	default:
		var kb [16]byte
		// The document is read into the answer, or to where a projection takes it from.
		to, begin := c.c.docs.before[:0], 0
		if proj == nil {
			to = append(out, byte(bson.TypeEmbeddedDocument), '0', 0)
			begin = len(to)
		}
		if to, err = view.Get(coll.RecordKey(kb[:0], rid), to); errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return true, err
		}
		doc := bson.Raw(to[begin:])
		if !ix.IsID() && !value.Equal(value.Lookup(doc, field), v) {
			return false, nil // an array, or changed since the index was read
		}
		if proj == nil {
			out = to
		} else {
			c.c.docs.before = to
			small, err := proj.apply(doc, -1)
			if err != nil {
				return true, err
			}
			out = bsoncore.AppendDocumentElement(out, "0", bsoncore.Document(small))
		}
	}
	ix.Use() // here, since a plan that takes over counts for itself
	out, _ = bsoncore.AppendArrayEnd(out, a)
	out = bsoncore.AppendInt64Element(out, "id", 0)
	out = bsoncore.AppendStringElement(out, "ns", ns)
	c.out, _ = bsoncore.AppendDocumentEnd(out, i)
	return true, nil
}

// pointIndex is the index on one top-level field by its plain values, if there is just one that begins with it.
func pointIndex(d *store.Def, field string) *store.Index {
	if d.Collation != nil || d.View {
		return nil
	}
	if field == "_id" {
		return d.Indexes[0]
	}
	if strings.HasPrefix(field, "$") || strings.IndexByte(field, '.') >= 0 {
		return nil
	}
	var found *store.Index
	for _, ix := range d.Indexes {
		if ix.Keys.Fields[0].Path != field {
			continue
		}
		if found != nil || ix.Hidden || ix.Covers != nil || ix.Collation != nil || len(ix.Keys.Fields) != 1 || !ix.Keys.Simple() {
			return nil
		}
		found = ix
	}
	return found
}

// pointValue reports whether equality with v is equality of keys: no operators, no pattern, no array.
func pointValue(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeArray, bson.TypeRegex, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeEmbeddedDocument:
		it := value.Over(v.Value)
		return !it.Next() || !strings.HasPrefix(it.Key(), "$")
	}
	return true
}
