package accum

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/value"
)

type sum struct {
	arg   expr.Expr
	field expr.Noted // arg, if it is a field
	// constant is arg, if it is one: {$sum: 1}, mostly.
	constant value.Found
	s        expr.Sum
}

func newSum(e expr.Expr) Accumulator { a := sumOf(e); return &a }

func sumOf(e expr.Expr) sum {
	a := sum{arg: e, field: expr.NotedField(e)}
	if v, ok := expr.Constant(e); ok {
		a.constant = value.Found{Type: v.Type, Value: v.Value}
	}
	return a
}

func (a *sum) Add(env *expr.Env) error {
	if a.constant.Type != 0 {
		a.s.AddParts(a.constant.Type, a.constant.Value)
		return nil
	}
	if t, v, ok := a.field.Find(env); ok {
		a.s.AddParts(t, v)
		return nil
	}
	v, err := a.arg.Eval(env)
	if err == nil {
		a.s.Add(v)
	}
	return err
}

func (a *sum) Value(env *expr.Env) (bson.RawValue, error) { return a.s.Value(env), nil }
func (a *sum) Held() int                                  { return 0 }

type avg struct{ sum }

func newAvg(e expr.Expr) Accumulator { return &avg{sumOf(e)} }

func (a *avg) Value(env *expr.Env) (bson.RawValue, error) { return a.s.Average(env), nil }

type counter struct{ n int64 }

func (a *counter) Add(*expr.Env) error                        { a.n++; return nil }
func (a *counter) Value(env *expr.Env) (bson.RawValue, error) { return env.Int(a.n), nil }
func (a *counter) Held() int                                  { return 0 }

type deviation struct {
	arg    expr.Expr
	sample bool
	d      expr.Deviation
}

func newDeviation(sample bool) func(expr.Expr) Accumulator {
	return func(e expr.Expr) Accumulator { return &deviation{arg: e, sample: sample} }
}

func (a *deviation) Add(env *expr.Env) error {
	v, err := a.arg.Eval(env)
	if err == nil {
		a.d.Add(v)
	}
	return err
}

func (a *deviation) Value(env *expr.Env) (bson.RawValue, error) {
	return a.d.Value(env, a.sample), nil
}
func (a *deviation) Held() int { return 0 }

type percentile struct {
	arg  expr.Expr
	p    expr.Percentiles
	nums []float64
}

func compilePercentile(c *compiler, name string, arg bson.RawValue) (*Spec, error) {
	p, input, err := expr.ParsePercentiles(name, arg, c.scope)
	if err != nil {
		return nil, err
	}
	e, err := expr.Compile(input, c.scope)
	if err != nil {
		return nil, err
	}
	return &Spec{deps: []expr.Expr{e}, merges: true, make: func(bson.RawValue) (Accumulator, error) { return &percentile{arg: e, p: p}, nil }}, nil
}

func (a *percentile) Add(env *expr.Env) error {
	v, err := a.arg.Eval(env)
	if err != nil {
		return err
	}
	if f, ok := expr.Number(v); ok && !math.IsNaN(f) {
		a.nums = append(a.nums, f)
		return tooLarge("$percentile", a.Held())
	}
	return nil
}

func (a *percentile) Value(env *expr.Env) (bson.RawValue, error) { return a.p.Value(env, a.nums) }
func (a *percentile) Held() int                                  { return 8 * cap(a.nums) }
