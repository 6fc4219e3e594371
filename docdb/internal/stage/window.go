package stage

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// window is the neighbourhood of a row: by positions, or by distance of the value that rows are sorted by.
type window struct {
	byRange   bool
	unit      expr.Unit
	dated     bool // the range has a unit
	low, high edge
	given     bool
}

// edge is one end of a window.
type edge struct {
	unbounded bool
	n         int64         // positions
	v         bson.RawValue // distance
}

func (w *window) whole() bool { return w.low.unbounded && w.high.unbounded }

func (c *compiler) window(spec bson.RawValue, w *windowFields) (*window, error) {
	out := &window{low: edge{unbounded: true}, high: edge{unbounded: true}}
	if expr.Missing(spec) {
		return out, nil
	}
	out.given = true
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "'window' field must be an object")
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(mongoerr.FailedToParse, "'window' field that is not 'documents', 'range' or 'unit': %s", n)
	}, "documents", "range", "unit")
	if err != nil {
		return nil, err
	}
	docs, rng, unit := vs[0], vs[1], vs[2]
	switch {
	case !expr.Missing(docs) && !expr.Missing(rng):
		return nil, mongoerr.New(mongoerr.FailedToParse, "'window' field can contain either 'documents' or 'range', but not both")
	case !expr.Missing(unit) && expr.Missing(rng):
		return nil, mongoerr.New(mongoerr.FailedToParse, "'window' field that specifies 'unit' must also specify 'range'")
	case expr.Missing(docs) && expr.Missing(rng):
		return out, nil
	}
	list := docs
	if expr.Missing(docs) {
		list = rng
		out.byRange = true
		if w.sort == nil || w.sort.Len() != 1 || descending(w.sortBy) {
			return nil, mongoerr.New(5339902, "Range-based bounds require sortBy a single field, ascending")
		}
	}
	if list.Type != bson.TypeArray || value.Count(list.Value) != 2 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Window bounds must be a 2-element array: %s", value.Show(list))
	}
	if !expr.Missing(unit) {
		if unit.Type != bson.TypeString {
			return nil, mongoerr.New(mongoerr.FailedToParse, "'unit' must be a string")
		}
		if out.unit, err = expr.ParseUnit(text(unit)); err != nil {
			return nil, err
		}
		out.dated = true
	}
	for i, e := range []*edge{&out.low, &out.high} {
		b, err := constant(c, value.Index(list.Value, i))
		if err != nil {
			return nil, mongoerr.New(mongoerr.FailedToParse, "Window bounds expressions must be constant")
		}
		e.unbounded = false
		switch {
		case b.Type == bson.TypeString && text(b) == "unbounded":
			e.unbounded = true
		case b.Type == bson.TypeString && text(b) == "current":
			e.v = value.Int32(0)
		case !value.IsNumber(b):
			return nil, mongoerr.New(mongoerr.FailedToParse, "Window bounds must be 'unbounded', 'current' or a number, found: %s", value.Show(b))
		case out.byRange && !out.dated:
			e.v = b
		default:
			n, ok := isInt(b)
			if !ok {
				return nil, mongoerr.New(mongoerr.FailedToParse, "Window bounds must be whole numbers, found: %s", value.Show(b))
			}
			e.n, e.v = n, b
		}
	}
	if !out.byRange && w.sort == nil && !out.whole() {
		return nil, mongoerr.New(5339901, "Document-based bounds require a sortBy")
	}
	if !out.low.unbounded && !out.high.unbounded && value.Compare(out.low.v, out.high.v) > 0 {
		return nil, mongoerr.New(5339900, "Lower bound must not exceed upper bound: %s", value.Show(list))
	}
	return out, nil
}

func descending(sortBy bson.Raw) bool {
	it := expr.Each(sortBy)
	_, v, _ := it.Next()
	n, _ := isInt(v)
	return n < 0
}

