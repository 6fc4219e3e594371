// Package match compiles query filters and runs them on raw documents (mongo-engine.md §2.1, §3.1, §3.3).
//
// A compiled filter is a tree of exported nodes, so that a planner can read conditions, paths and operands from it. Documents are
// never decoded, and simple filters do not allocate.
package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxDepth is the deepest nesting of operators in a filter; a deeper one is refused with BadValue.
const MaxDepth = 100

// Options are what a filter needs from its surroundings. The zero value will do for filters without $expr and the like.
type Options struct {
	// Collation compares strings in all operators but $regex; nil compares bytes.
	Collation value.StringComparer
	// Expr compiles the argument of $expr to a predicate. Without it $expr is refused.
	Expr func(expr bson.RawValue) (func(doc bson.Raw) (bool, error), error)
	// JSONSchema compiles the argument of $jsonSchema; nil takes jsonschema.Predicate.
	JSONSchema func(schema bson.Raw) (func(doc bson.Raw) (bool, error), error)
	// Geo compiles $geoWithin, $geoIntersects, $near and $nearSphere for one field. nil refuses them.
	Geo func(op string, args bson.RawValue, siblings bson.Raw) (Geometry, error)
	// Near allows $near and $nearSphere, which order the documents and not only select them.
	Near bool
	// Rand returns a random number in [0, 1) for $sampleRate. nil refuses it.
	Rand func() float64
	// Text allows $text, which the engine runs with its index: the compiled node matches what TextScore says. nil refuses it.
	Text func(args bson.Raw) (TextSearch, error)
}

// Geometry is a compiled geographic condition on one value.
type Geometry interface {
	// Matches reports whether a stored value satisfies the condition.
	Matches(v bson.RawValue) bool
}

// TextSearch is a compiled $text condition.
type TextSearch interface {
	// Matches reports whether a document satisfies the condition.
	Matches(doc bson.Raw) (bool, error)
}

// Matcher is a compiled filter. It is safe for concurrent use.
type Matcher struct {
	root Node
	pass lazyPass
}

// Compile compiles a filter. It copies the filter, whose bytes may be reused afterwards. Errors carry MongoDB's codes and texts.
func Compile(filter bson.Raw, opts Options) (*Matcher, error) {
	own := append(bson.Raw(nil), filter...)
	c := compiler{opts: opts}
	root, err := c.filter(own, 0, true)
	if err != nil {
		return nil, err
	}
	return &Matcher{root: root}, nil
}

// CompileValue compiles conditions on a single value instead of a document: the operators of a field ({$gt: 1, $lt: 5}) or a
// filter on the fields of a document, as $pull and $elemMatch take them. Any other value is an equality.
func CompileValue(cond bson.RawValue, opts Options) (*Matcher, error) {
	own := value.Clone(cond)
	c := compiler{opts: opts}
	var root Node
	var err error
	switch {
	case own.Type == bson.TypeEmbeddedDocument && isOperators(own.Value):
		root, err = c.operators(nil, own.Value, 0)
	case own.Type == bson.TypeEmbeddedDocument:
		root, err = c.filter(own.Value, 0, false)
		root = &onDocuments{root}
	default:
		root, err = c.equality(nil, own)
	}
	if err != nil {
		return nil, err
	}
	return &Matcher{root: root}, nil
}

// Match reports whether the document satisfies the filter.
func (m *Matcher) Match(doc bson.Raw) (bool, error) {
	if p := m.pass.of(m.root); p != nil {
		return p.eval(doc)
	}
	return m.root.eval(nil, value.Doc(doc))
}

// MatchValue reports whether a single value satisfies a filter made by CompileValue.
func (m *Matcher) MatchValue(v bson.RawValue) (bool, error) {
	return m.root.eval(nil, v)
}

// MatchPosition is Match and also returns the index of the array element that satisfied the last condition on an array, which the
// positional operator $ stands for; -1 when no condition fixed one. Conditions under $or, $nor and $not fix none.
func (m *Matcher) MatchPosition(doc bson.Raw) (ok bool, index int, err error) {
	s := state{index: -1}
	ok, err = m.root.eval(&s, value.Doc(doc))
	return ok, s.index, err
}

// Root returns the tree.
func (m *Matcher) Root() Node { return m.root }

// Always reports whether the filter is empty.
func (m *Matcher) Always() bool {
	and, ok := m.root.(*And)
	return ok && len(and.Children) == 0
}

// state is what a match records besides its result; nil when nobody asks.
type state struct {
	index int
}

func (s *state) record(index int) {
	if s != nil && index >= 0 {
		s.index = index
	}
}

func bad(format string, args ...any) error { return mongoerr.New(mongoerr.BadValue, format, args...) }
