package accum

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// MaxHeld bounds the bytes that one accumulator of one group may hold ($push, $addToSet, …); beyond it the error is
// 146 ExceededMemoryLimit.
const MaxHeld = 100 << 20

// Accumulator gathers the values of one group.
type Accumulator interface {
	// Add takes in the document that env was reset to.
	Add(env *expr.Env) error
	// Value is the result so far. It may point into the accumulator, and is valid until the next Add.
	Value(env *expr.Env) (bson.RawValue, error)
	// Held is about how many bytes the accumulator keeps.
	Held() int
}

// Merger is an accumulator whose documents may be shared out.
type Merger interface {
	Accumulator
	// Merge takes in what an accumulator of the same Spec and group has gathered, from documents that come after all of its own.
	// The other one is not used again.
	Merge(later Accumulator) error
}

// Spec is a compiled accumulator.
type Spec struct {
	// Name is the operator: "$sum".
	Name string
	make func(group bson.RawValue) (Accumulator, error)
	deps []expr.Expr
	// merges says that the accumulators are Mergers, holds that they keep values of documents.
	merges, holds bool
}

// Holds reports whether Held of the accumulators is ever more than 0.
func (s *Spec) Holds() bool { return s.holds }

// Merges reports whether the accumulators are Mergers.
func (s *Spec) Merges() bool { return s.merges }

// New makes an accumulator for a group; group is the group's _id, which the n of $firstN and its kin may refer to.
func (s *Spec) New(group bson.RawValue) (Accumulator, error) { return s.make(group) }

// Deps adds what the accumulator reads of documents.
func (s *Spec) Deps(d *expr.Deps) {
	for _, e := range s.deps {
		e.Deps(d)
	}
}

// Operator describes an accumulator to readers of the documentation.
type Operator struct{ Name, Help string }

type definition struct {
	name, help string
	compile    func(c *compiler, name string, arg bson.RawValue) (*Spec, error)
}

type compiler struct{ scope *expr.Scope }

func table() []definition {
	return []definition{
		{"$sum", "sum of the numbers", simple(newSum)},
		{"$avg", "average of the numbers", simple(newAvg)},
		{"$count", "number of documents", compileCount},
		{"$min", "least value", compileExtreme},
		{"$max", "greatest value", compileExtreme},
		{"$first", "value of the first document", simple(newFirst)},
		{"$last", "value of the last document", simple(newLast)},
		{"$push", "array of the values", simple(newPush)},
		{"$addToSet", "array of the distinct values", compileAddToSet},
		{"$mergeObjects", "one document of the members of all", simple(newMerge)},
		{"$stdDevPop", "standard deviation as a population", simple(newDeviation(false))},
		{"$stdDevSamp", "standard deviation as a sample", simple(newDeviation(true))},
		{"$concatArrays", "the values, arrays, one after another", simple(newConcatArrays)},
		{"$setUnion", "the distinct elements of the values, arrays", compileSetUnion},
		{"$firstN", "values of the first n documents", compileN},
		{"$lastN", "values of the last n documents", compileN},
		{"$minN", "n least values", compileN},
		{"$maxN", "n greatest values", compileN},
		{"$top", "value of the document that sorts first", compileTop},
		{"$topN", "values of the n documents that sort first", compileTop},
		{"$bottom", "value of the document that sorts last", compileTop},
		{"$bottomN", "values of the n documents that sort last", compileTop},
		{"$median", "middle of the numbers", compilePercentile},
		{"$percentile", "percentiles of the numbers", compilePercentile},
		{"$accumulator", "refused: this server runs no JavaScript in accumulators", refused},
	}
}

func refused(_ *compiler, name string, _ bson.RawValue) (*Spec, error) {
	return nil, mongoerr.New(mongoerr.NotImplemented, "%s is not supported: this server runs no JavaScript in accumulators", name)
}

// Operators lists the accumulators by name.
func Operators() []Operator {
	var out []Operator
	for _, d := range table() {
		out = append(out, Operator{d.name, d.help})
	}
	slices.SortFunc(out, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Is reports whether name ("$sum") is an accumulator.
func Is(name string) bool {
	for _, d := range table() {
		if d.name == name {
			return true
		}
	}
	return false
}

// Compile compiles {name: arg} for $group and its kin.
func Compile(name string, arg bson.RawValue, scope *expr.Scope) (*Spec, error) {
	for _, d := range table() {
		if d.name == name {
			s, err := d.compile(&compiler{scope}, name, arg)
			if err != nil {
				return nil, err
			}
			s.Name = name
			s.holds = name != "$sum" && name != "$avg" && name != "$count"
			return s, nil
		}
	}
	return nil, mongoerr.New(15952, "unknown group operator '%s'", name)
}

// simple compiles an accumulator with one operand.
func simple(make func(e expr.Expr) Accumulator) func(*compiler, string, bson.RawValue) (*Spec, error) {
	return func(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
		e, err := c.operand(name, arg)
		if err != nil {
			return nil, err
		}
		_, merges := make(e).(Merger)
		return &Spec{deps: []expr.Expr{e}, merges: merges, make: func(bson.RawValue) (Accumulator, error) { return make(e), nil }}, nil
	}
}

func (c *compiler) operand(name string, arg bson.RawValue) (expr.Expr, error) {
	if arg.Type == bson.TypeArray {
		n, last := 0, bson.RawValue{}
		for it := expr.Each(arg.Value); ; n++ {
			_, v, ok := it.Next()
			if !ok {
				break
			}
			last = v
		}
		if n != 1 {
			return nil, mongoerr.New(40237, "The %s accumulator is a unary operator", name)
		}
		arg = last
	}
	return expr.Compile(arg, c.scope)
}

func compileCount(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	it := expr.Each(arg.Value)
	if _, _, some := it.Next(); arg.Type != bson.TypeEmbeddedDocument || some {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
	}
	return &Spec{merges: true, make: func(bson.RawValue) (Accumulator, error) { return &counter{}, nil }}, nil
}