// spans returns the window of each row as [from, to).
func (w *window) spans(p *part) ([][2]int, error) {
	n := len(p.rows)
	out := make([][2]int, n)
	if !w.byRange {
		clamp := func(i int, e edge, plus int64) int {
			at := int64(i) + e.n + plus
			if e.n > int64(n) {
				at = int64(n)
			} else if e.n < -int64(n) {
				at = 0
			}
			return int(max(0, min(int64(n), at)))
		}
		for i := range out {
			out[i] = [2]int{0, n}
			if !w.low.unbounded {
				out[i][0] = clamp(i, w.low, 0)
			}
			if !w.high.unbounded {
				out[i][1] = max(out[i][0], clamp(i, w.high, 1))
			}
		}
		return out, nil
	}
	from, to := 0, 0
	for i := range out {
		v := p.keys[i][0]
		if w.dated != (v.Type == bson.TypeDateTime) || !w.dated && !value.IsNumber(v) {
			want, code := "number", mongoerr.Code(5429414)
			if w.dated {
				want, code = "date", 5429513
			}
			return nil, mongoerr.New(code, "Invalid range: Expected the sortBy field to be a %s, but it was %s", want, typeName(v))
		}
		low, err := w.shift(v, w.low)
		if err != nil {
			return nil, err
		}
		high, err := w.shift(v, w.high)
		if err != nil {
			return nil, err
		}
		for !w.low.unbounded && from < n && value.Compare(p.keys[from][0], low) < 0 {
			from++
		}
		for to < n && (w.high.unbounded || value.Compare(p.keys[to][0], high) <= 0) {
			to++
		}
		out[i] = [2]int{from, max(from, to)}
	}
	return out, nil
}

func (w *window) shift(v bson.RawValue, e edge) (bson.RawValue, error) {
	if e.unbounded {
		return v, nil
	}
	if w.dated {
		ms, _ := value.Millis(v)
		ms, err := expr.AddUnits(ms, w.unit, e.n, time.UTC)
		return value.Date(ms), err
	}
	sum, overflow := value.Add(v, e.v)
	if overflow {
		a, _ := value.Float64(v)
		b, _ := value.Float64(e.v)
		sum = value.Double(a + b)
	}
	return sum, nil
}

// accumulated is an accumulator over a window.
type accumulated struct {
	op   string
	spec *accum.Spec
	win  *window
}

func (a *accumulated) deps(d *expr.Deps) { a.spec.Deps(d) }

func (a *accumulated) values(p *part) ([]bson.RawValue, error) {
	spans, err := a.win.spans(p)
	if err != nil {
		return nil, err
	}
	out := make([]bson.RawValue, len(p.rows))
	var acc accum.Accumulator
	from, to := 0, 0
	var last bson.RawValue
	for i, span := range spans {
		if acc == nil || span[0] != from || span[1] < to {
			// The window has lost rows: gather it anew.
			if acc, err = a.spec.New(expr.Null); err != nil {
				return nil, err
			}
			from, to = span[0], span[0]
		} else if span[1] == to && i > 0 {
			out[i] = last
			continue
		}
		for ; to < span[1]; to++ {
			if to&0xff == 0 {
				if err := p.ctx.Err(); err != nil {
					return nil, err
				}
			}
			p.env.ResetMeta(p.rows[to].doc, p.rows[to].meta)
			if err := acc.Add(p.env); err != nil {
				return nil, err
			}
		}
		p.env.Reset(emptyDocument)
		v, err := acc.Value(p.env)
		if err != nil {
			return nil, err
		}
		if expr.Missing(v) {
			v = expr.Null
		}
		last = expr.Clone(v)
		out[i] = last
	}
	return out, nil
}

// slidingSum is $sum, $avg and $count over a window that moves: rows are taken out again instead of gathering anew.
type slidingSum struct {
	op  string
	arg expr.Expr
	win *window
}

func (s *slidingSum) deps(d *expr.Deps) { s.arg.Deps(d) }

