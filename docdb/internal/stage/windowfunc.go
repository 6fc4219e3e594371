package stage

import (
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

type positionalCompiler func(c *compiler, op string, arg bson.RawValue, w *windowFields) (windowFunc, error)

// positional returns the compile function of a function that takes no window: it goes by a row's place.
func positional(op string) positionalCompiler {
	switch op {
	case "$rank", "$denseRank", "$documentNumber":
		return compileRank
	case "$shift":
		return compileShift
	case "$expMovingAvg":
		return compileMovingAvg
	case "$linearFill", "$locf":
		return compileGapFill
	}
	return nil
}

// rank is $rank, $denseRank and $documentNumber.
type rank struct{ op string }

func compileRank(_ *compiler, op string, arg bson.RawValue, w *windowFields) (windowFunc, error) {
	if arg.Type != bson.TypeEmbeddedDocument || len(arg.Value) > 5 {
		return nil, mongoerr.New(5371603, "%s must be specified with '{}' as the value", op)
	}
	if w.sort == nil || op != "$documentNumber" && w.sort.Len() != 1 {
		return nil, mongoerr.New(5371602, "%s must be specified with a top level sortBy expression with exactly one element", op)
	}
	return &rank{op}, nil
}

func (r *rank) deps(*expr.Deps) {}

func (r *rank) values(p *part) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(p.rows))
	at := int64(0)
	for i := range out {
		switch same := i > 0 && p.sort.Compare(p.keys[i-1], p.keys[i]) == 0; {
		case r.op == "$documentNumber":
			at = int64(i + 1)
		case same:
		case r.op == "$rank":
			at = int64(i + 1)
		default:
			at++
		}
		out[i] = value.Int(at)
	}
	return out, nil
}

// shift is $shift.
type shift struct {
	output expr.Expr
	by     int64
	other  bson.RawValue
}

func compileShift(c *compiler, op string, arg bson.RawValue, w *windowFields) (windowFunc, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Argument to $shift must be an object")
	}
	if w.sort == nil {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'$shift' requires a sortBy")
	}
	vs, err := arguments(arg, func(n string) error {
		return mongoerr.New(mongoerr.FailedToParse, "Unknown argument in $shift: %s", n)
	}, "output", "by", "default")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) || expr.Missing(vs[1]) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$shift requires 'output' and 'by'")
	}
	s := &shift{other: expr.Null}
	if s.output, err = expr.Compile(vs[0], c.scope); err != nil {
		return nil, err
	}
	var ok bool
	if s.by, ok = isInt(vs[1]); !ok || s.by != int64(int32(s.by)) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'$shift:by' field must be an integer, but found by: %s", value.Show(vs[1]))
	}
	if !expr.Missing(vs[2]) {
		if s.other, err = constant(c, vs[2]); err != nil {
			return nil, mongoerr.New(mongoerr.FailedToParse, "'$shift:default' expression must yield a constant value.")
		}
	}
	return s, nil
}

func (s *shift) deps(d *expr.Deps) { s.output.Deps(d) }

func (s *shift) values(p *part) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(p.rows))
	for i := range out {
		j := int64(i) + s.by
		if j < 0 || j >= int64(len(out)) {
			out[i] = s.other
			continue
		}
		v, err := p.eval(s.output, int(j))
		if err != nil {
			return nil, err
		}
		if expr.Missing(v) {
			v = expr.Null
		}
		out[i] = v
	}
	return out, nil
}

// movingAvg is $expMovingAvg.
type movingAvg struct {
	input expr.Expr
	alpha float64
}

func compileMovingAvg(c *compiler, op string, arg bson.RawValue, w *windowFields) (windowFunc, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$expMovingAvg must have exactly one argument that is an object")
	}
	if w.sort == nil {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$expMovingAvg requires an explicit 'sortBy'")
	}
	vs, err := arguments(arg, func(n string) error {
		return mongoerr.New(mongoerr.FailedToParse, "Unknown argument in $expMovingAvg: %s", n)
	}, "input", "N", "alpha")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) || expr.Missing(vs[1]) == expr.Missing(vs[2]) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an 'alpha' field")
	}
	m := &movingAvg{}
	if m.input, err = expr.Compile(vs[0], c.scope); err != nil {
		return nil, err
	}
	if n, ok := isInt(vs[1]); ok && n > 0 {
		m.alpha = 2 / (float64(n) + 1)
		return m, nil
	} else if !expr.Missing(vs[1]) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'N' field must be an integer greater than zero, but found N: %s", value.Show(vs[1]))
	}
	if m.alpha, _ = expr.Number(vs[2]); !(m.alpha > 0 && m.alpha < 1) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'alpha' must be between 0 and 1 (exclusive), found alpha: %s", value.Show(vs[2]))
	}
	return m, nil
}

