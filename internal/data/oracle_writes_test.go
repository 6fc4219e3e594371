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
}

// writes is the table of operations that change something.
var writes = []func(model) write{
	model.update, model.update, model.replaceOne, model.upsert, model.pipelineUpdate, model.arrayFilters,
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

// change changes what a selection and the rules leave: to gives the document
// after it, nil for gone, ok false where the database refuses. touched are the
// documents before.
func (m model) change(sel selection, multi bool, to func(bson.D) (bson.D, bool)) (docs, touched []bson.D, modified int, permitted bool) {
	for _, d := range m.docs {
		if !sel.match(d) || len(touched) > 0 && !multi || !m.oracle.Matches(d) {
			docs = append(docs, d)
			continue
		}
		n, ok := to(d)
		if !ok || n == nil && !m.oracle.Delete(d) || n != nil && !m.oracle.Update(d, n) {
			return m.docs, nil, 0, false
		}
		touched = append(touched, d)
		if n != nil {
			docs = append(docs, n)
			if !identical(d, n) {
				modified++
			}
		}
	}
	return docs, touched, modified, true
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
func (m model) modifier() (bson.D, func(bson.D) (bson.D, bool)) {
	field, v := m.field(), oracle.Value(m.T, 1)
	switch rapid.SampledFrom([]string{"set", "unset", "rename", "replace", "both"}).Draw(m.T, "modifier") {
	case "set":
		return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}, func(d bson.D) (bson.D, bool) { return set(d, field, v), true }
	case "unset":
		return bson.D{{Key: "$unset", Value: bson.D{{Key: field, Value: true}}}}, func(d bson.D) (bson.D, bool) { return unset(d, field), true }
	case "rename":
		return bson.D{{Key: "$rename", Value: bson.D{{Key: "b", Value: field}}}}, func(d bson.D) (bson.D, bool) {
			for _, e := range d {
				if e.Key == "b" {
					return set(unset(d, "b"), field, e.Value), true
				}
			}
			return d, true
		}
	case "both":
		return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}, {Key: "$unset", Value: bson.D{{Key: "b", Value: true}}}},
			func(d bson.D) (bson.D, bool) { return set(unset(d, "b"), field, v), true }
	}
	return m.replacement()
}

func (m model) replacement() (bson.D, func(bson.D) (bson.D, bool)) {
	fields := oracle.Fields(m.T)
	return fields, func(d bson.D) (bson.D, bool) { return append(bson.D{d[0]}, fields...), true }
}

func (m model) update() write {
	sel := m.selection()
	update, to := m.modifier()
	multi := rapid.Bool().Draw(m.T, "multi")
	docs, touched, modified, permitted := m.change(sel, multi, to)
	action := map[bool]string{true: "updateMany", false: "updateOne"}[multi]
	return write{action, bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}}, permitted, counts(len(touched), modified), docs}
}

func (m model) replaceOne() write {
	sel := m.selection()
	fields, to := m.replacement()
	docs, touched, modified, permitted := m.change(sel, false, to)
	return write{"replaceOne", bson.D{{Key: "query", Value: sel.query}, {Key: "replacement", Value: fields}}, permitted, counts(len(touched), modified), docs}
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
	w := write{action: action, arg: bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}}, {Key: "upsert", Value: true}}}
	docs, touched, modified, permitted := m.change(sel, false, func(d bson.D) (bson.D, bool) { return set(d, field, v), true })
	w.permitted, w.docs, w.result = permitted, docs, counts(len(touched), modified)
	if !permitted || len(touched) > 0 {
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
	docs, touched, modified, permitted := m.change(sel, true, func(d bson.D) (bson.D, bool) {
		if !m.oracle.Whole(d) {
			return d, false
		}
		for _, e := range d {
			if e.Key == "b" {
				return set(d, field, e.Value), true
			}
		}
		return unset(d, field), true // what is missing is copied as well
	})
	update := bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: "$b"}}}}}
	return write{"updateMany", bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}}, permitted, counts(len(touched), modified), docs}
}

