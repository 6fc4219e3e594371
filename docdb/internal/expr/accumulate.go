package expr

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// accumulatorOperators are the accumulators that are expressions too: over their operands, or over the elements of a single
// operand that is an array.
func accumulatorOperators() []operator {
	over := func(name, help string, f func(env *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error)) operator {
		return operator{name: name, max: -1, help: help, make: func(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
			coll := c.scope.opts.Collation
			return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
				if len(a) == 1 && a[0].Type == bson.TypeArray {
					base := len(env.stack)
					defer func() { env.stack = env.stack[:base] }()
					env.push(a[0])
					a = env.stack[base:len(env.stack):len(env.stack)]
				}
				return f(env, a, coll)
			}
		}}
	}
	return []operator{
		over("$sum", "sum of the numbers", func(env *Env, a []bson.RawValue, _ value.StringComparer) (bson.RawValue, error) {
			var s Sum
			for _, v := range a {
				s.Add(v)
			}
			return s.Value(env), nil
		}),
		over("$avg", "average of the numbers", func(env *Env, a []bson.RawValue, _ value.StringComparer) (bson.RawValue, error) {
			var s Sum
			for _, v := range a {
				s.Add(v)
			}
			return s.Average(env), nil
		}),
		over("$min", "least value", func(_ *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
			return extreme(a, coll, -1), nil
		}),
		over("$max", "greatest value", func(_ *Env, a []bson.RawValue, coll value.StringComparer) (bson.RawValue, error) {
			return extreme(a, coll, 1), nil
		}),
		over("$stdDevPop", "standard deviation of the numbers as a population", deviation(false)),
		over("$stdDevSamp", "standard deviation of the numbers as a sample", deviation(true)),
		{name: "$firstN", compile: compileN, help: "the first n elements of an array"},
		{name: "$lastN", compile: compileN, help: "the last n elements of an array"},
		{name: "$minN", compile: compileN, help: "the n least elements of an array"},
		{name: "$maxN", compile: compileN, help: "the n greatest elements of an array"},
		{name: "$median", compile: compilePercentile, help: "middle of the numbers"},
		{name: "$percentile", compile: compilePercentile, help: "percentiles of the numbers"},
	}
}

func extreme(a []bson.RawValue, coll value.StringComparer, dir int) bson.RawValue {
	best := Null
	for _, v := range a {
		if !Nullish(v) && (Nullish(best) || dir*Compare(v, best, coll) > 0) {
			best = v
		}
	}
	return best
}

// Deviation accumulates a standard deviation (Welford's method).
type Deviation struct {
	n        int64
	mean, m2 float64
	bad      bool // an infinity or NaN was added
}

// Add adds v if it is a number.
func (d *Deviation) Add(v bson.RawValue) {
	n, ok := numberOf(v)
	if !ok {
		return
	}
	x := n.double()
	d.n++
	if math.IsNaN(x) || math.IsInf(x, 0) {
		d.bad = true
		return
	}
	delta := x - d.mean
	d.mean += delta / float64(d.n)
	d.m2 += delta * (x - d.mean)
}

// Remove takes a number out again that was added before.
func (d *Deviation) Remove(v bson.RawValue) {
	n, ok := numberOf(v)
	if !ok || d.n == 0 {
		return
	}
	if d.n--; d.n == 0 {
		*d = Deviation{}
		return
	}
	x := n.double()
	delta := x - d.mean
	d.mean -= delta / float64(d.n)
	d.m2 -= delta * (x - d.mean)
}

// Value is the deviation of a population or a sample; null when there are too few numbers.
func (d *Deviation) Value(env *Env, sample bool) bson.RawValue {
	n := d.n
	if sample {
		n--
	}
	switch {
	case n <= 0:
		return Null
	case d.bad && (sample || d.n >= 1):
		return env.Double(math.NaN())
	}
	return env.Double(math.Sqrt(max(0, d.m2) / float64(n)))
}

func deviation(sample bool) func(*Env, []bson.RawValue, value.StringComparer) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue, _ value.StringComparer) (bson.RawValue, error) {
		var d Deviation
		for _, v := range a {
			d.Add(v)
		}
		return d.Value(env, sample), nil
	}
}

// ParseN reads the n of $firstN and its kin: a whole number above zero.
func ParseN(op string, v bson.RawValue) (int, error) {
	n, ok := numberOf(v)
	if !ok {
		return 0, mongoerr.New(5787902, "Value for 'n' must be of integral type, but found %s", show(v))
	}
	if err := n.longRange(); err != nil {
		return 0, err
	}
	i, ok := n.integer()
	if !ok {
		return 0, mongoerr.New(5787903, "Value for 'n' must be of integral type, but found %s", show(v))
	}
	if i <= 0 {
		return 0, mongoerr.New(5787908, "'n' must be greater than 0, found %d", i)
	}
	return int(i), nil
}