func (s *slidingSum) values(p *part) ([]bson.RawValue, error) {
	spans, err := s.win.spans(p)
	if err != nil {
		return nil, err
	}
	in := make([]bson.RawValue, len(p.rows))
	exact := true // only whole numbers: taking out is exact
	for i := range in {
		if in[i], err = p.eval(s.arg, i); err != nil {
			return nil, err
		}
		exact = exact && in[i].Type != bson.TypeDouble && in[i].Type != bson.TypeDecimal128
	}
	out := make([]bson.RawValue, len(in))
	var sum, count, longs int64
	from, to := 0, 0
	put := func(v bson.RawValue, sign int64) bool {
		n, ok := isInt(v)
		if !ok {
			return true
		}
		if v.Type == bson.TypeInt64 {
			longs += sign
		}
		count += sign
		if n > 1<<61 || n < -1<<61 || sum > 1<<61 || sum < -1<<61 {
			return false
		}
		sum += sign * n
		return true
	}
	for i, span := range spans {
		fits := exact
		for ; fits && to < span[1]; to++ {
			fits = put(in[to], 1)
		}
		for ; fits && from < span[0]; from++ {
			fits = put(in[from], -1)
		}
		p.env.Reset(emptyDocument)
		if fits {
			switch {
			case s.op == "$avg" && count == 0:
				out[i] = expr.Null
			case s.op == "$avg":
				out[i] = value.Double(float64(sum) / float64(count))
			case longs > 0:
				out[i] = value.Int64(sum)
			default:
				out[i] = value.Int(sum)
			}
			continue
		}
		exact = false
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
		var t expr.Sum
		for _, v := range in[span[0]:max(span[0], span[1])] {
			t.Add(v)
		}
		if s.op == "$avg" {
			out[i] = expr.Clone(t.Average(p.env))
		} else {
			out[i] = expr.Clone(t.Value(p.env))
		}
	}
	return out, nil
}

// pairwise is $covariancePop and $covarianceSamp.
type pairwise struct {
	x, y   expr.Expr
	sample bool
	win    *window
}

func (c *pairwise) deps(d *expr.Deps) {
	c.x.Deps(d)
	c.y.Deps(d)
}

func (c *pairwise) values(p *part) ([]bson.RawValue, error) {
	spans, err := c.win.spans(p)
	if err != nil {
		return nil, err
	}
	type pair struct {
		x, y float64
		ok   bool
	}
	in := make([]pair, len(p.rows))
	for i := range in {
		a, err := p.eval(c.x, i)
		if err != nil {
			return nil, err
		}
		b, err := p.eval(c.y, i)
		if err != nil {
			return nil, err
		}
		x, ok1 := expr.Number(a)
		y, ok2 := expr.Number(b)
		in[i] = pair{x, y, ok1 && ok2}
	}
	out := make([]bson.RawValue, len(in))
	for i, span := range spans {
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
		var n, mx, my, c2 float64
		for _, v := range in[span[0]:span[1]] {
			if !v.ok {
				continue
			}
			n++
			dx := v.x - mx
			mx += dx / n
			my += (v.y - my) / n
			c2 += dx * (v.y - my)
		}
		if c.sample {
			n--
		}
		out[i] = expr.Null
		if n > 0 {
			out[i] = value.Double(c2 / n)
		}
	}
	return out, nil
}

// slope is $derivative and $integral over the value that rows are sorted by.
type slope struct {
	op    string
	input expr.Expr
	unit  float64 // milliseconds of a unit; 0 for numbers
	win   *window
}

func (s *slope) deps(d *expr.Deps) { s.input.Deps(d) }