// arrayFilters changes the elements of tags that are "x", in one document: of
// many, an error of the database leaves those before it changed where one command
// changes them all (table of choices).
func (m model) arrayFilters() write {
	sel, v := m.selection(), oracle.Scalar(m.T)
	docs, touched, modified, permitted := m.change(sel, false, func(d bson.D) (bson.D, bool) {
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
			return set(d, "tags", out), true
		}
		return d, false // the database demands an array
	})
	update := bson.D{{Key: "$set", Value: bson.D{{Key: "tags.$[e]", Value: v}}}}
	return write{"updateOne", bson.D{{Key: "query", Value: sel.query}, {Key: "update", Value: update}, {Key: "arrayFilters", Value: bson.A{bson.D{{Key: "e", Value: "x"}}}}}, permitted, counts(len(touched), modified), docs}
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
	return write{"insertOne", bson.D{{Key: "document", Value: d}}, m.oracle.Insert(d, false), bson.D{{Key: "insertedId", Value: d[0].Value}}, append(append([]bson.D{}, m.docs...), d)}
}

func (m model) insertMany() write {
	first := m.newID()
	docs, list, ids := append([]bson.D{}, m.docs...), bson.A{}, bson.A{}
	permitted := true
	for i := range int32(rapid.IntRange(1, 3).Draw(m.T, "new documents")) {
		d := m.newDocument(first + i)
		permitted = permitted && m.oracle.Insert(d, false)
		docs, list, ids = append(docs, d), append(list, d), append(ids, first+i)
	}
	return write{"insertMany", bson.D{{Key: "documents", Value: list}}, permitted, bson.D{{Key: "insertedIds", Value: ids}}, docs}
}

func gone(bson.D) (bson.D, bool) { return nil, true }

func (m model) delete() write {
	sel, multi := m.selection(), rapid.Bool().Draw(m.T, "multi")
	docs, touched, _, permitted := m.change(sel, multi, gone)
	action := map[bool]string{true: "deleteMany", false: "deleteOne"}[multi]
	return write{action, bson.D{{Key: "query", Value: sel.query}}, permitted, bson.D{{Key: "deletedCount", Value: int32(len(touched))}}, docs}
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

func (m model) findOneAnd(action string, sel selection, update bson.D, to func(bson.D) (bson.D, bool)) write {
	docs, touched, _, permitted := m.change(sel, false, to)
	after := rapid.Bool().Draw(m.T, "new document")
	w := write{action, bson.D{{Key: "filter", Value: sel.query}, {Key: "update", Value: update}, {Key: "returnNewDocument", Value: after}}, permitted, m.shown(touched), docs}
	if after && len(touched) > 0 {
		for _, d := range docs {
			if d[0].Value == touched[0][0].Value {
				w.result = m.shown([]bson.D{d})
			}
		}
	}
	return w
}

func (m model) findOneAndDelete() write {
	sel := m.selection()
	docs, touched, _, permitted := m.change(sel, false, gone)
	return write{"findOneAndDelete", bson.D{{Key: "filter", Value: sel.query}}, permitted, m.shown(touched), docs}
}

// bulkWrite changes, inserts and deletes, all or nothing.
func (m model) bulkWrite() write {
	sel, update := m.selection(), bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: oracle.Scalar(m.T)}}}}
	v := update[0].Value.(bson.D)[0].Value
	fresh := m.newDocument(m.newID())
	ops := bson.A{
		bson.D{{Key: "updateMany", Value: bson.D{{Key: "filter", Value: sel.query}, {Key: "update", Value: update}}}},
		bson.D{{Key: "insertOne", Value: bson.D{{Key: "document", Value: fresh}}}},
	}
	w := write{action: "bulkWrite"}
	docs, touched, modified, permitted := m.change(sel, true, func(d bson.D) (bson.D, bool) { return set(d, "n", v), true })
	w.permitted = permitted && m.oracle.Insert(fresh, false)
	m.docs = append(append([]bson.D{}, docs...), fresh)
	deleted := []bson.D{}
	if rapid.Bool().Draw(m.T, "and delete") {
		sel := m.selection()
		ops = append(ops, bson.D{{Key: "deleteMany", Value: bson.D{{Key: "filter", Value: sel.query}}}})
		m.docs, deleted, _, permitted = m.change(sel, true, gone)
		w.permitted = w.permitted && permitted
	}
	w.arg, w.docs = bson.D{{Key: "operations", Value: ops}}, m.docs
	w.result = bson.D{
		{Key: "insertedCount", Value: int32(1)}, {Key: "matchedCount", Value: int32(len(touched))}, {Key: "modifiedCount", Value: int32(modified)}, {Key: "deletedCount", Value: int32(len(deleted))},
		{Key: "upsertedCount", Value: int32(0)}, {Key: "insertedIds", Value: bson.A{fresh[0].Value}}, {Key: "upsertedIds", Value: bson.A{}},
	}
	return w
}
