package accum

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// top keeps the outputs of the documents that sort first ($top, $topN) or last ($bottom, $bottomN).
type top struct {
	spec  *topSpec
	n     int
	rows  []topRow // in order
	bytes int
}

type topRow struct {
	keys []bson.RawValue
	out  bson.RawValue
}

type topSpec struct {
	op     string
	output expr.Expr
	order  *expr.SortKeys
	many   bool
	bottom bool
}

func compileTop(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	s := &topSpec{op: name, many: strings.HasSuffix(name, "N"), bottom: strings.HasPrefix(name, "$bottom")}
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5788001, "specification must be an object; found %s: %s", name, arg)
	}
	names := []string{"sortBy", "output", "n"}
	if !s.many {
		names = names[:2]
	}
	vs, err := fields(arg, 5788002, names...)
	if err != nil {
		return nil, err
	}
	if s.many && expr.Missing(vs[2]) {
		return nil, mongoerr.New(5788003, "Missing value for 'n'")
	}
	if expr.Missing(vs[1]) {
		return nil, mongoerr.New(5788004, "Missing value for 'output'")
	}
	if expr.Missing(vs[0]) {
		return nil, mongoerr.New(5788005, "Missing value for 'sortBy'")
	}
	if vs[0].Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5788604, "expected 'sortBy' to already be an object in the arguments to %s", name)
	}
	if s.order, err = expr.ParseSortKeys(vs[0].Value, c.scope.Options().Collation); err != nil {
		return nil, err
	}
	if s.output, err = expr.Compile(vs[1], c.scope); err != nil {
		return nil, err
	}
	count := func(bson.RawValue) (int, error) { return 1, nil }
	if s.many {
		e, err := expr.Compile(vs[2], c.scope)
		if err != nil {
			return nil, err
		}
		if v, ok := expr.Constant(e); ok {
			if _, err := parseN(name, v); err != nil {
				return nil, err
			}
		}
		count = func(group bson.RawValue) (int, error) { return countOf(name, e, group) }
	}
	return &Spec{deps: []expr.Expr{s.output, s.order}, make: func(group bson.RawValue) (Accumulator, error) {
		n, err := count(group)
		if err != nil {
			return nil, err
		}
		return &top{spec: s, n: n}, nil
	}}, nil
}

func (a *top) Add(env *expr.Env) error {
	keys, err := a.spec.order.Of(env, nil)
	if err != nil {
		return err
	}
	// After those that are equal: among equals the earlier documents count as first.
	i, _ := slices.BinarySearchFunc(a.rows, keys, func(r topRow, k []bson.RawValue) int {
		if a.spec.order.Compare(r.keys, k) <= 0 {
			return -1
		}
		return 1
	})
	full := len(a.rows) == a.n
	if full && (!a.spec.bottom && i == a.n || a.spec.bottom && i == 0) {
		return nil
	}
	out, err := a.spec.output.Eval(env)
	if err != nil {
		return err
	}
	row := topRow{out: expr.Clone(out)}
	if expr.Missing(out) {
		row.out = expr.Null
	}
	for _, k := range keys {
		row.keys = append(row.keys, expr.Clone(k))
	}
	if full {
		drop := a.n - 1
		if a.spec.bottom {
			drop = 0
			i--
		}
		a.bytes -= a.rows[drop].size()
		a.rows = slices.Delete(a.rows, drop, drop+1)
	}
	a.rows = slices.Insert(a.rows, i, row)
	a.bytes += row.size()
	return tooLarge(a.spec.op, a.bytes)
}

func (r topRow) size() int {
	n := len(r.out.Value) + 2*overhead
	for _, k := range r.keys {
		n += len(k.Value) + overhead
	}
	return n
}

func (a *top) Value(env *expr.Env) (bson.RawValue, error) {
	if !a.spec.many {
		if len(a.rows) == 0 {
			return expr.Null, nil
		}
		return a.rows[0].out, nil
	}
	vs := make([]bson.RawValue, len(a.rows))
	for i, r := range a.rows {
		vs[i] = r.out
	}
	return env.Array(vs)
}

func (a *top) Held() int { return a.bytes }
