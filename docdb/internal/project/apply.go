package project

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// run is one application of a projection.
type run struct {
	Context
	doc   bson.Raw
	built int // bytes of computed values
}

// maxComputed bounds the bytes that the computed fields of one document may have together. A projection can name the whole document
// any number of times, and once for every element of an array.
const maxComputed = 64 << 20

// Apply returns the projected document. It may be doc itself.
func (p *Projection) Apply(doc bson.Raw, cx Context) (bson.Raw, error) {
	if p.Empty() {
		return doc, nil
	}
	r := run{Context: cx, doc: doc}
	dst := make([]byte, 0, len(doc))
	if p.exclusion {
		return r.excluded(dst, doc, p.root)
	}
	start, dst := value.Begin(dst)
	// _id is included unless the projection says otherwise, at its place.
	id := p.root.child("_id")
	it := value.Over(doc)
	var err error
	for it.Next() {
		if it.Key() == "_id" && id == nil {
			dst = value.Append(dst, "_id", it.Value())
			continue
		}
		c := p.root.child(it.Key())
		if c == nil {
			continue
		}
		if dst, err = r.include(dst, it.Key(), it.Value(), c); err != nil {
			return nil, err
		}
	}
	if dst, err = r.computed(dst, doc, p.root); err != nil {
		return nil, err
	}
	return value.End(dst, start), nil
}

// include appends the field as an inclusion's node wants it.
func (r *run) include(dst []byte, key string, v bson.RawValue, n *node) ([]byte, error) {
	switch n.kind {
	case include:
		return value.Append(dst, key, v), nil
	case slice:
		if v.Type == bson.TypeArray {
			v = n.sliced(v)
		}
		return value.Append(dst, key, v), nil
	case positional:
		return r.position(dst, key, v)
	case sub:
		out, keep, err := r.included(v, n)
		if err != nil || !keep {
			return dst, err
		}
		return value.Append(dst, key, out), nil
	}
	return dst, nil // excluded, or appended later by computed
}

// included projects a value through the nested fields of an inclusion. Values that can have no fields are dropped, unless a
// computed field makes a document of them.
func (r *run) included(v bson.RawValue, n *node) (out bson.RawValue, keep bool, err error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		start, dst := value.Begin(nil)
		it := value.Over(v.Value)
		for it.Next() {
			if c := n.child(it.Key()); c != nil {
				if dst, err = r.include(dst, it.Key(), it.Value(), c); err != nil {
					return out, false, err
				}
			}
		}
		if dst, err = r.computed(dst, v.Value, n); err != nil {
			return out, false, err
		}
		return value.Doc(value.End(dst, start)), true, nil
	case bson.TypeArray:
		var list []bson.RawValue
		it := value.Over(v.Value)
		for it.Next() {
			e, keep, err := r.included(it.Value(), n)
			if err != nil {
				return out, false, err
			}
			if keep {
				list = append(list, e)
			}
		}
		return value.ArrayOf(list), true, nil
	}
	if n.hasComputed {
		start, dst := value.Begin(nil)
		if dst, err = r.computed(dst, value.EmptyDoc.Value, n); err != nil {
			return out, false, err
		}
		return value.Doc(value.End(dst, start)), true, nil
	}
	return out, false, nil
}

// computed appends the computed fields of n in the order in which the projection names them, and documents that only hold such.
func (r *run) computed(dst []byte, doc []byte, n *node) ([]byte, error) {
	for _, c := range n.children {
		switch c.kind {
		case computed:
			v, err := c.expr(r.doc)
			if err != nil {
				return nil, err
			}
			if r.built += len(v.Value); r.built > maxComputed {
				return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "the computed fields of a projection exceed the limit of %d bytes", maxComputed)
			}
			if v.Type != 0 {
				dst = value.Append(dst, c.name, v)
			}
		case meta:
			dst = r.meta(dst, c)
		case elemMatch:
			ok, i, err := c.matcher.MatchPosition(doc)
			if err != nil {
				return nil, err
			}
			if arr := value.Lookup(doc, c.name); ok && i >= 0 && arr.Type == bson.TypeArray {
				dst = value.Append(dst, c.name, value.ArrayOf([]bson.RawValue{value.Index(arr.Value, i)}))
			}
		case sub:
			if !c.hasComputed || value.Lookup(doc, c.name).Type != 0 {
				continue
			}
			start, inner := value.BeginElement(dst, bson.TypeEmbeddedDocument, c.name)
			inner, err := r.computed(inner, value.EmptyDoc.Value, c)
			if err != nil {
				return nil, err
			}
			dst = value.End(inner, start)
		}
	}
	return dst, nil
}

func (r *run) meta(dst []byte, n *node) []byte {
	if r.Meta != nil {
		if v := r.Meta(n.metaName); v.Type != 0 {
			return value.Append(dst, n.name, v)
		}
	}
	return dst
}

// position appends an array cut to the element that the query matched.
func (r *run) position(dst []byte, key string, v bson.RawValue) ([]byte, error) {
	if v.Type != bson.TypeArray {
		return value.Append(dst, key, v), nil
	}
	if r.Position < 0 {
		return nil, mongoerr.New(51246, "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array")
	}
	e := value.Index(v.Value, r.Position)
	if e.Type == 0 {
		return nil, mongoerr.New(51247, "Executor error during find command :: caused by :: positional operator '.$' element mismatch")
	}
	return value.Append(dst, key, value.ArrayOf([]bson.RawValue{e})), nil
}

// excluded appends a document without the fields that n excludes.
func (r *run) excluded(dst, doc []byte, n *node) ([]byte, error) {
	start, dst := value.Begin(dst)
	it := value.Over(doc)
	for it.Next() {
		v := it.Value()
		c := n.child(it.Key())
		if c == nil {
			dst = value.Append(dst, it.Key(), v)
			continue
		}
		switch c.kind {
		case exclude, meta:
		case slice:
			if v.Type == bson.TypeArray {
				v = c.sliced(v)
			}
			dst = value.Append(dst, it.Key(), v)
		case sub:
			out, err := r.excludedValue(v, c)
			if err != nil {
				return nil, err
			}
			dst = value.Append(dst, it.Key(), out)
		default: // _id: 1 beside exclusions
			dst = value.Append(dst, it.Key(), v)
		}
	}
	for _, c := range n.children {
		if c.kind == meta {
			dst = r.meta(dst, c)
		}
	}
	return value.End(dst, start), nil
}

func (r *run) excludedValue(v bson.RawValue, n *node) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		d, err := r.excluded(nil, v.Value, n)
		return value.Doc(d), err
	case bson.TypeArray:
		var list []bson.RawValue
		it := value.Over(v.Value)
		for it.Next() {
			e, err := r.excludedValue(it.Value(), n)
			if err != nil {
				return e, err
			}
			list = append(list, e)
		}
		return value.ArrayOf(list), nil
	}
	return v, nil
}
