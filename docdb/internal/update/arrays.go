package update

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// pushOp is $push: insert, sort, cut, in this order.
type pushOp struct {
	values   []rawValue
	position *int64 // where to insert; nil appends
	slice    *int64
	whole    int // sort elements as wholes: 1 or -1
	keys     []sortKey
}

type sortKey struct {
	path value.Path
	sign int
}

func compilePush(c *compiler, path string, arg rawValue) error {
	op := &pushOp{values: []rawValue{arg}}
	if arg.Type == bson.TypeEmbeddedDocument {
		if each := value.Lookup(arg.Value, "$each"); each.Type != 0 {
			if err := op.modifiers(arg.Value); err != nil {
				return err
			}
		}
	}
	return c.add(path, op)
}

func (o *pushOp) modifiers(doc []byte) error {
	it := value.Over(doc)
	for it.Next() {
		v := it.Value()
		switch it.Key() {
		case "$each":
			if v.Type != bson.TypeArray {
				return mongoerr.New(mongoerr.BadValue, "The argument to $each in $push must be an array but it was of type: %s", value.TypeName(v.Type))
			}
			o.values = value.Elements(v.Value)
		case "$slice":
			n, exact := value.Integer(v)
			if !exact {
				return mongoerr.New(mongoerr.BadValue, "The value for $slice must be an integer value but was given type: %s", value.TypeName(v.Type))
			}
			o.slice = &n
		case "$position":
			n, exact := value.Integer(v)
			if !exact {
				return mongoerr.New(mongoerr.BadValue, "The value for $position must be an integer value, not of type: %s", value.TypeName(v.Type))
			}
			o.position = &n
		case "$sort":
			if err := o.sortBy(v); err != nil {
				return err
			}
		default:
			return mongoerr.New(mongoerr.BadValue, "Unrecognized clause in $push: %s", it.Key())
		}
	}
	return nil
}

func (o *pushOp) sortBy(v rawValue) error {
	if value.IsNumber(v) {
		n, exact := value.Integer(v)
		if !exact || n != 1 && n != -1 {
			return mongoerr.New(mongoerr.BadValue, "The $sort element value must be either 1 or -1")
		}
		o.whole = int(n)
		return nil
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(mongoerr.BadValue, "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields")
	}
	it := value.Over(v.Value)
	for it.Next() {
		n, exact := value.Integer(it.Value())
		if !exact || n != 1 && n != -1 {
			return mongoerr.New(mongoerr.BadValue, "The $sort element value must be either 1 or -1")
		}
		path := value.ParsePath(strings.Clone(it.Key()))
		if slices.Contains(path, "") {
			return mongoerr.New(mongoerr.BadValue, "The $sort field is a dotted field but has an empty part: %s", it.Key())
		}
		o.keys = append(o.keys, sortKey{path, int(n)})
	}
	if len(o.keys) == 0 {
		return mongoerr.New(mongoerr.BadValue, "The $sort pattern is empty when it should be a set of fields.")
	}
	return nil
}

func (o *pushOp) apply(r *run, old rawValue) (rawValue, error) {
	var elems []rawValue
	switch old.Type {
	case 0:
	case bson.TypeArray:
		if o.position == nil && o.slice == nil && o.whole == 0 && o.keys == nil {
			return appended(old, o.values), nil
		}
		elems = value.Elements(old.Value)
	default:
		return value.Missing, mongoerr.New(mongoerr.BadValue, "The field '%s' must be an array but is of type %s in document %s", r.at(), value.TypeName(old.Type), r.id())
	}
	at := int64(len(elems))
	if o.position != nil {
		at = min(*o.position, at)
		if at < 0 {
			at = max(int64(len(elems))+at, 0)
		}
	}
	elems = slices.Insert(elems, int(at), o.values...)
	o.sort(elems, r.collation)
	if o.slice != nil {
		n := *o.slice
		switch {
		case n >= 0 && n < int64(len(elems)):
			elems = elems[:n]
		case n < 0 && -n >= 0 && -n < int64(len(elems)):
			elems = elems[int64(len(elems))+n:]
		}
	}
	return value.ArrayOf(elems), nil
}

