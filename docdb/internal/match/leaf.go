package match

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// tester decides a condition on one value; arrays have been opened by then.
type tester interface {
	test(v bson.RawValue) (bool, error)
}

// fieldNode is a condition on a field of the document, whose evaluation can start at the value of the path's first part.
type fieldNode interface {
	Node
	// first returns the path's first part; ok is false for a condition on a value.
	first() (name string, ok bool)
	// evalField decides the condition for a document whose member first() has the value f.
	evalField(s *state, f bson.RawValue) (bool, error)
}

// walk tests the values that path names in v, arrays opened as leaf says, until one passes.
func walk(s *state, v bson.RawValue, path value.Path, leaf value.Leaf, t tester) (bool, error) {
	if len(path) == 0 {
		return t.test(v)
	}
	return walkField(s, value.Lookup(v.Value, path[0]), path, leaf, t)
}

// walkField is walk with the value of the first part at hand.
func walkField(s *state, f bson.RawValue, path value.Path, leaf value.Leaf, t tester) (bool, error) {
	if len(path) == 1 {
		// The most frequent filters name a plain field with a plain value: no closure for them.
		if f.Type != bson.TypeArray || leaf == value.Whole {
			return t.test(f)
		}
		it := value.Over(f.Value)
		for i := 0; it.Next(); i++ {
			ok, err := t.test(it.Value())
			if err != nil {
				return false, err
			}
			if ok {
				s.record(i)
				return true, nil
			}
		}
		if leaf == value.ElementsAndWhole {
			return t.test(f)
		}
		return false, nil
	}
	var failure error
	found := value.EachFrom(f, path[1:], leaf, func(f bson.RawValue, index int) bool {
		ok, err := t.test(f)
		if err != nil {
			failure = err
			return true
		}
		if ok {
			s.record(index)
		}
		return ok
	})
	if failure != nil {
		return false, failure
	}
	return found, nil
}

func firstOf(path value.Path) (string, bool) {
	if len(path) == 0 {
		return "", false
	}
	return path[0], true
}

func (n *Compare) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

// quick decides the condition for a value of the same type as the operand, if that takes no more than comparing words or bytes.
func (n *Compare) quick(v []byte) (holds, decided bool) {
	switch n.quickly {
	case byDouble:
		if len(v) == 8 {
			f := math.Float64frombits(binary.LittleEndian.Uint64(v))
			return n.holds(order(f, n.double)), f == f
		}
	case byInt32:
		if len(v) == 4 {
			return n.holds(order(int64(int32(binary.LittleEndian.Uint32(v))), n.int)), true
		}
	case byInt64:
		if len(v) == 8 {
			return n.holds(order(int64(binary.LittleEndian.Uint64(v)), n.int)), true
		}
	case byBytes:
		return n.holds(bytes.Compare(v, n.Value.Value)), true
	case byText:
		if len(v) >= 5 {
			return n.holds(bytes.Compare(v[4:len(v)-1], n.Value.Value[4:len(n.Value.Value)-1])), true
		}
	}
	return false, false
}

// order compares numbers, none of them NaN.
func order[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (n *Compare) test(v bson.RawValue) (bool, error) {
	if v.Type == n.Value.Type {
		if ok, decided := n.quick(v.Value); decided {
			return ok, nil
		}
	}
	if v.Type == bson.TypeInt32 && len(v.Value) == 4 {
		i := int32(binary.LittleEndian.Uint32(v.Value))
		switch {
		case n.quickly == byDouble:
			return n.holds(order(float64(i), n.double)), nil
		case n.quickly == byInt64 && n.Value.Type == bson.TypeInt64:
			return n.holds(order(int64(i), n.int)), nil
		}
	}
	if !value.SameBracket(v.Type, n.Value.Type) {
		switch n.Value.Type {
		case bson.TypeNull:
			// null takes a missing value for itself.
			return v.Type == 0 && n.Op != Lt && n.Op != Gt, nil
		case bson.TypeMinKey, bson.TypeMaxKey:
			return n.holds(value.Compare(v, n.Value)), nil
		}
		return false, nil
	}
	if n.nan || value.IsNaN(v) {
		return n.nan && value.IsNaN(v) && n.Op != Lt && n.Op != Gt, nil
	}
	return n.holds(value.CompareWith(v, n.Value, n.Collation)), nil
}

// holds reports whether a comparison's outcome satisfies the operator.
func (n *Compare) holds(c int) bool {
	switch n.Op {
	case Eq:
		return c == 0
	case Lt:
		return c < 0
	case Lte:
		return c <= 0
	case Gt:
		return c > 0
	}
	return c >= 0
}

func (n *In) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *In) test(v bson.RawValue) (bool, error) {
	if v.Type == 0 {
		return n.null, nil
	}
	if _, found := slices.BinarySearchFunc(n.Values, v, func(a, b bson.RawValue) int {
		return value.CompareWith(a, b, n.Collation)
	}); found {
		return true, nil
	}
	for _, re := range n.Regexes {
		if ok, err := testRegex(re, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n *Regex) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *Regex) test(v bson.RawValue) (bool, error) { return testRegex(n.Re, v) }

func (n *Exists) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *Exists) test(v bson.RawValue) (bool, error) { return v.Type != 0, nil }

func (n *Type) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *Type) test(v bson.RawValue) (bool, error) { return v.Type != 0 && n.Types.Has(v.Type), nil }

func (n *Size) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.Whole, n)
}

func (n *Size) test(v bson.RawValue) (bool, error) {
	return v.Type == bson.TypeArray && int64(value.Count(v.Value)) == n.N, nil
}

func (n *Mod) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.ElementsAndWhole, n)
}

func (n *Mod) test(v bson.RawValue) (bool, error) {
	i, ok := modOperand(v)
	return ok && i%n.Divisor == n.Remainder, nil
}

func (n *Geo) eval(s *state, v bson.RawValue) (bool, error) {
	return walk(s, v, n.Path, value.Whole, n)
}

func (n *Geo) test(v bson.RawValue) (bool, error) { return n.Geometry.Matches(v), nil }

func (n *ElemMatch) eval(s *state, v bson.RawValue) (bool, error) {
	return elemMatch(s, v, n.Path, n.Filter, true)
}

func (n *ElemMatchValue) eval(s *state, v bson.RawValue) (bool, error) {
	return elemMatch(s, v, n.Path, n.Cond, false)
}

// elemMatch looks for an array at path with an element that satisfies cond. Object conditions see an inner array as a document
// whose names are its indexes.
func elemMatch(s *state, v bson.RawValue, path value.Path, cond Node, objects bool) (bool, error) {
	if len(path) == 0 {
		ok, _, err := elementOf(v, cond, objects)
		return ok, err
	}
	var failure error
	found := value.Each(v.Value, path, value.Whole, func(f bson.RawValue, index int) bool {
		ok, i, err := elementOf(f, cond, objects)
		if err != nil {
			failure = err
			return true
		}
		if ok {
			if index < 0 {
				index = i
			}
			s.record(index)
		}
		return ok
	})
	if failure != nil {
		return false, failure
	}
	return found, nil
}

func elementOf(arr bson.RawValue, cond Node, objects bool) (bool, int, error) {
	if arr.Type != bson.TypeArray {
		return false, 0, nil
	}
	it := value.Over(arr.Value)
	for i := 0; it.Next(); i++ {
		e := it.Value()
		if objects && e.Type != bson.TypeEmbeddedDocument && e.Type != bson.TypeArray {
			continue
		}
		if ok, err := cond.eval(nil, e); ok || err != nil {
			return ok, i, err
		}
	}
	return false, 0, nil
}
