package data_test

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/rule/oracle"
)

// write is an operation with what the oracle expects of it.
type write struct {
	action    string
	arg       bson.D
	permitted bool
	result    any      // where it is permitted
	docs      []bson.D // what is stored then
	left      []bson.D // what is stored where the database fails in the middle; nil: as before
}

// writes is the table of operations that change something.
var writes = []func(model) write{
	model.update, model.update, model.replaceOne, model.upsert, model.pipelineUpdate, model.arrayFilters, model.collide,
	model.insertOne, model.insertMany, model.delete, model.findOneAndUpdate, model.findOneAndReplace, model.findOneAndDelete, model.bulkWrite,
}

// selection is a query and which documents it matches.
type selection struct {
	query bson.D
	match func(bson.D) bool
}

func (m model) selection() selection {
	id := int32(rapid.IntRange(0, 5).Draw(m.T, "id"))
	if rapid.Bool().Draw(m.T, "by id") {
		return selection{bson.D{{Key: "_id", Value: id}}, func(d bson.D) bool { return d[0].Value == id }}
	}
	return selection{bson.D{}, func(bson.D) bool { return true }}
}

// newID is an _id that no document has.
func (m model) newID() int32 {
	id := int32(10)
	for _, d := range m.docs {
		id = max(id, d[0].Value.(int32)+1)
	}
	return id
}

func identical(a, b bson.D) bool { return raw(a).Equal(raw(b)) }

// failure is why a document is not changed.
type failure int

const (
	none     failure = iota
	refused          // by the rules: then nothing is changed
	database         // by the database: then what was changed before stays
)

// change changes what a selection and the rules leave: to gives the document
// after it, nil for gone. touched are the documents before. left is what is stored
// when the change fails in the middle (client-api.md §1.17).
func (m model) change(sel selection, multi bool, to func(bson.D) (bson.D, failure)) (w write, touched []bson.D, modified int) {
	for i, d := range m.docs {
		if !sel.match(d) || len(touched) > 0 && !multi || !m.oracle.Matches(d) {
			w.docs = append(w.docs, d)
			continue
		}
		n, failed := to(d)
		if failed == none && n != nil && (m.taken(n, w.docs) || m.taken(n, m.docs[i+1:])) {
			failed = database
		}
		switch {
		case failed == database:
			return write{docs: m.docs, left: append(w.docs, m.docs[i:]...)}, nil, 0
		case failed == refused || n == nil && !m.oracle.Delete(d) || n != nil && !m.oracle.Update(d, n):
			return write{docs: m.docs}, nil, 0
		}
		touched = append(touched, d)
		if n != nil {
			w.docs = append(w.docs, n)
			if !identical(d, n) {
				modified++
			}
		}
	}
	w.permitted = true
	return w, touched, modified
}

// taken tells whether one of others has the document's key, which is unique.
func (m model) taken(d bson.D, others []bson.D) bool {
	for _, o := range others {
		if k := key(o); k != nil && k == key(d) {
			return true
		}
	}
	return false
}

// key is the value of the field with the unique index, nil for none.
func key(d bson.D) any {
	for _, e := range d {
		if e.Key == "key" {
			return e.Value
		}
	}
	return nil
}

// as completes what a change leads to.
func (w write) as(action string, arg bson.D, result any) write {
	w.action, w.arg, w.result = action, arg, result
	return w
}

func counts(matched, modified int) bson.D {
	return bson.D{{Key: "matchedCount", Value: int32(matched)}, {Key: "modifiedCount", Value: int32(modified)}}
}

func set(d bson.D, name string, v any) bson.D {
	out := append(bson.D{}, d...)
	for i := range out {
		if out[i].Key == name {
			out[i].Value = v
			return out
		}
	}
	return append(out, bson.E{Key: name, Value: v})
}

func unset(d bson.D, name string) bson.D {
	out := bson.D{}
	for _, e := range d {
		if e.Key != name {
			out = append(out, e)
		}
	}
	return out
}

func (m model) field() string {
	return rapid.SampledFrom([]string{"owner", "a", "n", "tags"}).Draw(m.T, "field")
}

