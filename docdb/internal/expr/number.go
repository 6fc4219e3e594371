package expr

import (
	"math"
	"math/big"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// number is a decoded numeric value. Its type is the one it came as, or the widest of those that it was computed from.
type number struct {
	t bson.Type
	i int64
	f float64
	d value.Decimal
}

// numberOf decodes v; ok is false when it is no number.
func numberOf(v bson.RawValue) (n number, ok bool) {
	n.t = v.Type
	switch v.Type {
	case bson.TypeInt32:
		if len(v.Value) < 4 {
			return n, false
		}
		n.i = int64(int32(le.Uint32(v.Value)))
	case bson.TypeInt64:
		if len(v.Value) < 8 {
			return n, false
		}
		n.i = int64(le.Uint64(v.Value))
	case bson.TypeDouble:
		if len(v.Value) < 8 {
			return n, false
		}
		n.f = math.Float64frombits(le.Uint64(v.Value))
	case bson.TypeDecimal128:
		if len(v.Value) < 16 {
			return n, false
		}
		n.d = value.ToDecimal(v)
	default:
		return n, false
	}
	return n, true
}

// value encodes n.
func (n number) value(env *Env) bson.RawValue {
	switch n.t {
	case bson.TypeInt32:
		return env.Int32(int32(n.i))
	case bson.TypeInt64:
		return env.Int64(n.i)
	case bson.TypeDouble:
		return env.Double(n.f)
	default:
		return env.Decimal(n.d)
	}
}

func (n number) isInt() bool { return n.t == bson.TypeInt32 || n.t == bson.TypeInt64 }

// double is n as a double, rounded to the nearest.
func (n number) double() float64 {
	switch n.t {
	case bson.TypeDouble:
		return n.f
	case bson.TypeDecimal128:
		return n.d.Float64()
	}
	return float64(n.i)
}

// decimal is n as a decimal; a double is rounded to 15 digits, the ones that it surely has.
func (n number) decimal() value.Decimal {
	switch n.t {
	case bson.TypeDouble:
		return value.ToDecimal(value.Double(n.f))
	case bson.TypeDecimal128:
		return n.d
	}
	return value.DecimalFromInt(n.i)
}

// resultDecimal is the result of a function on decimals that was computed as a double; a whole one is exact.
func resultDecimal(f float64) value.Decimal {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return value.DecimalFromInt(int64(f))
	}
	return value.ToDecimal(value.Double(f))
}

// exactDecimal is a double with all of its digits.
func exactDecimal(f float64) value.Decimal {
	switch {
	case math.IsNaN(f):
		return value.DecimalNaN()
	case math.IsInf(f, 0):
		return value.DecimalInf(f < 0)
	}
	m, e := math.Frexp(f)
	return value.DecimalFromBinary(big.NewInt(int64(m*(1<<53))), e-53)
}

// integer returns n as an int64 when it is a whole number in range.
func (n number) integer() (int64, bool) {
	switch n.t {
	case bson.TypeDouble:
		return wholeFloat(n.f)
	case bson.TypeDecimal128:
		return n.d.Int64()
	}
	return n.i, true
}

// longRange refuses a double that is beyond every 64-bit integer, or NaN, where MongoDB converts before it looks.
func (n number) longRange() error {
	if n.t == bson.TypeDouble && !(n.f >= -1<<63 && n.f < 1<<63) {
		return mongoerr.New(31109, "Can't coerce out of range value %v to long", n.f)
	}
	return nil
}