func (o *pushOp) sort(elems []rawValue, c value.StringComparer) {
	switch {
	case o.whole != 0:
		slices.SortStableFunc(elems, func(a, b rawValue) int { return o.whole * value.CompareWith(a, b, c) })
	case o.keys != nil:
		slices.SortStableFunc(elems, func(a, b rawValue) int {
			for _, k := range o.keys {
				if d := k.sign * value.CompareWith(sortValue(a, k.path), sortValue(b, k.path), c); d != 0 {
					return d
				}
			}
			return 0
		})
	}
}

// sortValue returns what an element sorts by; missing counts as null.
func sortValue(v rawValue, path value.Path) rawValue {
	if v.Type == bson.TypeEmbeddedDocument {
		if f := value.GetIndexed(v, path); f.Type != 0 {
			return f
		}
	}
	return value.Null
}

func (o *pushOp) creates(*run) bool { return true }

// appended returns an array with further elements, copying its bytes as they are.
func appended(arr rawValue, values []rawValue) rawValue {
	if len(values) == 0 {
		return arr
	}
	n := value.Count(arr.Value)
	dst := make([]byte, 0, len(arr.Value)+64)
	dst = append(dst, arr.Value[:len(arr.Value)-1]...)
	for i, v := range values {
		dst = value.AppendIndexed(dst, n+i, v)
	}
	return value.Array(value.End(dst, 0))
}

// addToSetOp appends the values that an array does not have yet.
type addToSetOp struct{ values []rawValue }

func compileAddToSet(c *compiler, path string, arg rawValue) error {
	op := &addToSetOp{values: []rawValue{arg}}
	if arg.Type == bson.TypeEmbeddedDocument {
		it := value.Over(arg.Value)
		if it.Next() && it.Key() == "$each" {
			if it.Value().Type != bson.TypeArray {
				return mongoerr.New(mongoerr.TypeMismatch, "The argument to $each in $addToSet must be an array but it was of type %s", value.TypeName(it.Value().Type))
			}
			op.values = value.Elements(it.Value().Value)
			if it.Next() {
				return mongoerr.New(mongoerr.BadValue, "Found unexpected fields after $each in $addToSet: %s", value.Show(arg))
			}
		}
	}
	// Equal values among the arguments are added once.
	seen := map[string]bool{}
	op.values = slices.DeleteFunc(slices.Clone(op.values), func(v rawValue) bool {
		k := string(value.AppendKeyWith(nil, v, c.opts.Match.Collation))
		was := seen[k]
		seen[k] = true
		return was
	})
	return c.add(path, op)
}

func (o *addToSetOp) apply(r *run, old rawValue) (rawValue, error) {
	switch old.Type {
	case 0:
		return value.ArrayOf(o.values), nil
	case bson.TypeArray:
	default:
		return value.Missing, mongoerr.New(mongoerr.BadValue, "Cannot apply $addToSet to non-array field. Field named '%s' has non-array type %s", r.path[len(r.path)-1], value.TypeName(old.Type))
	}
	var add []rawValue
	if len(o.values) <= 8 {
		for _, v := range o.values {
			if !contains(old.Value, v, r.collation) {
				add = append(add, v)
			}
		}
		return appended(old, add), nil
	}
	have := map[string]bool{}
	it := value.Over(old.Value)
	for it.Next() {
		have[string(value.AppendKeyWith(nil, it.Value(), r.collation))] = true
	}
	for _, v := range o.values {
		if !have[string(value.AppendKeyWith(nil, v, r.collation))] {
			add = append(add, v)
		}
	}
	return appended(old, add), nil
}

func contains(arr []byte, v rawValue, c value.StringComparer) bool {
	it := value.Over(arr)
	for it.Next() {
		if value.EqualWith(it.Value(), v, c) {
			return true
		}
	}
	return false
}

func (o *addToSetOp) creates(*run) bool { return true }

