package value

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Path is a dotted path, split.
type Path []string

// ParsePath splits a dotted path. It does not judge the parts; empty ones are kept.
func ParsePath(s string) Path { return strings.Split(s, ".") }

// String joins the parts again.
func (p Path) String() string { return strings.Join(p, ".") }

// HasPrefix reports whether q is p or a parent of p.
func (p Path) HasPrefix(q Path) bool {
	if len(q) > len(p) {
		return false
	}
	for i, part := range q {
		if p[i] != part {
			return false
		}
	}
	return true
}

// Leaf says what Each does with an array at the end of a path.
type Leaf uint8

const (
	// Whole visits an array as one value.
	Whole Leaf = iota
	// ElementsAndWhole visits each element, then the array itself, as comparisons in queries do.
	ElementsAndWhole
	// ElementsOnly visits each element; an empty array gives nothing.
	ElementsOnly
)

// Each visits the values that a path names in a document, going into arrays on the way as queries do (mongo-engine.md §3.3):
//
//   - a path that ends early, at a scalar or a missing field, visits one missing value;
//   - an array before the end is entered one level: each of its documents is searched for the rest of the path (and may visit a
//     missing value); other elements are passed over, so that an array without documents visits nothing;
//   - a numeric part also names that element of an array. The documents of the array are searched for a member of that name all the
//     same, and one without it visits a missing value.
//
// visit gets the index in the outermost array that was entered, -1 if there was none, and returns true to stop. Each returns
// whether it was stopped.
func Each(doc []byte, path Path, leaf Leaf, visit func(v bson.RawValue, index int) bool) bool {
	return eachFrom(Lookup(doc, path[0]), path[1:], leaf, -1, visit)
}

// EachFrom is Each with the value of the path's first part at hand.
func EachFrom(first bson.RawValue, rest Path, leaf Leaf, visit func(v bson.RawValue, index int) bool) bool {
	return eachFrom(first, rest, leaf, -1, visit)
}

func eachFrom(v bson.RawValue, rest Path, leaf Leaf, index int, visit func(v bson.RawValue, index int) bool) bool {
	if len(rest) == 0 {
		return eachLeaf(v, leaf, index, visit)
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return eachFrom(Lookup(v.Value, rest[0]), rest[1:], leaf, index, visit)
	case bson.TypeArray:
		return eachInArray(v.Value, rest, leaf, index, visit)
	}
	return visit(Missing, index)
}

func eachLeaf(v bson.RawValue, leaf Leaf, index int, visit func(v bson.RawValue, index int) bool) bool {
	if leaf == Whole || v.Type != bson.TypeArray {
		return visit(v, index)
	}
	it := Over(v.Value)
	for i := 0; it.Next(); i++ {
		at := index
		if at < 0 {
			at = i
		}
		if visit(it.val, at) {
			return true
		}
	}
	return leaf == ElementsAndWhole && visit(v, index)
}

func eachInArray(arr []byte, rest Path, leaf Leaf, index int, visit func(v bson.RawValue, index int) bool) bool {
	want, numeric := ArrayIndex(rest[0])
	it := Over(arr)
	for i := 0; it.Next(); i++ {
		at := index
		if at < 0 {
			at = i
		}
		if it.val.Type == bson.TypeEmbeddedDocument && eachFrom(Lookup(it.val.Value, rest[0]), rest[1:], leaf, at, visit) {
			return true
		}
		if !numeric || i != want {
			continue
		}
		switch {
		case len(rest) == 1:
			if visit(it.val, index) {
				return true
			}
		case it.val.Type == bson.TypeEmbeddedDocument:
			if eachFrom(Lookup(it.val.Value, rest[1]), rest[2:], leaf, index, visit) {
				return true
			}
		case it.val.Type == bson.TypeArray:
			if eachInArray(it.val.Value, rest[1:], leaf, index, visit) {
				return true
			}
		}
	}
	return false
}

// Get follows a path through documents only: the value that the path names without going into arrays, else a missing value.
func Get(doc []byte, path Path) bson.RawValue {
	for i, part := range path {
		v := Lookup(doc, part)
		if i == len(path)-1 {
			return v
		}
		if v.Type != bson.TypeEmbeddedDocument {
			break
		}
		doc = v.Value
	}
	return Missing
}

// GetIndexed is Get, with numeric parts naming elements of arrays.
func GetIndexed(v bson.RawValue, path Path) bson.RawValue {
	for _, part := range path {
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			v = Lookup(v.Value, part)
		case bson.TypeArray:
			i, numeric := ArrayIndex(part)
			if !numeric {
				return Missing
			}
			v = Index(v.Value, i)
		default:
			return Missing
		}
	}
	return v
}
