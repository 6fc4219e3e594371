package accum

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// overhead is about what one kept value costs beside its bytes.
const overhead = 48

func tooLarge(op string, held int) error {
	if held <= MaxHeld {
		return nil
	}
	return mongoerr.New(mongoerr.ExceededMemoryLimit, "%s used too much memory and cannot spill to disk. Memory limit: %d bytes", op, MaxHeld)
}

// keep copies v into buf's space when it fits.
func keep(old, v bson.RawValue) bson.RawValue {
	return bson.RawValue{Type: v.Type, Value: append(old.Value[:0:cap(old.Value)], v.Value...)}
}

// one keeps a single value: $first, $last, $min, $max.
type one struct {
	arg  expr.Expr
	v    bson.RawValue
	some bool
	last bool
	dir  int
	coll value.StringComparer
}

func newFirst(e expr.Expr) Accumulator { return &one{arg: e} }
func newLast(e expr.Expr) Accumulator  { return &one{arg: e, last: true} }

func compileExtreme(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	e, err := c.operand(name, arg)
	if err != nil {
		return nil, err
	}
	dir := 1
	if name == "$min" {
		dir = -1
	}
	coll := c.scope.Options().Collation
	return &Spec{deps: []expr.Expr{e}, merges: true, make: func(bson.RawValue) (Accumulator, error) {
		return &one{arg: e, dir: dir, coll: coll}, nil
	}}, nil
}

func (a *one) Add(env *expr.Env) error {
	if a.dir == 0 && a.some && !a.last {
		return nil
	}
	v, err := a.arg.Eval(env)
	if err != nil {
		return err
	}
	if a.dir != 0 && (expr.Nullish(v) || a.some && a.dir*expr.Compare(v, a.v, a.coll) <= 0) {
		return nil
	}
	a.v, a.some = keep(a.v, v), true
	return nil
}

func (a *one) Value(*expr.Env) (bson.RawValue, error) {
	if a.dir != 0 && !a.some || expr.Missing(a.v) {
		return expr.Null, nil
	}
	return a.v, nil
}

func (a *one) Held() int { return cap(a.v.Value) }

// list keeps values: $push, $addToSet, $concatArrays, $setUnion.
type list struct {
	op     string
	arg    expr.Expr
	arrays bool
	set    *expr.Set
	vs     []bson.RawValue
	bytes  int
}

func newPush(e expr.Expr) Accumulator { return &list{op: "$push", arg: e} }
func newConcatArrays(e expr.Expr) Accumulator {
	return &list{op: "$concatArrays", arg: e, arrays: true}
}

func compileAddToSet(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	e, err := c.operand(name, arg)
	if err != nil {
		return nil, err
	}
	coll := c.scope.Options().Collation
	return &Spec{deps: []expr.Expr{e}, merges: true, make: func(bson.RawValue) (Accumulator, error) {
		return &list{op: name, arg: e, set: expr.NewSet(coll), arrays: name == "$setUnion"}, nil
	}}, nil
}

func compileSetUnion(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	return compileAddToSet(c, name, arg)
}

func (a *list) Add(env *expr.Env) error {
	v, err := a.arg.Eval(env)
	if err != nil || expr.Missing(v) {
		return err
	}
	if !a.arrays {
		return a.add(v)
	}
	if v.Type != bson.TypeArray {
		return mongoerr.New(mongoerr.TypeMismatch, "%s requires array inputs, but input is of type %s", a.op, value.TypeName(v.Type))
	}
	for it := expr.Each(v.Value); ; {
		_, el, ok := it.Next()
		if !ok {
			return nil
		}
		if err := a.add(el); err != nil {
			return err
		}
	}
}

func (a *list) add(v bson.RawValue) error {
	if a.set != nil {
		if !a.set.Add(v) {
			return nil
		}
		a.bytes += len(v.Value) + overhead
	}
	a.vs = append(a.vs, expr.Clone(v))
	a.bytes += len(v.Value) + overhead
	return tooLarge(a.op, a.bytes)
}

func (a *list) Value(env *expr.Env) (bson.RawValue, error) { return env.Array(a.vs) }
func (a *list) Held() int                                  { return a.bytes }

// merge is $mergeObjects.
type merge struct {
	arg   expr.Expr
	m     expr.Merger
	bytes int
}

func newMerge(e expr.Expr) Accumulator { return &merge{arg: e} }

func (a *merge) Add(env *expr.Env) error {
	v, err := a.arg.Eval(env)
	if err != nil || expr.Nullish(v) {
		return err
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(5911200, "$mergeObjects requires object inputs, but input is of type %s", value.TypeName(v.Type))
	}
	v = expr.Clone(v)
	a.bytes += len(v.Value)
	a.m.Add(v.Value)
	if a.bytes > 16<<20 {
		// Most of it is values that were replaced: keep only what counts.
		c, err := a.m.Value(env)
		if err != nil {
			return err
		}
		c = expr.Clone(c)
		a.m = expr.Merger{}
		a.m.Add(c.Value)
		a.bytes = len(c.Value)
	}
	return tooLarge("$mergeObjects", a.bytes)
}