// popOp removes the last element, or the first.
type popOp struct{ first bool }

func compilePop(c *compiler, path string, arg rawValue) error {
	if !value.IsNumber(arg) {
		return mongoerr.New(mongoerr.FailedToParse, "Expected a number in: %s: %s", path, value.Show(arg))
	}
	n, exact := value.Integer(arg)
	if !exact || n != 1 && n != -1 {
		return mongoerr.New(mongoerr.FailedToParse, "$pop expects 1 or -1, found: %s", value.Show(arg))
	}
	return c.add(path, popOp{n == -1})
}

func (o popOp) apply(r *run, old rawValue) (rawValue, error) {
	switch old.Type {
	case 0:
		return old, nil
	case bson.TypeArray:
	default:
		return value.Missing, mongoerr.New(mongoerr.TypeMismatch, "Path '%s' contains an element of non-array type '%s'", r.at(), value.TypeName(old.Type))
	}
	elems := value.Elements(old.Value)
	if len(elems) == 0 {
		return old, nil
	}
	if o.first {
		return value.ArrayOf(elems[1:]), nil
	}
	return value.ArrayOf(elems[:len(elems)-1]), nil
}

func (popOp) creates(*run) bool { return false }

// pullOp removes the elements that its test picks.
type pullOp struct {
	test func(r *run, v rawValue) (bool, error)
}

// compilePull reads the condition: operators and regular expressions test an element as a field's value, a document tests the
// fields of elements that are documents, anything else is equality.
func compilePull(c *compiler, path string, arg rawValue) error {
	switch {
	case arg.Type == bson.TypeRegex || arg.Type == bson.TypeEmbeddedDocument && match.IsFieldCondition(arg.Value):
		m, err := match.Compile(value.DocOf(value.Field{Name: "", Value: arg}), c.opts.Match)
		if err != nil {
			return err
		}
		return c.add(path, &pullOp{func(_ *run, v rawValue) (bool, error) {
			return m.Match(value.DocOf(value.Field{Name: "", Value: v}))
		}})
	case arg.Type == bson.TypeEmbeddedDocument:
		m, err := match.Compile(arg.Value, c.opts.Match)
		if err != nil {
			return err
		}
		return c.add(path, &pullOp{func(_ *run, v rawValue) (bool, error) {
			if v.Type != bson.TypeEmbeddedDocument {
				return false, nil
			}
			return m.Match(v.Value)
		}})
	}
	return c.add(path, &pullOp{func(r *run, v rawValue) (bool, error) {
		return value.EqualWith(v, arg, r.collation), nil
	}})
}

func compilePullAll(c *compiler, path string, arg rawValue) error {
	if arg.Type != bson.TypeArray {
		return mongoerr.New(mongoerr.BadValue, "$pullAll requires an array argument but was given a %s", value.TypeName(arg.Type))
	}
	drop := map[string]bool{}
	it := value.Over(arg.Value)
	for it.Next() {
		drop[string(value.AppendKeyWith(nil, it.Value(), c.opts.Match.Collation))] = true
	}
	return c.add(path, &pullOp{func(r *run, v rawValue) (bool, error) {
		return drop[string(value.AppendKeyWith(nil, v, r.collation))], nil
	}})
}

func (o *pullOp) apply(r *run, old rawValue) (rawValue, error) {
	switch old.Type {
	case 0:
		return old, nil
	case bson.TypeArray:
	default:
		return value.Missing, mongoerr.New(mongoerr.BadValue, "Cannot apply $pull to a non-array value")
	}
	var keep []rawValue
	pulled := false
	it := value.Over(old.Value)
	for it.Next() {
		drop, err := o.test(r, it.Value())
		if err != nil {
			return value.Missing, err
		}
		if drop {
			pulled = true
		} else {
			keep = append(keep, it.Value())
		}
	}
	if !pulled {
		return old, nil
	}
	return value.ArrayOf(keep), nil
}

func (o *pullOp) creates(*run) bool { return false }
