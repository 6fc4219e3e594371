package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// each is the loop of $map and $filter: an array, a variable for its element, a body.
type each struct {
	op    string
	input Expr
	slot  int
	body  Expr
	limit Expr // $filter only
}

// Deps implements Expr.
func (x *each) Deps(d *Deps) {
	x.input.Deps(d)
	x.body.Deps(d)
	if x.limit != nil {
		x.limit.Deps(d)
	}
}

// loopVariable checks and defines the name of the element ("this" unless given).
func (c *compiler) loopVariable(as bson.RawValue) (*Scope, int, error) {
	name := "this"
	if !Missing(as) {
		if as.Type != bson.TypeString {
			return nil, 0, mongoerr.New(mongoerr.FailedToParse, "the name of a variable must be a string, found: %s", typeName(as))
		}
		name = string(stringBytes(as))
		if err := ValidVariable(name); err != nil {
			return nil, 0, err
		}
	}
	s, slot := c.scope.Define(name)
	return s, slot, nil
}

func compileMap(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(16878, "$map only supports an object as its argument"), func(f string) error {
		return mongoerr.New(16879, "Unrecognized parameter to $map: %s", f)
	}, "input", "as", "in")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(16880, "Missing 'input' parameter to $map")
	}
	if Missing(vs[2]) {
		return nil, mongoerr.New(16882, "Missing 'in' parameter to $map")
	}
	return c.loop("$map", vs[0], vs[1], vs[2], bson.RawValue{})
}

func compileFilter(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(28646, "$filter only supports an object as its argument"), func(f string) error {
		return mongoerr.New(28647, "Unrecognized parameter to $filter: %s", f)
	}, "input", "as", "cond", "limit")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(28648, "Missing 'input' parameter to $filter")
	}
	if Missing(vs[2]) {
		return nil, mongoerr.New(28650, "Missing 'cond' parameter to $filter")
	}
	return c.loop("$filter", vs[0], vs[1], vs[2], vs[3])
}

func (c *compiler) loop(op string, input, as, body, limit bson.RawValue) (Expr, error) {
	x := &each{op: op}
	var err error
	if x.input, err = c.operand(input); err != nil {
		return nil, err
	}
	if x.limit, err = c.optional(limit); err != nil {
		return nil, err
	}
	scope, slot, err := c.loopVariable(as)
	if err != nil {
		return nil, err
	}
	x.slot = slot
	if x.body, err = c.within(scope).operand(body); err != nil {
		return nil, err
	}
	return x, nil
}

// Eval implements Expr.
func (x *each) Eval(env *Env) (bson.RawValue, error) {
	in, err := x.input.Eval(env)
	if err != nil {
		return in, err
	}
	if Nullish(in) {
		return Null, nil
	}
	filter := x.op == "$filter"
	if in.Type != bson.TypeArray {
		if filter {
			return Null, mongoerr.New(28651, "input to $filter must be an array not %s", typeName(in))
		}
		return Null, mongoerr.New(16883, "input to $map must be an array not %s", typeName(in))
	}
	left := -1
	if x.limit != nil {
		l, err := x.limit.Eval(env)
		if err != nil {
			return l, err
		}
		if !Nullish(l) {
			n, ok := int32Of(l)
			if !ok {
				return Null, mongoerr.New(327391, "$filter: limit must be represented as a 32-bit integral value: %s", show(l))
			}
			if n <= 0 {
				return Null, mongoerr.New(327392, "$filter: limit must be greater than 0: %d", n)
			}
			left = n
		}
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for it := Each(in.Value); left != 0; {
		_, v, ok := it.Next()
		if !ok {
			break
		}
		if err := env.tick(); err != nil {
			return Null, err
		}
		env.Bind(x.slot, v)
		r, err := x.body.Eval(env)
		if err != nil {
			return r, err
		}
		switch {
		case !filter:
			env.stack = append(env.stack, r)
		case Truthy(r):
			env.stack = append(env.stack, v)
			left--
		}
	}
	return env.Array(env.stack[base:])
}

// reduce folds an array.
type reduce struct {
	input, initial, in Expr
	this, value        int
}

func compileReduce(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(40075, "$reduce requires an object as an argument, found: %s", typeName(arg)), func(f string) error {
		return mongoerr.New(40076, "$reduce found an unknown argument: %s", f)
	}, "input", "initialValue", "in")
	if err != nil {
		return nil, err
	}
	for i, f := range []string{"input", "initialValue", "in"} {
		if Missing(vs[i]) {
			return nil, mongoerr.New(mongoerr.Code(40077+i), "$reduce requires '%s' to be specified", f)
		}
	}
	r := &reduce{}
	if r.input, err = c.operand(vs[0]); err != nil {
		return nil, err
	}
	if r.initial, err = c.operand(vs[1]); err != nil {
		return nil, err
	}
	var scope *Scope
	scope, r.this = c.scope.Define("this")
	scope, r.value = scope.Define("value")
	if r.in, err = c.within(scope).operand(vs[2]); err != nil {
		return nil, err
	}
	return r, nil
}