// wholeFloat returns f as an int64 when it is whole and in range.
func wholeFloat(f float64) (int64, bool) {
	if f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// int32Of returns v as a 32-bit integer when it is a number that is whole and in range.
func int32Of(v bson.RawValue) (int, bool) {
	n, ok := numberOf(v)
	if !ok {
		return 0, false
	}
	i, ok := n.integer()
	return int(i), ok && i == int64(int32(i))
}

// wider returns the wider of two numeric types: int, long, double, decimal.
func wider(a, b bson.Type) bson.Type {
	if rankOf(a) >= rankOf(b) {
		return a
	}
	return b
}

func rankOf(t bson.Type) int {
	switch t {
	case bson.TypeInt64:
		return 1
	case bson.TypeDouble:
		return 2
	case bson.TypeDecimal128:
		return 3
	}
	return 0
}

func addOverflows(a, b int64) (int64, bool) {
	c := a + b
	return c, (a > 0 && b > 0 && c < 0) || (a < 0 && b < 0 && c >= 0)
}

func mulOverflows(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, false
	}
	c := a * b
	return c, c/b != a || (a == -1 && b == math.MinInt64) || (b == -1 && a == math.MinInt64)
}

// Sum adds numbers exactly, as $add and $sum do: the result has the widest type that was added, and an integer sum beyond 64 bits becomes
// a double (mongo-engine.md §3.4). What is rounded is the result, not the steps, so that sums of parts add up to the sum of all; only a
// sum of doubles that has left their range stays infinite. The zero Sum is 0 as a 32-bit integer.
type Sum struct {
	t       bson.Type
	hi, lo  float64   // hi+lo is the sum of everything but decimals and i
	tail    []float64 // what hi and lo have no room for, from small to large, no two of them overlapping
	i       int64
	big     bool // i has overflowed into hi, lo
	d       *value.DecimalSum
	special float64 // Inf and NaN, which would spoil the compensation
	count   int64
}

// Add adds a number and reports whether v was one.
func (s *Sum) Add(v bson.RawValue) bool { return s.AddParts(v.Type, v.Value) }

// AddParts is Add for a value in parts.
func (s *Sum) AddParts(t bson.Type, v []byte) bool {
	// What most sums are made of is added without making a number of it.
	switch {
	case t == bson.TypeInt32 && len(v) >= 4 && s.t != 0:
		if c, over := addOverflows(s.i, int64(int32(le.Uint32(v)))); !over {
			s.i = c
			s.count++
			return true
		}
	case t == bson.TypeDouble && len(v) >= 8 && s.t == bson.TypeDouble:
		if f := math.Float64frombits(le.Uint64(v)); f-f == 0 {
			s.addFloat(f)
			s.count++
			return true
		}
	}
	n, ok := numberOf(bson.RawValue{Type: t, Value: v})
	if ok {
		s.addNumber(n)
	}
	return ok
}

func (s *Sum) addNumber(n number) {
	s.count++
	if s.t == 0 {
		s.t = bson.TypeInt32
	}
	s.t = wider(s.t, n.t)
	switch n.t {
	case bson.TypeDecimal128:
		s.decimals().Add(n.d)
	case bson.TypeDouble:
		if math.IsInf(n.f, 0) || math.IsNaN(n.f) {
			s.special += n.f
			return
		}
		s.addFloat(n.f)
	default:
		if c, over := addOverflows(s.i, n.i); !over {
			s.i = c
			return
		}
		s.addInt(s.i)
		s.i = n.i
		s.big = true
	}
}

func (s *Sum) decimals() *value.DecimalSum {
	if s.d == nil {
		s.d = &value.DecimalSum{}
	}
	return s.d
}

// addFloat adds f to hi, what that rounds off to lo, and what that rounds off to tail.
func (s *Sum) addFloat(f float64) {
	sum, off := twoSum(s.hi, f)
	if math.IsInf(sum, 0) {
		s.special += sum
		return
	}
	s.hi = sum
	if s.lo, off = twoSum(s.lo, off); off != 0 {
		s.addTail(off)
	}
}

// twoSum is a+b as a double and what it lacks (Knuth).
func twoSum(a, b float64) (sum, off float64) {
	sum = a + b
	t := sum - a
	return sum, (a - (sum - t)) + (b - t)
}

// addTail grows the expansion of tail by f (Shewchuk).
func (s *Sum) addTail(f float64) {
	kept := s.tail[:0]
	for _, p := range s.tail {
		var off float64
		if f, off = twoSum(f, p); off != 0 {
			kept = append(kept, off)
		}
	}
	if f != 0 {
		kept = append(kept, f)
	}
	s.tail = kept
}