func (a *merge) Value(env *expr.Env) (bson.RawValue, error) { return a.m.Value(env) }
func (a *merge) Held() int                                  { return a.bytes }

// several keeps up to n values: $firstN, $lastN (a ring), $minN, $maxN (kept in order).
type several struct {
	op    string
	arg   expr.Expr
	n     int
	dir   int
	vs    []bson.RawValue
	at    int
	bytes int
	coll  value.StringComparer
}

// countOf evaluates the n of a group: over the group's _id.
func countOf(op string, e expr.Expr, group bson.RawValue) (int, error) {
	v, ok := expr.Constant(e)
	if !ok {
		env := expr.NewEnv(context.Background())
		doc := bson.Raw{5, 0, 0, 0, 0}
		if group.Type == bson.TypeEmbeddedDocument {
			doc = group.Value
		}
		env.Reset(doc)
		var err error
		if v, err = e.Eval(env); err != nil {
			return 0, err
		}
	}
	return parseN(op, v)
}

// parseN reads the n of an accumulator: a whole number above zero.
func parseN(op string, v bson.RawValue) (int, error) {
	n, err := expr.ParseN(op, v)
	if e := mongoerr.As(err); e != nil && e.Code != 31109 {
		return 0, mongoerr.New(7548606, "%s", e.Message)
	}
	return n, err
}

func fields(arg bson.RawValue, unknown mongoerr.Code, names ...string) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(names))
	for it := expr.Each(arg.Value); ; {
		name, v, ok := it.Next()
		if !ok {
			return out, nil
		}
		i := slices.Index(names, string(name))
		if i < 0 {
			return nil, mongoerr.New(unknown, "Unknown argument for 'n' operator: %s", name)
		}
		out[i] = v
	}
}

func compileN(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5787801, "specification must be an object; found %s: %s", name, arg)
	}
	vs, err := fields(arg, 5787901, "input", "n")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[1]) {
		return nil, mongoerr.New(5787906, "Missing value for 'n'")
	}
	if expr.Missing(vs[0]) {
		return nil, mongoerr.New(5787907, "Missing value for 'input'")
	}
	in, err := expr.Compile(vs[0], c.scope)
	if err != nil {
		return nil, err
	}
	n, err := expr.Compile(vs[1], c.scope)
	if err != nil {
		return nil, err
	}
	if v, ok := expr.Constant(n); ok {
		if _, err := parseN(name, v); err != nil {
			return nil, err
		}
	}
	dir := map[string]int{"$minN": 1, "$maxN": -1}[name]
	coll := c.scope.Options().Collation
	return &Spec{deps: []expr.Expr{in}, make: func(group bson.RawValue) (Accumulator, error) {
		k, err := countOf(name, n, group)
		if err != nil {
			return nil, err
		}
		return &several{op: name, arg: in, n: k, dir: dir, coll: coll}, nil
	}}, nil
}

func (a *several) Add(env *expr.Env) error {
	if a.op == "$firstN" && len(a.vs) == a.n {
		return nil
	}
	v, err := a.arg.Eval(env)
	if err != nil {
		return err
	}
	if a.dir == 0 {
		if expr.Missing(v) {
			v = expr.Null
		}
		if len(a.vs) < a.n {
			a.vs = append(a.vs, expr.Clone(v))
		} else {
			a.bytes -= len(a.vs[a.at].Value) + overhead
			a.vs[a.at] = keep(a.vs[a.at], v)
			a.at = (a.at + 1) % a.n
		}
		a.bytes += len(v.Value) + overhead
		return tooLarge(a.op, a.bytes)
	}
	if expr.Nullish(v) {
		return nil
	}
	i, _ := slices.BinarySearchFunc(a.vs, v, func(x, v bson.RawValue) int {
		if a.dir*expr.Compare(x, v, a.coll) <= 0 {
			return -1
		}
		return 1
	})
	if i == a.n {
		return nil
	}
	if len(a.vs) == a.n {
		a.bytes -= len(a.vs[a.n-1].Value) + overhead
		a.vs = a.vs[:a.n-1]
	}
	a.vs = slices.Insert(a.vs, i, expr.Clone(v))
	a.bytes += len(v.Value) + overhead
	return tooLarge(a.op, a.bytes)
}

func (a *several) Value(env *expr.Env) (bson.RawValue, error) {
	if a.at == 0 {
		return env.Array(a.vs)
	}
	return env.Array(append(slices.Clone(a.vs[a.at:]), a.vs[:a.at]...))
}

func (a *several) Held() int { return a.bytes }