// Eval implements Expr.
func (r *reduce) Eval(env *Env) (bson.RawValue, error) {
	in, err := r.input.Eval(env)
	if err != nil {
		return in, err
	}
	if Nullish(in) {
		return Null, nil
	}
	if in.Type != bson.TypeArray {
		return Null, mongoerr.New(40080, "$reduce requires that 'input' be an array, found: %s", show(in))
	}
	acc, err := r.initial.Eval(env)
	if err != nil {
		return acc, err
	}
	held := env.used
	n := 0
	for it := Each(in.Value); ; n++ {
		_, v, ok := it.Next()
		if !ok {
			return acc, nil
		}
		if err := env.tick(); err != nil {
			return Null, err
		}
		env.Bind(r.this, v)
		env.Bind(r.value, acc)
		if acc, err = r.in.Eval(env); err != nil {
			return acc, err
		}
		// What the turns before have built is garbage but for the value; and a value that nests deeper with each turn is no document.
		env.used = held + len(acc.Value)
		if n&0x3f == 0x3f && (acc.Type == bson.TypeEmbeddedDocument || acc.Type == bson.TypeArray) && value.Depth(acc.Value) > MaxDepth {
			return Null, mongoerr.New(mongoerr.Overflow, "$reduce built a value that nests deeper than %d levels", MaxDepth)
		}
	}
}

// Deps implements Expr.
func (r *reduce) Deps(d *Deps) {
	r.input.Deps(d)
	r.initial.Deps(d)
	r.in.Deps(d)
}

// Order is a sort specification over values: whole values, or members of documents by dotted path.
type Order struct {
	whole int // ±1 for whole values, 0 for keys
	keys  []orderKey
	coll  value.StringComparer
}

type orderKey struct {
	parts []string
	dir   int
}

// Compare orders two values.
func (o *Order) Compare(env *Env, a, b bson.RawValue) int {
	if o.whole != 0 {
		return o.whole * Compare(a, b, o.coll)
	}
	for i := range o.keys {
		k := &o.keys[i]
		x, y := k.of(env, a), k.of(env, b)
		if c := k.dir * Compare(x, y, o.coll); c != 0 {
			return c
		}
	}
	return 0
}

func (k *orderKey) of(env *Env, v bson.RawValue) bson.RawValue {
	if v.Type != bson.TypeEmbeddedDocument {
		return Null
	}
	r, err := descend(env, v.Value, k.parts)
	if err != nil || r.Type == 0 {
		return Null
	}
	return r
}

// ParseOrder reads the sortBy of $sortArray: ±1 or {path: ±1, …}.
func ParseOrder(v bson.RawValue, coll value.StringComparer) (*Order, error) {
	o := &Order{coll: coll}
	switch {
	case isNumber(v):
		i, ok := int32Of(v)
		if !ok || i != 1 && i != -1 {
			return nil, mongoerr.New(2942506, "The $sort element value must be either 1 or -1")
		}
		o.whole = i
	case v.Type == bson.TypeEmbeddedDocument:
		for it := Each(v.Value); ; {
			name, d, ok := it.Next()
			if !ok {
				break
			}
			parts, err := SplitPath(string(name))
			if err != nil {
				return nil, err
			}
			if !isNumber(d) {
				return nil, mongoerr.New(2942507, "Illegal key in $sort specification: %s: %s", name, show(d))
			}
			i, ok := int32Of(d)
			if !ok || i != 1 && i != -1 {
				return nil, mongoerr.New(mongoerr.BadValue, "The $sort element value must be either 1 or -1")
			}
			o.keys = append(o.keys, orderKey{parts, i})
		}
		if len(o.keys) == 0 {
			return nil, mongoerr.New(2942505, "$sortArray requires a non-empty sort specification")
		}
	default:
		return nil, mongoerr.New(2942507, "The $sortArray sortBy must be a number or an object, found: %s", typeName(v))
	}
	return o, nil
}

func compileSortArray(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(2942500, "$sortArray requires an object as an argument, found: %s", typeName(arg)), func(f string) error {
		return mongoerr.New(2942501, "$sortArray found an unknown argument: %s", f)
	}, "input", "sortBy")
	if err != nil {
		return nil, err
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(2942502, "$sortArray requires 'input' to be specified")
	}
	if Missing(vs[1]) {
		return nil, mongoerr.New(2942503, "$sortArray requires 'sortBy' to be specified")
	}
	order, err := ParseOrder(vs[1], c.scope.opts.Collation)
	if err != nil {
		return nil, err
	}
	in, err := c.operand(vs[0])
	if err != nil {
		return nil, err
	}
	return namedOf([]Expr{in}, func(env *Env, es []Expr) (bson.RawValue, error) {
		in, err := es[0].Eval(env)
		if err != nil {
			return in, err
		}
		if Nullish(in) {
			return Null, nil
		}
		if in.Type != bson.TypeArray {
			return Null, mongoerr.New(2942504, "The input argument to $sortArray must be an array, but was of type: %s", typeName(in))
		}
		base := len(env.stack)
		defer func() { env.stack = env.stack[:base] }()
		env.push(in)
		vs := slices.Clone(env.stack[base:])
		slices.SortStableFunc(vs, func(a, b bson.RawValue) int { return order.Compare(env, a, b) })
		return env.Array(vs)
	}), nil
}
