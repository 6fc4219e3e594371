package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/regex"
	"regent/docdb/internal/value"
)

// Node is one condition of a compiled filter: *And, *Or, *Nor, *Not, *Compare, *In, *Regex, *Exists, *Type, *Size, *Mod,
// *ElemMatch, *ElemMatchValue, *Bits, *Geo, *Text, *Expr, *Schema, *Sample or *Constant.
//
// Conditions on a field have a Path. An empty path means the value itself: so within $elemMatch: {$gt: 1}.
type Node interface {
	// eval decides the condition on a document, or on a single value when the node's path is empty.
	eval(s *state, v bson.RawValue) (bool, error)
}

// And is satisfied when all children are; an empty one always.
type And struct {
	Children []Node

	pass lazyPass
}

// Or is satisfied when any child is.
type Or struct{ Children []Node }

// Nor is satisfied when no child is.
type Nor struct{ Children []Node }

// Not is satisfied when its child is not. $ne and $nin are Not of Compare and In, $exists: false is Not of Exists.
type Not struct{ Child Node }

// Constant is $alwaysTrue or $alwaysFalse.
type Constant struct{ Result bool }

func (n *And) eval(s *state, v bson.RawValue) (bool, error) {
	if s == nil && v.Type == bson.TypeEmbeddedDocument {
		if p := n.pass.of(n); p != nil {
			return p.eval(v.Value)
		}
	}
	for _, c := range n.Children {
		if ok, err := c.eval(s, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n *Or) eval(_ *state, v bson.RawValue) (bool, error) {
	for _, c := range n.Children {
		if ok, err := c.eval(nil, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n *Nor) eval(_ *state, v bson.RawValue) (bool, error) {
	for _, c := range n.Children {
		if ok, err := c.eval(nil, v); ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n *Not) eval(_ *state, v bson.RawValue) (bool, error) {
	ok, err := n.Child.eval(nil, v)
	return !ok && err == nil, err
}

func (n *Constant) eval(*state, bson.RawValue) (bool, error) { return n.Result, nil }

// onDocuments restricts a filter on fields to values that are documents.
type onDocuments struct{ child Node }

func (n *onDocuments) eval(s *state, v bson.RawValue) (bool, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return false, nil
	}
	return n.child.eval(s, v)
}

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Lt
	Lte
	Gt
	Gte
)

// String returns the operator's name.
func (o Op) String() string { return [...]string{"$eq", "$lt", "$lte", "$gt", "$gte"}[o] }

// Compare compares a field with a value, within the value's type bracket (mongo-engine.md §3.1).
type Compare struct {
	Path  value.Path
	Op    Op
	Value bson.RawValue
	// Collation is the comparer of strings, nil for bytes.
	Collation value.StringComparer

	nan bool // Value is NaN

	// How values of the operand's own type are compared, and the operand as a number.
	quickly quickly
	double  float64
	int     int64
}

// quickly names ways of comparing a value with an operand of the same type without looking at the type again.
type quickly uint8

const (
	notQuickly quickly = iota
	byDouble
	byInt32
	byInt64
	byBytes // all bytes, in order: booleans and ObjectIDs
	byText  // the bytes of a string
)

// newCompare makes a Compare and what it knows about its value in advance.
func newCompare(path value.Path, op Op, v bson.RawValue, coll value.StringComparer) *Compare {
	n := &Compare{Path: path, Op: op, Value: v, Collation: coll, nan: value.IsNaN(v)}
	switch v.Type {
	case bson.TypeDouble:
		if n.double, _ = value.Float64(v); !n.nan {
			n.quickly = byDouble
		}
	case bson.TypeInt32:
		n.int, _ = value.Integer(v)
		n.quickly = byInt32
	case bson.TypeInt64:
		n.int, _ = value.Integer(v)
		n.quickly = byInt64
	case bson.TypeDateTime:
		n.int, _ = value.Millis(v)
		n.quickly = byInt64
	case bson.TypeBoolean, bson.TypeObjectID:
		n.quickly = byBytes
	case bson.TypeString:
		if coll == nil && len(v.Value) >= 5 {
			n.quickly = byText
		}
	}
	return n
}

// In is satisfied by a value equal to one of Values, or text that matches one of Regexes.
type In struct {
	Path value.Path
	// Values are sorted and without repeats.
	Values  []bson.RawValue
	Regexes []*regex.Regexp

	Collation value.StringComparer
	null      bool // Values has null, which missing equals
}

// Regex is satisfied by text that matches, and by an equal regular expression value.
type Regex struct {
	Path value.Path
	Re   *regex.Regexp
}

// Exists is satisfied when the field is there, whatever its value.
type Exists struct{ Path value.Path }

// Type is satisfied by a value of one of the types; an array's elements are looked at, too.
type Type struct {
	Path  value.Path
	Types value.TypeSet
}

// Size is satisfied by an array of exactly N elements.
type Size struct {
	Path value.Path
	N    int64
}

// Mod is satisfied by a number that, cut to an integer, leaves Remainder when divided by Divisor.
type Mod struct {
	Path               value.Path
	Divisor, Remainder int64
}

// ElemMatch is satisfied by an array with an element that is a document (or array) and satisfies Filter.
type ElemMatch struct {
	Path   value.Path
	Filter Node
}

// ElemMatchValue is satisfied by an array with an element that satisfies Cond, whose nodes have empty paths.
type ElemMatchValue struct {
	Path value.Path
	Cond Node
}

// Geo is a geographic condition.
type Geo struct {
	Path value.Path
	// Op is the operator's name: $geoWithin, $geoIntersects, $near or $nearSphere.
	Op       string
	Geometry Geometry
}

// Text is the $text condition.
type Text struct{ Search TextSearch }

func (n *Text) eval(_ *state, v bson.RawValue) (bool, error) {
	return n.Search.Matches(v.Value)
}

// Expr is an aggregation expression as a condition on the whole document.
type Expr struct {
	// Arg is the operand of $expr, for a planner.
	Arg  bson.RawValue
	pred func(doc bson.Raw) (bool, error)
}

func (n *Expr) eval(_ *state, v bson.RawValue) (bool, error) { return n.pred(v.Value) }

// Schema is a $jsonSchema condition on the whole document.
type Schema struct {
	pred func(doc bson.Raw) (bool, error)
}

func (n *Schema) eval(_ *state, v bson.RawValue) (bool, error) { return n.pred(v.Value) }

// Sample is $sampleRate: satisfied by chance.
type Sample struct {
	Rate float64
	rand func() float64
}

func (n *Sample) eval(*state, bson.RawValue) (bool, error) { return n.rand() < n.Rate, nil }

// PathOf returns the path of a condition on one field, nil for others and for conditions on a value.
func PathOf(n Node) value.Path {
	switch n := n.(type) {
	case *Compare:
		return n.Path
	case *In:
		return n.Path
	case *Regex:
		return n.Path
	case *Exists:
		return n.Path
	case *Type:
		return n.Path
	case *Size:
		return n.Path
	case *Mod:
		return n.Path
	case *ElemMatch:
		return n.Path
	case *ElemMatchValue:
		return n.Path
	case *Geo:
		return n.Path
	case *Bits:
		return n.Path
	}
	return nil
}