func (s *slope) values(p *part) ([]bson.RawValue, error) {
	spans, err := s.win.spans(p)
	if err != nil {
		return nil, err
	}
	xs, ys := make([]float64, len(p.rows)), make([]float64, len(p.rows))
	for i := range p.rows {
		k := p.keys[i][0]
		dated := k.Type == bson.TypeDateTime
		x, ok := expr.Number(k)
		if dated {
			ms, _ := value.Millis(k)
			x, ok = float64(ms)/max(s.unit, 1), true
		}
		switch {
		case !ok:
			return nil, mongoerr.New(5624901, "%s requires that the sortBy value be a number or a date, found: %s", s.op, typeName(k))
		case dated && s.unit == 0:
			return nil, mongoerr.New(5624901, "%s where the sortBy is a Date requires a 'unit'", s.op)
		case !dated && s.unit != 0:
			return nil, mongoerr.New(5624900, "%s with 'unit' expects the sortBy field to be a Date", s.op)
		}
		v, err := p.eval(s.input, i)
		if err != nil {
			return nil, err
		}
		xs[i] = x
		if ys[i], ok = expr.Number(v); !ok {
			if !expr.Nullish(v) {
				return nil, mongoerr.New(5423902, "input of %s must be a number, found: %s", s.op, typeName(v))
			}
			ys[i] = math.NaN()
		}
	}
	out := make([]bson.RawValue, len(xs))
	for i, span := range spans {
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = expr.Null
		a, b := span[0], span[1]-1
		if b < a {
			continue
		}
		if s.op == "$derivative" {
			if d := xs[b] - xs[a]; b > a && d != 0 && !math.IsNaN(ys[a]) && !math.IsNaN(ys[b]) {
				out[i] = value.Double((ys[b] - ys[a]) / d)
			}
			continue
		}
		sum := 0.0
		for j := a; j < b; j++ {
			sum += (xs[j+1] - xs[j]) * (ys[j] + ys[j+1]) / 2
		}
		if !math.IsNaN(sum) {
			out[i] = value.Double(sum)
		}
	}
	return out, nil
}

type windowedCompiler func(c *compiler, op string, arg bson.RawValue, w *windowFields, win *window) (windowFunc, error)

// windowed returns the compile function of a function over a window that is no plain accumulator.
func windowed(op string) windowedCompiler {
	switch op {
	case "$sum", "$avg":
		return func(c *compiler, op string, arg bson.RawValue, w *windowFields, win *window) (windowFunc, error) {
			e, err := expr.Compile(arg, c.scope)
			if err != nil {
				return nil, err
			}
			if win.low.unbounded {
				// Nothing is ever taken out.
				s, err := accum.Compile(op, arg, c.scope)
				return &accumulated{op, s, win}, err
			}
			return &slidingSum{op, e, win}, nil
		}
	case "$covariancePop", "$covarianceSamp":
		return func(c *compiler, op string, arg bson.RawValue, w *windowFields, win *window) (windowFunc, error) {
			if arg.Type != bson.TypeArray || value.Count(arg.Value) != 2 {
				return nil, mongoerr.New(mongoerr.FailedToParse, "%s needs an array of two expressions", op)
			}
			x, err := expr.Compile(value.Index(arg.Value, 0), c.scope)
			if err != nil {
				return nil, err
			}
			y, err := expr.Compile(value.Index(arg.Value, 1), c.scope)
			return &pairwise{x, y, op == "$covarianceSamp", win}, err
		}
	case "$derivative", "$integral":
		return compileSlope
	}
	return nil
}

func compileSlope(c *compiler, op string, arg bson.RawValue, w *windowFields, win *window) (windowFunc, error) {
	if w.sort == nil || w.sort.Len() != 1 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s requires a sortBy with exactly one element", op)
	}
	if op == "$derivative" && !win.given {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s requires explicit window bounds", op)
	}
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s expects an object with 'input' and 'unit'", op)
	}
	vs, err := arguments(arg, func(n string) error {
		return mongoerr.New(mongoerr.FailedToParse, "%s got unexpected argument: %s", op, n)
	}, "input", "unit")
	if err != nil {
		return nil, err
	}
	if expr.Missing(vs[0]) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s requires an 'input' expression", op)
	}
	s := &slope{op: op, win: win}
	if s.input, err = expr.Compile(vs[0], c.scope); err != nil {
		return nil, err
	}
	if !expr.Missing(vs[1]) {
		u, err := expr.ParseUnit(text(vs[1]))
		if err != nil {
			return nil, err
		}
		if u > expr.Week {
			return nil, mongoerr.New(5490704, "unit must be 'week' or smaller")
		}
		s.unit = float64(u.Millis())
	}
	return s, nil
}