// modifier draws an update document and what it does.
func (m model) modifier() (bson.D, func(bson.D) (bson.D, failure)) {
	field, v := m.field(), oracle.Value(m.T, 1)
	switch rapid.SampledFrom([]string{"set", "unset", "rename", "replace", "both"}).Draw(m.T, "modifier") {
	case "set":
		return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}, func(d bson.D) (bson.D, failure) { return set(d, field, v), none }
	case "unset":
		return bson.D{{Key: "$unset", Value: bson.D{{Key: field, Value: true}}}}, func(d bson.D) (bson.D, failure) { return unset(d, field), none }
	case "rename":
		return bson.D{{Key: "$rename", Value: bson.D{{Key: "b", Value: field}}}}, func(d bson.D) (bson.D, failure) {
			for _, e := range d {
				if e.Key == "b" {
					return set(unset(d, "b"), field, e.Value), none
				}
			}
			return d, none
		}
	case "both":
		return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}, {Key: "$unset", Value: bson.D{{Key: "b", Value: true}}}},
			func(d bson.D) (bson.D, failure) { return set(unset(d, "b"), field, v), none }
	}
	return m.replacement()
}

func (m model) replacement() (bson.D, func(bson.D) (bson.D, failure)) {
	fields := oracle.Fields(m.T)
	return fields, func(d bson.D) (bson.D, failure) { return append(bson.D{d[0]}, fields...), none }
}

func (m model) update() write {
	sel := m.selection()
	update, to := m.modifier()
	multi := rapid.Bool().Draw(m.T, "multi")
	w, touched, modified := m.change(sel, multi, to)
	action := map[bool]string{true: "updateMany", false: "updateOne"}[multi]
	return w.as(action, bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}}, counts(len(touched), modified))
}

func (m model) replaceOne() write {
	sel := m.selection()
	fields, to := m.replacement()
	w, touched, modified := m.change(sel, false, to)
	return w.as("replaceOne", bson.D{{Key: "query", Value: sel.query}, {Key: "replacement", Value: fields}}, counts(len(touched), modified))
}

// upsert changes a document by _id or inserts it. One that exists and is not
// visible is a duplicate key.
func (m model) upsert() write {
	id := int32(rapid.IntRange(0, 5).Draw(m.T, "id"))
	if rapid.Bool().Draw(m.T, "new") {
		id = m.newID()
	}
	sel := selection{bson.D{{Key: "_id", Value: id}}, func(d bson.D) bool { return d[0].Value == id }}
	field, v := m.field(), oracle.Value(m.T, 1)
	action := rapid.SampledFrom([]string{"updateOne", "updateMany"}).Draw(m.T, "action")
	w, touched, modified := m.change(sel, false, func(d bson.D) (bson.D, failure) { return set(d, field, v), none })
	w = w.as(action, bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}}, {Key: "upsert", Value: true}}, counts(len(touched), modified))
	if !w.permitted || len(touched) > 0 {
		return w
	}
	for _, d := range m.docs {
		if sel.match(d) {
			w.permitted = false
			return w
		}
	}
	d := bson.D{{Key: "_id", Value: id}, {Key: field, Value: v}}
	w.permitted, w.docs = m.oracle.Insert(d, false), append(append([]bson.D{}, m.docs...), d)
	w.result = append(counts(0, 0), bson.E{Key: "upsertedId", Value: id})
	return w
}

// pipelineUpdate copies a field into another one. It is refused where field
// permissions decide what is readable.
func (m model) pipelineUpdate() write {
	sel, field := m.selection(), m.field()
	w, touched, modified := m.change(sel, true, func(d bson.D) (bson.D, failure) {
		if !m.oracle.Whole(d) {
			return d, refused
		}
		for _, e := range d {
			if e.Key == "b" {
				return set(d, field, e.Value), none
			}
		}
		return unset(d, field), none // what is missing is copied as well
	})
	update := bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: "$b"}}}}}
	return w.as("updateMany", bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}}, counts(len(touched), modified))
}