// addInt adds an integer without loss, as two halves that each fit a double.
func (s *Sum) addInt(i int64) {
	high := i >> 32 << 32
	s.addFloat(float64(high))
	s.addFloat(float64(i - high))
}

// Count returns how many numbers were added.
func (s *Sum) Count() int64 { return s.count }

// Merge adds everything that o has; o is not to be used any more.
func (s *Sum) Merge(o *Sum) {
	if o.t == 0 {
		return
	}
	if s.t == 0 {
		*s = *o
		return
	}
	t, n := wider(s.t, o.t), s.count+o.count
	s.addNumber(number{t: bson.TypeInt64, i: o.i})
	s.addFloat(o.hi)
	s.addFloat(o.lo)
	for _, f := range o.tail {
		s.addFloat(f)
	}
	s.special += o.special
	s.big = s.big || o.big
	if o.d != nil {
		s.decimals().Merge(o.d)
	}
	s.t, s.count = t, n
}

// Double is the sum as a double.
func (s *Sum) Double() float64 {
	if math.IsNaN(s.special) {
		return math.NaN() // one NaN, whichever came first
	}
	if s.special != 0 {
		return s.special
	}
	t := *s
	t.tail = slices.Clone(s.tail)
	t.addInt(s.i)
	f := t.hi + t.lo
	if len(t.tail) > 0 {
		f, _ = s.exact().Float64()
	}
	if s.d != nil {
		f += s.d.Decimal().Float64()
	}
	return f
}

// sumBits hold a sum of doubles, from the least bit of the smallest to the carries of the largest.
const sumBits = 2200

// exact is the sum of everything but decimals and what is not finite.
func (s *Sum) exact() *big.Float {
	f := new(big.Float).SetPrec(sumBits).SetInt64(s.i)
	for _, p := range append([]float64{s.hi, s.lo}, s.tail...) {
		f.Add(f, big.NewFloat(p))
	}
	return f
}

// asDecimal adds two sums that are rounded to decimals each: that of the decimals and that of all else, as MongoDB does.
func (s *Sum) asDecimal() value.Decimal {
	var all value.DecimalSum
	if s.special != 0 {
		all.Add(exactDecimal(s.special))
	} else if f := s.exact(); f.Sign() != 0 {
		bits := int(f.MinPrec())
		exp := f.MantExp(f)
		c, _ := f.SetMantExp(f, bits).Int(nil)
		var others value.DecimalSum
		others.Add(value.DecimalFromBinary(c, exp-bits))
		all.Add(others.Decimal())
	}
	if s.d != nil {
		all.Add(s.d.Decimal())
	}
	return all.Decimal()
}

// number is the sum in its own type.
func (s *Sum) number() number {
	switch s.t {
	case bson.TypeDecimal128:
		return number{t: s.t, d: s.asDecimal()}
	case bson.TypeDouble:
		return number{t: s.t, f: s.Double()}
	}
	if s.big {
		// The integers that overflowed may have come back into range.
		if i, acc := s.exact().Int64(); acc == big.Exact {
			return number{t: bson.TypeInt64, i: i}
		}
		return number{t: bson.TypeDouble, f: s.Double()}
	}
	if s.t != bson.TypeInt64 && s.i == int64(int32(s.i)) {
		return number{t: bson.TypeInt32, i: s.i}
	}
	return number{t: bson.TypeInt64, i: s.i}
}

// Value is the sum in the widest type that was added.
func (s *Sum) Value(env *Env) bson.RawValue { return s.number().value(env) }

// Average is the sum over the count: a double, or a decimal when one was added; null when nothing was added.
func (s *Sum) Average(env *Env) bson.RawValue {
	if s.count == 0 {
		return Null
	}
	if s.t == bson.TypeDecimal128 {
		return env.Decimal(s.asDecimal().Quo(value.DecimalFromInt(s.count)))
	}
	return env.Double(s.Double() / float64(s.count))
}