func (m *movingAvg) deps(d *expr.Deps) { m.input.Deps(d) }

func (m *movingAvg) values(p *part) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(p.rows))
	avg, some := 0.0, false
	for i := range out {
		v, err := p.eval(m.input, i)
		if err != nil {
			return nil, err
		}
		x, ok := expr.Number(v)
		if ok {
			if some {
				avg = m.alpha*x + (1-m.alpha)*avg
			} else {
				avg, some = x, true
			}
		}
		out[i] = expr.Null
		if some && ok {
			out[i] = value.Double(avg)
		} else if some {
			out[i] = value.Double(avg)
		}
	}
	return out, nil
}

// gapFill is $linearFill and $locf.
type gapFill struct {
	op    string
	input expr.Expr
}

func compileGapFill(c *compiler, op string, arg bson.RawValue, w *windowFields) (windowFunc, error) {
	if op == "$linearFill" && (w.sort == nil || w.sort.Len() != 1) {
		return nil, mongoerr.New(605001, "$linearFill must be specified with a top level sortBy expression with exactly one element")
	}
	e, err := expr.Compile(arg, c.scope)
	return &gapFill{op, e}, err
}

func (g *gapFill) deps(d *expr.Deps) { g.input.Deps(d) }

func (g *gapFill) values(p *part) ([]bson.RawValue, error) {
	in := make([]bson.RawValue, len(p.rows))
	for i := range in {
		var err error
		if in[i], err = p.eval(g.input, i); err != nil {
			return nil, err
		}
		if expr.Nullish(in[i]) {
			in[i] = expr.Null
		}
	}
	if g.op == "$locf" {
		for i := 1; i < len(in); i++ {
			if expr.Nullish(in[i]) {
				in[i] = in[i-1]
			}
		}
		return in, nil
	}
	xs := make([]float64, len(in))
	for i := range in {
		k := p.keys[i][0]
		x, ok := expr.Number(k)
		if ms, dated := value.Millis(k); dated {
			x, ok = float64(ms), true
		}
		if !ok || math.IsNaN(x) {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "Value to be linearly filled must be sorted by a number or a date, found: %s", typeName(k))
		}
		if i > 0 && x == xs[i-1] {
			return nil, mongoerr.New(6050106, "There can be no repeated values in the sort field")
		}
		xs[i] = x
		if _, ok := expr.Number(in[i]); !ok && !expr.Nullish(in[i]) {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "Value to be filled must be numeric or nullish, but found: %s", typeName(in[i]))
		}
	}
	last := -1
	for i := range in {
		if expr.Nullish(in[i]) {
			continue
		}
		if last >= 0 && i-last > 1 {
			y0, _ := expr.Number(in[last])
			y1, _ := expr.Number(in[i])
			for j := last + 1; j < i; j++ {
				in[j] = value.Double(y0 + (y1-y0)*(xs[j]-xs[last])/(xs[i]-xs[last]))
			}
		}
		last = i
	}
	return in, nil
}

// WindowOperators lists what $setWindowFields computes: the accumulators and its own functions.
func WindowOperators() []Operator {
	out := []Operator{
		{"$covariancePop", "covariance of two numbers as a population"}, {"$covarianceSamp", "covariance of two numbers as a sample"},
		{"$denseRank", "place in the order, equal ones sharing one, without gaps"}, {"$derivative", "rate of change over the window"}, {"$documentNumber", "place in the order"},
		{"$expMovingAvg", "exponential moving average, by N or alpha"}, {"$integral", "area under the values of the window"}, {"$linearFill", "nulls filled on the line between neighbours"},
		{"$locf", "nulls filled with the value before"}, {"$rank", "place in the order, equal ones sharing one"}, {"$shift", "value of another document of the partition"},
	}
	for _, o := range accum.Operators() {
		switch o.Name {
		case "$accumulator", "$mergeObjects":
		default:
			out = append(out, Operator{o.Name, o.Help})
		}
	}
	slices.SortFunc(out, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	return out
}