// arrayFilters changes the elements of tags that are "x". A document without that
// array fails in the database, in the middle of many.
func (m model) arrayFilters() write {
	sel, v, multi := m.selection(), oracle.Scalar(m.T), rapid.Bool().Draw(m.T, "multi")
	w, touched, modified := m.change(sel, multi, func(d bson.D) (bson.D, failure) {
		for _, e := range d {
			list, ok := e.Value.(bson.A)
			if e.Key != "tags" || !ok {
				continue
			}
			out := bson.A{}
			for _, x := range list {
				if inner, nested := x.(bson.A); x == "x" || nested && has(inner, "x") {
					x = v
				}
				out = append(out, x)
			}
			return set(d, "tags", out), none
		}
		return d, database // which demands an array
	})
	update := bson.D{{Key: "$set", Value: bson.D{{Key: "tags.$[e]", Value: v}}}}
	action := map[bool]string{true: "updateMany", false: "updateOne"}[multi]
	return w.as(action, bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}, {Key: "arrayFilters", Value: bson.A{bson.D{{Key: "e", Value: "x"}}}}}, counts(len(touched), modified))
}

// collide changes the field with the unique index, so that a duplicate key may come
// up at any of the documents.
func (m model) collide() write {
	w, _, _ := m.collision()
	return w
}

func (m model) collision() (w write, touched []bson.D, modified int) {
	sel, n, multi := m.selection(), int32(rapid.IntRange(0, 3).Draw(m.T, "key")), rapid.IntRange(0, 3).Draw(m.T, "multi") > 0
	var update any = bson.D{{Key: "$set", Value: bson.D{{Key: "key", Value: n}}}}
	to := func(d bson.D) (bson.D, failure) { return set(d, "key", n), none }
	switch rapid.SampledFrom([]string{"set", "add", "replace"}).Draw(m.T, "how") {
	case "add":
		update = bson.D{{Key: "$inc", Value: bson.D{{Key: "key", Value: n}}}}
		to = func(d bson.D) (bson.D, failure) {
			old, _ := key(d).(int32)
			return set(d, "key", old+n), none
		}
	case "replace":
		update = bson.D{{Key: "key", Value: n}}
		to = func(d bson.D) (bson.D, failure) { return bson.D{d[0], {Key: "key", Value: n}}, none }
	}
	w, touched, modified = m.change(sel, multi, to)
	action := map[bool]string{true: "updateMany", false: "updateOne"}[multi]
	return w.as(action, bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}}, counts(len(touched), modified)), touched, modified
}

func has(list bson.A, v any) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func (m model) newDocument(id int32) bson.D {
	return append(bson.D{{Key: "_id", Value: id}}, oracle.Fields(m.T)...)
}

func (m model) insertOne() write {
	d := m.newDocument(m.newID())
	w := write{permitted: m.oracle.Insert(d, false), docs: append(append([]bson.D{}, m.docs...), d)}
	return w.as("insertOne", bson.D{{Key: "document", Value: d}}, bson.D{{Key: "insertedId", Value: d[0].Value}})
}

func (m model) insertMany() write {
	first := m.newID()
	list, ids := bson.A{}, bson.A{}
	w := write{permitted: true, docs: append([]bson.D{}, m.docs...)}
	for i := range int32(rapid.IntRange(1, 3).Draw(m.T, "new documents")) {
		d := m.newDocument(first + i)
		w.permitted = w.permitted && m.oracle.Insert(d, false)
		w.docs, list, ids = append(w.docs, d), append(list, d), append(ids, first+i)
	}
	return w.as("insertMany", bson.D{{Key: "documents", Value: list}}, bson.D{{Key: "insertedIds", Value: ids}})
}

func gone(bson.D) (bson.D, failure) { return nil, none }

func (m model) delete() write {
	sel, multi := m.selection(), rapid.Bool().Draw(m.T, "multi")
	w, touched, _ := m.change(sel, multi, gone)
	action := map[bool]string{true: "deleteMany", false: "deleteOne"}[multi]
	return w.as(action, bson.D{{Key: "query", Value: sel.query}}, bson.D{{Key: "deletedCount", Value: int32(len(touched))}})
}

// shown is what a findOneAnd answers with: of the documents, what may be read of
// the first.
func (m model) shown(docs []bson.D) any {
	if len(docs) > 0 {
		if d, ok := m.oracle.Shown(docs[0]); ok {
			return d
		}
	}
	return nil
}

func (m model) findOneAndUpdate() write {
	sel := m.selection()
	update, to := m.modifier()
	return m.findOneAnd("findOneAndUpdate", sel, update, to)
}

func (m model) findOneAndReplace() write {
	sel := m.selection()
	fields, to := m.replacement()
	return m.findOneAnd("findOneAndReplace", sel, fields, to)
}

