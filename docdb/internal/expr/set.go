package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func setOperators() []operator {
	collated := func(f func(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error)) func(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
		return func(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
			coll := c.scope.opts.Collation
			return func(env *Env, a []bson.RawValue) (bson.RawValue, error) { return f(env, a, coll) }
		}
	}
	return []operator{
		{name: "$setEquals", compile: compileSetEquals, help: "whether arrays have the same distinct elements"},
		{name: "$setIntersection", max: -1, make: collated(setIntersection), help: "distinct elements that every array has"},
		{name: "$setUnion", max: -1, make: collated(setUnion), help: "distinct elements that any array has"},
		{name: "$setDifference", min: 2, max: 2, make: collated(setDifference), help: "distinct elements of the first array that the second has not"},
		{name: "$setIsSubset", min: 2, max: 2, make: collated(setIsSubset), help: "whether the second array has every element of the first"},
		{name: "$allElementsTrue", min: 1, max: 1, eval: quantifier("$allElementsTrue", 17040, false), help: "whether no element of an array is false, null, 0 or missing"},
		{name: "$anyElementTrue", min: 1, max: 1, eval: quantifier("$anyElementTrue", 17041, true), help: "whether an element of an array counts as true"},
	}
}

// Set is a set of values, equal as the collation has it.
type Set struct {
	coll  value.StringComparer
	keys  map[string]struct{}
	buf   []byte
	bytes int
}

// NewSet returns an empty set.
func NewSet(coll value.StringComparer) *Set {
	return &Set{coll: coll, keys: map[string]struct{}{}}
}

// Add adds v and reports whether it was new.
func (s *Set) Add(v bson.RawValue) bool {
	s.buf = value.AppendKeyWith(s.buf[:0], v, s.coll)
	if _, ok := s.keys[string(s.buf)]; ok {
		return false
	}
	s.keys[string(s.buf)] = struct{}{}
	s.bytes += len(s.buf)
	return true
}

// Has reports whether v is in the set.
func (s *Set) Has(v bson.RawValue) bool {
	s.buf = value.AppendKeyWith(s.buf[:0], v, s.coll)
	_, ok := s.keys[string(s.buf)]
	return ok
}

// Len returns the number of elements.
func (s *Set) Len() int { return len(s.keys) }

// setOf makes a set of an array's elements.
func setOf(arr bson.RawValue, coll value.StringComparer) *Set {
	s := NewSet(coll)
	for it := Each(arr.Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return s
		}
		s.Add(v)
	}
}

func compileSetEquals(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	es, err := c.arguments(arg)
	if err != nil {
		return nil, err
	}
	if len(es) < 2 {
		return nil, mongoerr.New(17045, "$setEquals needs at least two arguments had: %d", len(es))
	}
	for _, e := range es {
		if v, ok := Constant(e); ok && v.Type != bson.TypeArray {
			return nil, mongoerr.New(5887502, "All operands of $setEquals must be arrays. One argument is of type: %s", typeName(v))
		}
	}
	coll := c.scope.opts.Collation
	return strictOf(func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		var first *Set
		equal := true
		for _, v := range a {
			if v.Type != bson.TypeArray {
				return Null, mongoerr.New(17044, "All operands of $setEquals must be arrays. One argument is of type: %s", typeName(v))
			}
			s := setOf(v, coll)
			if first == nil {
				first = s
				continue
			}
			if s.Len() != first.Len() {
				equal = false
				continue
			}
			for k := range s.keys {
				if _, ok := first.keys[k]; !ok {
					equal = false
					break
				}
			}
		}
		return Bool(equal), nil
	}, es), nil
}

// sorted builds an array of the values on the stack from base, in canonical order.
func sorted(env *Env, base int, coll value.StringComparer) (bson.RawValue, error) {
	vs := env.stack[base:]
	slices.SortStableFunc(vs, func(a, b bson.RawValue) int { return Compare(a, b, coll) })
	return env.Array(vs)
}

func setIntersection(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for i, v := range a {
		if Nullish(v) {
			return Null, nil
		}
		if v.Type != bson.TypeArray {
			return Null, mongoerr.New(17047, "All operands of $setIntersection must be arrays. One argument is of type: %s", typeName(v))
		}
		if i == 0 {
			seen := NewSet(coll)
			for it := Each(v.Value); ; {
				_, el, ok := it.Next()
				if !ok {
					break
				}
				if seen.Add(el) {
					env.stack = append(env.stack, el)
				}
			}
		} else {
			other := setOf(v, coll)
			env.stack = env.stack[:base+len(slices.DeleteFunc(env.stack[base:], func(el bson.RawValue) bool { return !other.Has(el) }))]
		}
		if len(env.stack) == base {
			break // nothing can come to it, and MongoDB looks no further
		}
	}
	return sorted(env, base, coll)
}

func setUnion(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	seen := NewSet(coll)
	for _, arr := range a {
		if Nullish(arr) {
			return Null, nil
		}
		if arr.Type != bson.TypeArray {
			return Null, mongoerr.New(17043, "All operands of $setUnion must be arrays. One argument is of type: %s", typeName(arr))
		}
		for it := Each(arr.Value); ; {
			_, v, ok := it.Next()
			if !ok {
				break
			}
			if seen.Add(v) {
				env.stack = append(env.stack, v)
			}
		}
	}
	return sorted(env, base, coll)
}

func setDifference(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(17048, "both operands of $setDifference must be arrays. First argument is of type: %s", typeName(a[0]))
	}
	if a[1].Type != bson.TypeArray {
		return Null, mongoerr.New(17049, "both operands of $setDifference must be arrays. Second argument is of type: %s", typeName(a[1]))
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	out := setOf(a[1], coll)
	for it := Each(a[0].Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return env.Array(env.stack[base:])
		}
		if out.Add(v) {
			env.stack = append(env.stack, v)
		}
	}
}

func setIsSubset(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(17046, "both operands of $setIsSubset must be arrays. First argument is of type: %s", typeName(a[0]))
	}
	if a[1].Type != bson.TypeArray {
		return Null, mongoerr.New(17042, "both operands of $setIsSubset must be arrays. Second argument is of type: %s", typeName(a[1]))
	}
	s := setOf(a[1], coll)
	for it := Each(a[0].Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return Bool(true), nil
		}
		if !s.Has(v) {
			return Bool(false), nil
		}
	}
}

func quantifier(op string, code mongoerr.Code, want bool) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
		if a[0].Type != bson.TypeArray {
			return Null, mongoerr.New(code, "%s's argument must be an array, but is %s", op, typeName(a[0]))
		}
		for it := Each(a[0].Value); ; {
			_, v, ok := it.Next()
			if !ok {
				return Bool(!want), nil
			}
			if Truthy(v) == want {
				return Bool(want), nil
			}
		}
	}
}