func compileN(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs, err := named(arg, mongoerr.New(5787801, "specification must be an object; found %s", show(arg)), func(f string) error {
		return mongoerr.New(5787901, "Unknown argument for 'n' operator: %s", f)
	}, "input", "n")
	if err != nil {
		return nil, err
	}
	if Missing(vs[1]) {
		return nil, mongoerr.New(5787906, "Missing value for 'n'")
	}
	if Missing(vs[0]) {
		return nil, mongoerr.New(5787907, "Missing value for 'input'")
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	coll := c.scope.opts.Collation
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		nv, err := es[1].Eval(env)
		if err != nil {
			return nv, err
		}
		n, err := ParseN(name, nv)
		if err != nil {
			return Null, err
		}
		in, err := es[0].Eval(env)
		if err != nil {
			return in, err
		}
		if in.Type != bson.TypeArray {
			return Null, mongoerr.New(5788200, "Input must be an array")
		}
		base := len(env.stack)
		defer func() { env.stack = env.stack[:base] }()
		env.push(in)
		vs := env.stack[base:]
		switch name {
		case "$lastN":
			return env.Array(vs[max(0, len(vs)-n):])
		case "$minN", "$maxN":
			dir := 1
			if name == "$maxN" {
				dir = -1
			}
			vs = slices.DeleteFunc(slices.Clone(vs), Nullish)
			slices.SortStableFunc(vs, func(a, b bson.RawValue) int { return dir * Compare(a, b, coll) })
		}
		return env.Array(vs[:min(n, len(vs))])
	}), nil
}

// Percentiles are the settings of $percentile and $median.
type Percentiles struct {
	P      []float64
	Median bool
}

// ParsePercentiles reads the arguments of $percentile or $median and returns what "input" is.
func ParsePercentiles(name string, arg bson.RawValue, scope *Scope) (Percentiles, bson.RawValue, error) {
	return newCompiler(scope).percentiles(name, arg)
}

func (c *compiler) percentiles(name string, arg bson.RawValue) (Percentiles, bson.RawValue, error) {
	p := Percentiles{Median: name == "$median"}
	fields := []string{"input", "method", "p"}
	if p.Median {
		fields = fields[:2]
	}
	vs, err := named(arg, mongoerr.New(7429703, "specification must be an object; found %s", show(arg)), func(f string) error {
		return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", name, f)
	}, fields...)
	if err != nil {
		return p, Null, err
	}
	for i, f := range fields {
		if Missing(vs[i]) {
			return p, Null, mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", name, f)
		}
	}
	if vs[1].Type != bson.TypeString {
		return p, Null, mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.method' is the wrong type '%s', expected type 'string'", name, typeName(vs[1]))
	}
	if m := string(stringBytes(vs[1])); m != "approximate" {
		return p, Null, mongoerr.New(mongoerr.BadValue, "Currently only 'approximate' can be used as percentile 'method'.")
	}
	p.P = []float64{0.5}
	if p.Median {
		return p, vs[0], nil
	}
	e, err := c.operand(vs[2])
	if err != nil {
		return p, Null, err
	}
	list, ok := Constant(e)
	if !ok || list.Type != bson.TypeArray || count(list.Value) == 0 {
		return p, Null, mongoerr.New(7750301, "The $percentile 'p' field must be an array of constant values, but found value: %s.", show(vs[2]))
	}
	p.P = nil
	for it := Each(list.Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return p, vs[0], nil
		}
		n, ok := numberOf(v)
		if !ok {
			return p, Null, mongoerr.New(7750302, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", show(v))
		}
		f := n.double()
		if !(f >= 0 && f <= 1) {
			return p, Null, mongoerr.New(7750303, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", show(v))
		}
		p.P = append(p.P, f)
	}
}

// Value computes the percentiles of numbers, which it sorts: for each p the least number that at least p of all do not exceed.
func (p Percentiles) Value(env *Env, nums []float64) (bson.RawValue, error) {
	slices.Sort(nums)
	out := make([]bson.RawValue, len(p.P))
	for i, q := range p.P {
		if len(nums) == 0 {
			out[i] = Null
			continue
		}
		rank := int(math.Ceil(q*float64(len(nums)))) - 1
		out[i] = env.Double(nums[max(0, min(rank, len(nums)-1))])
	}
	if p.Median {
		return out[0], nil
	}
	return env.Array(out)
}

// Number returns a number as a double.
func Number(v bson.RawValue) (float64, bool) {
	n, ok := numberOf(v)
	return n.double(), ok
}

func compilePercentile(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	p, input, err := c.percentiles(name, arg)
	if err != nil {
		return nil, err
	}
	in, err := c.operand(input)
	if err != nil {
		return nil, err
	}
	return namedOf([]Expr{in}, func(env *Env, es []Expr) (bson.RawValue, error) {
		v, err := es[0].Eval(env)
		if err != nil {
			return v, err
		}
		var nums []float64
		add := func(v bson.RawValue) {
			if f, ok := Number(v); ok && !math.IsNaN(f) {
				nums = append(nums, f)
			}
		}
		add(v)
		if v.Type == bson.TypeArray {
			for it := Each(v.Value); ; {
				_, el, ok := it.Next()
				if !ok {
					break
				}
				add(el)
			}
		}
		return p.Value(env, nums)
	}), nil
}
