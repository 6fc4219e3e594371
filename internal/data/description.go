package data

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// view is a document beside what the caller may read of it.
type view struct {
	stored, shown bson.Raw

	// The documents' own fields, for the lookups of many paths.
	fields, shownFields map[string]bson.RawValue
}

// view looks at one of an event's documents as the caller may; shown is nil for a
// document that may not be read.
func (w *Stream) view(doc bson.Raw) (view, error) {
	if doc == nil {
		return view{}, nil
	}
	shown, err := w.readable(doc)
	return view{stored: doc, shown: shown}, err
}

// whole tells whether nothing of the document is hidden.
func (v *view) whole() bool { return v.shown != nil && slices.Equal(v.stored, v.shown) }

// at gives what is at a path, stored and shown; type 0 for nothing. Paths lead
// into arrays by index.
func (v *view) at(path []string) (stored, shown bson.RawValue) {
	if v.fields == nil {
		v.fields, v.shownFields = fieldsOf(v.stored), fieldsOf(v.shown)
	}
	return inside(v.fields, path), inside(v.shownFields, path)
}

func fieldsOf(d bson.Raw) map[string]bson.RawValue {
	elems, _ := d.Elements() // of nil none
	fields := make(map[string]bson.RawValue, len(elems))
	for _, e := range elems {
		fields[e.Key()] = e.Value()
	}
	return fields
}

func inside(fields map[string]bson.RawValue, path []string) bson.RawValue {
	v := fields[path[0]]
	switch {
	case len(path) == 1:
		return v
	case v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray:
		return bson.RawValue{}
	}
	v, _ = bson.Raw(v.Value).LookupErr(path[1:]...)
	return v
}

// intact tells whether what is at a path is shown as it is stored.
func (v *view) intact(path []string) bool {
	stored, shown := v.at(path)
	return stored.Equal(shown)
}

// readableDescription is an updateDescription as somebody is told it who may read
// a part of the document (rules-attacks.md 7). It holds nothing that the documents
// before and after the change do not show him as well.
//
// What a path says of an array of which elements or parts are hidden is told as a
// new value of that array: indexes and lengths would count what is hidden.
type readableDescription struct {
	before, after view
	updated       []byte // elements
	removed       *list
	truncated     *list
	told          map[string]bool
}

// description appends what may be told of an updateDescription. before is empty
// where the deployment keeps no pre-images; after is then the document as it was
// looked up, perhaps after further changes, and the values told are those of it.
func (w *Stream) description(dst []byte, d bson.Raw, before, after view) ([]byte, error) {
	if after.whole() && (before.stored == nil || before.whole()) {
		return bsoncore.AppendDocumentElement(dst, "updateDescription", bsoncore.Document(d)), nil
	}
	r := readableDescription{before: before, after: after, removed: newList(), truncated: newList(), told: map[string]bool{}}
	if after.shown != nil {
		if err := r.read(w, d); err != nil {
			return nil, err
		}
	}
	return r.append(dst), nil
}

func (r *readableDescription) read(w *Stream, d bson.Raw) error {
	c, err := readChanges(d)
	if err != nil || r.before.stored != nil && dotted(r.before.stored) || dotted(r.after.stored) {
		return nil // it cannot be told what the paths mean: then nothing is
	}
	if len(c.updated)+len(c.removed)+len(c.truncated) > maxPaths {
		// Each path would be looked up in the documents anew.
		c = c.atTop()
	}
	for _, f := range c.updated {
		r.update(f.path)
	}
	for _, path := range c.removed {
		if hidden := r.brokenArray(path[:len(path)-1]); hidden != nil {
			r.update(hidden)
			continue
		}
		ok, err := r.couldReadRemoved(w, path)
		if err != nil {
			return err
		}
		if ok {
			r.removed.value(stringValue(strings.Join(path, ".")))
		}
	}
	for _, t := range c.truncated {
		if r.brokenArray(t.path) != nil {
			r.update(t.path)
		} else if _, shown := r.after.at(t.path); shown.Type != 0 {
			r.truncated.document(t.raw)
		}
	}
	return nil
}

// update tells the value that a path has now, of the array around it where that is
// not shown as it is.
func (r *readableDescription) update(path []string) {
	if hidden := r.brokenArray(path[:len(path)-1]); hidden != nil {
		path = hidden
	}
	name := strings.Join(path, ".")
	if r.told[name] {
		return
	}
	r.told[name] = true
	if _, shown := r.after.at(path); shown.Type != 0 {
		r.updated = appendValue(r.updated, name, shown)
	} else if _, shown := r.before.at(path); shown.Type != 0 {
		r.removed.value(stringValue(name)) // nothing is left of it for the caller
	}
}

// brokenArray gives the first array on a path, its end included, that is not shown
// as it is, or was not; nil when there is none.
func (r *readableDescription) brokenArray(path []string) []string {
	for n := 1; n <= len(path); n++ {
		stored, _ := r.after.at(path[:n])
		if stored.Type == bson.TypeArray && (!r.after.intact(path[:n]) || !r.before.intact(path[:n])) {
			return path[:n]
		}
	}
	return nil
}

// couldReadRemoved tells whether a removed field was readable, or would be, where
// it is not known what it held.
func (r *readableDescription) couldReadRemoved(w *Stream, path []string) (bool, error) {
	v := r.before
	if v.stored == nil {
		doc, err := (&changes{updated: []updatedField{{path, null}}}).applyTo(r.after.stored)
		if err != nil {
			return false, nil // the document looks otherwise by now
		}
		if v, err = w.view(doc); err != nil {
			return false, err
		}
	}
	_, shown := v.at(path)
	return shown.Type != 0, nil
}

func (r *readableDescription) append(dst []byte) []byte {
	index, dst := bsoncore.AppendDocumentElementStart(dst, "updateDescription")
	at, dst := bsoncore.AppendDocumentElementStart(dst, "updatedFields")
	dst = append(dst, r.updated...)
	dst, _ = bsoncore.AppendDocumentEnd(dst, at)
	dst = appendValue(dst, "removedFields", r.removed.end())
	if r.truncated.n > 0 {
		dst = appendValue(dst, "truncatedArrays", r.truncated.end())
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst
}