func (m model) findOneAnd(action string, sel selection, update bson.D, to func(bson.D) (bson.D, failure)) write {
	w, touched, _ := m.change(sel, false, to)
	after := rapid.Bool().Draw(m.T, "new document")
	w = w.as(action, bson.D{{Key: "filter", Value: sel.query}, {Key: "update", Value: update}, {Key: "returnNewDocument", Value: after}}, m.shown(touched))
	if after && len(touched) > 0 {
		for _, d := range w.docs {
			if d[0].Value == touched[0][0].Value {
				w.result = m.shown([]bson.D{d})
			}
		}
	}
	return w
}

func (m model) findOneAndDelete() write {
	sel := m.selection()
	w, touched, _ := m.change(sel, false, gone)
	return w.as("findOneAndDelete", bson.D{{Key: "filter", Value: sel.query}}, m.shown(touched))
}

// bulkWrite performs several operations. A refused one refuses all; one that the
// database fails ends an ordered bulk, and is passed over by an unordered one.
func (m model) bulkWrite() write {
	ordered := rapid.Bool().Draw(m.T, "ordered")
	ops, inserted := bson.A{}, bson.A{}
	matched, modified, deleted := 0, 0, 0
	left, failed := m.docs, false
	refusal := false
	for range rapid.IntRange(1, 4).Draw(m.T, "bulk operations") {
		var w write
		m.docs = left
		switch rapid.SampledFrom([]string{"set", "collide", "insert", "duplicate", "delete"}).Draw(m.T, "bulk operation") {
		case "set":
			sel, v := m.selection(), oracle.Scalar(m.T)
			touched, n := []bson.D(nil), 0
			w, touched, n = m.change(sel, true, func(d bson.D) (bson.D, failure) { return set(d, "n", v), none })
			ops = append(ops, bson.D{{Key: "updateMany", Value: bson.D{{Key: "filter", Value: sel.query}, {Key: "update", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: v}}}}}}}})
			matched, modified = matched+len(touched), modified+n
		case "collide":
			var touched []bson.D
			var n int
			w, touched, n = m.collision()
			query, update := w.arg[0].Value, w.arg[1].Value
			ops = append(ops, bson.D{{Key: w.action, Value: bson.D{{Key: "filter", Value: query}, {Key: "update", Value: update}}}})
			matched, modified = matched+len(touched), modified+n
		case "insert", "duplicate":
			d := m.newDocument(m.newID())
			if len(m.docs) > 0 && rapid.Bool().Draw(m.T, "an _id that exists") {
				d[0] = m.docs[0][0]
				w = write{permitted: false, docs: m.docs}
				if m.oracle.Insert(d, false) {
					w.left = m.docs
				}
			} else {
				w = write{permitted: m.oracle.Insert(d, false), docs: append(append([]bson.D{}, m.docs...), d)}
				inserted = append(inserted, d[0].Value)
			}
			ops = append(ops, bson.D{{Key: "insertOne", Value: bson.D{{Key: "document", Value: d}}}})
		case "delete":
			sel := m.selection()
			var touched []bson.D
			w, touched, _ = m.change(sel, true, gone)
			ops = append(ops, bson.D{{Key: "deleteMany", Value: bson.D{{Key: "filter", Value: sel.query}}}})
			deleted += len(touched)
		}
		switch {
		case failed && ordered: // it ended before
		case w.permitted:
			left = w.docs
		case w.left != nil:
			left, failed = w.left, true
		default:
			refusal = true
		}
	}
	w := write{permitted: !refusal && !failed, docs: left}
	if failed && !refusal {
		w.left = append([]bson.D{}, left...) // also of none
	}
	return w.as("bulkWrite", bson.D{{Key: "operations", Value: ops}, {Key: "ordered", Value: ordered}}, bson.D{
		{Key: "insertedCount", Value: int32(len(inserted))}, {Key: "matchedCount", Value: int32(matched)}, {Key: "modifiedCount", Value: int32(modified)}, {Key: "deletedCount", Value: int32(deleted)},
		{Key: "upsertedCount", Value: int32(0)}, {Key: "insertedIds", Value: inserted}, {Key: "upsertedIds", Value: bson.A{}},
	})
}
