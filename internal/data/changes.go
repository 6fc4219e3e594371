package data

import (
	"errors"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// changes are what an event's updateDescription says, paths taken apart.
type changes struct {
	updated   []updatedField
	removed   [][]string
	truncated []truncatedArray
}

type updatedField struct {
	path  []string
	value bson.RawValue
}

type truncatedArray struct {
	path []string
	size int
	raw  bson.Raw
}

const (
	maxPaths = 100 // of a description that are told one by one
	maxParts = 250 // of one path; documents nest less
)

// dotted tells whether a document has a field with a dot in its name. Paths do not say
// what they mean then.
func dotted(d bson.Raw) bool {
	elems, err := d.Elements()
	if err != nil {
		return true
	}
	for _, e := range elems {
		v := e.Value()
		if strings.Contains(e.Key(), ".") || (v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray) && dotted(v.Value) {
			return true
		}
	}
	return false
}

// atTop gives the changes as changes of the document's own fields.
func (c *changes) atTop() *changes {
	out := &changes{}
	whole := func(path []string) { out.updated = append(out.updated, updatedField{path: path[:1]}) }
	for _, f := range c.updated {
		whole(f.path)
	}
	for _, path := range c.removed {
		if len(path) == 1 {
			out.removed = append(out.removed, path)
		} else {
			whole(path)
		}
	}
	for _, t := range c.truncated {
		whole(t.path)
	}
	return out
}

func readChanges(d bson.Raw) (*changes, error) {
	c := &changes{}
	tooLong := func(path string) bool { return strings.Count(path, ".") >= maxParts }
	if fields, ok := d.Lookup("updatedFields").DocumentOK(); ok {
		elems, err := fields.Elements()
		if err != nil {
			return nil, err
		}
		for _, e := range elems {
			if tooLong(e.Key()) {
				return nil, errElsewhere
			}
			c.updated = append(c.updated, updatedField{strings.Split(e.Key(), "."), e.Value()})
		}
	}
	if names, ok := d.Lookup("removedFields").ArrayOK(); ok {
		values, err := names.Values()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if name, ok := v.StringValueOK(); ok {
				if tooLong(name) {
					return nil, errElsewhere
				}
				c.removed = append(c.removed, strings.Split(name, "."))
			}
		}
	}
	if arrays, ok := d.Lookup("truncatedArrays").ArrayOK(); ok {
		values, err := arrays.Values()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			t, _ := v.DocumentOK()
			name, ok := t.Lookup("field").StringValueOK()
			size, isSize := t.Lookup("newSize").AsInt64OK()
			if !ok || !isSize || size < 0 || tooLong(name) {
				return nil, errElsewhere
			}
			c.truncated = append(c.truncated, truncatedArray{strings.Split(name, "."), int(size), t})
		}
	}
	return c, nil
}

// errElsewhere says that a document does not have what changes begin from, or that the
// paths of the changes cannot be those of one.
var errElsewhere = errors.New("the changes are not those of the document")

// applyTo gives the document after the changes. It fails when the document is not
// the one before them, as far as can be told.
func (c *changes) applyTo(doc bson.Raw) (bson.Raw, error) {
	root := &edit{}
	for _, t := range c.truncated {
		root.at(t.path).size = &t.size
	}
	for _, path := range c.removed {
		root.at(path).gone = true
	}
	for _, f := range c.updated {
		root.at(f.path).value = f.value
	}
	return root.document(nil, doc)
}

// edit is what happens to one value: it gets another one, goes, or parts of it are
// edited.
type edit struct {
	name  string
	value bson.RawValue
	gone  bool
	size  *int // of an array, at the most
	parts []*edit
	named map[string]*edit // the parts
}

func (x *edit) at(path []string) *edit {
	for _, name := range path {
		p := x.named[name]
		if p == nil {
			p = &edit{name: name}
			x.parts = append(x.parts, p)
			if x.named == nil {
				x.named = map[string]*edit{}
			}
			x.named[name] = p
		}
		x = p
	}
	return x
}

// document appends the edited document.
func (x *edit) document(dst []byte, doc bson.Raw) ([]byte, error) {
	elems, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	index, dst := bsoncore.AppendDocumentStart(dst)
	seen := map[*edit]bool{}
	for _, e := range elems {
		p := x.named[e.Key()]
		if p == nil {
			dst = append(dst, e...)
			continue
		}
		seen[p] = true
		if dst, err = p.element(dst, p.name, e.Value()); err != nil {
			return nil, err
		}
	}
	for _, p := range x.parts {
		switch {
		case seen[p] || p.gone:
		case p.value.Type == 0:
			return nil, errElsewhere
		default:
			dst = appendValue(dst, p.name, p.value)
		}
	}
	return bsoncore.AppendDocumentEnd(dst, index)
}

// element appends the edited value under a name, or nothing.
func (x *edit) element(dst []byte, name string, v bson.RawValue) ([]byte, error) {
	switch {
	case x.gone:
		return dst, nil
	case x.value.Type != 0:
		return appendValue(dst, name, x.value), nil
	}
	dst = bsoncore.AppendHeader(dst, bsoncore.Type(v.Type), name)
	switch {
	case v.Type == bson.TypeEmbeddedDocument && x.size == nil:
		return x.document(dst, v.Value)
	case v.Type == bson.TypeArray:
		return x.array(dst, bson.RawArray(v.Value))
	}
	return nil, errElsewhere
}

// array appends the edited array. Elements that are new follow the old ones without
// a gap.
func (x *edit) array(dst []byte, a bson.RawArray) ([]byte, error) {
	values, err := a.Values()
	if err != nil {
		return nil, err
	}
	if x.size != nil && *x.size < len(values) {
		values = values[:*x.size]
	}
	index, dst := bsoncore.AppendArrayStart(dst)
	edited := 0
	for i, v := range values {
		name := strconv.Itoa(i)
		p := x.named[name]
		if p == nil {
			dst = appendValue(dst, name, v)
			continue
		}
		edited++
		if dst, err = p.element(dst, name, v); err != nil {
			return nil, err
		}
	}
	for i := range len(x.parts) - edited {
		name := strconv.Itoa(len(values) + i)
		p := x.named[name]
		if p == nil || p.value.Type == 0 {
			return nil, errElsewhere
		}
		dst = appendValue(dst, name, p.value)
	}
	return bsoncore.AppendArrayEnd(dst, index)
}
