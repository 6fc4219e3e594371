package value

import (
	"cmp"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compareNumbers compares exactly, whatever the two number types are. NaN of any type equals NaN and is below all else.
func compareNumbers(a, b bson.RawValue) int {
	switch a.Type {
	case bson.TypeInt32, bson.TypeInt64:
		ia := intOf(a)
		switch b.Type {
		case bson.TypeInt32, bson.TypeInt64:
			return cmp.Compare(ia, intOf(b))
		case bson.TypeDouble:
			return compareIntDouble(ia, doubleOf(b))
		}
	case bson.TypeDouble:
		fa := doubleOf(a)
		switch b.Type {
		case bson.TypeInt32, bson.TypeInt64:
			return -compareIntDouble(intOf(b), fa)
		case bson.TypeDouble:
			return cmp.Compare(fa, doubleOf(b)) // NaN lowest and equal to itself, -0 equal to 0
		}
	}
	return toDecimalExact(a).Cmp(toDecimalExact(b))
}

func compareIntDouble(i int64, f float64) int {
	switch {
	case math.IsNaN(f):
		return 1
	case f >= 1<<63:
		return -1
	case f < -(1 << 63):
		return 1
	}
	t := int64(f) // exact: |f| < 2^63, the fraction is cut
	if i != t {
		return cmp.Compare(i, t)
	}
	return cmp.Compare(0, f-float64(t))
}

// intOf returns the value of an int32 or int64.
func intOf(v bson.RawValue) int64 {
	if v.Type == bson.TypeInt32 {
		return int64(int32Of(v))
	}
	return int64Of(v)
}

// Integer returns the value of v as an int64 when it is a number that is one exactly: 5, 5L, 5.0 and NumberDecimal("5").
func Integer(v bson.RawValue) (n int64, exact bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return intOf(v), ok(v)
	case bson.TypeDouble:
		f := doubleOf(v)
		if f >= -(1<<63) && f < 1<<63 && f == math.Trunc(f) {
			return int64(f), true
		}
	case bson.TypeDecimal128:
		return decimalOf(v).Int64()
	}
	return 0, false
}

// Truncated returns the value of a number as an int64, cut toward zero and to the ends of int64; NaN is 0. ok is false when v is
// no number.
func Truncated(v bson.RawValue) (n int64, isNumber bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return intOf(v), true
	case bson.TypeDouble:
		return clampFloat(doubleOf(v)), true
	case bson.TypeDecimal128:
		d := decimalOf(v)
		if n, exact := d.Trunc().Int64(); exact {
			return n, true
		}
		return clampFloat(d.Float64()), true
	}
	return 0, false
}

// Direction reads the direction of a sort key, 1 or -1, as MongoDB does: a double is cut, a decimal rounded half to even.
func Direction(v bson.RawValue) (n int64, ok bool) {
	if v.Type == bson.TypeDecimal128 {
		n, _ = decimalOf(v).Quantize(0, HalfEven).Int64()
	} else {
		n, _ = Truncated(v)
	}
	return n, n == 1 || n == -1
}

func clampFloat(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -(1 << 63):
		return math.MinInt64
	}
	return int64(f)
}

// Float64 returns a number as the nearest double; ok is false when v is no number.
func Float64(v bson.RawValue) (f float64, isNumber bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return float64(intOf(v)), true
	case bson.TypeDouble:
		return doubleOf(v), true
	case bson.TypeDecimal128:
		return decimalOf(v).Float64(), true
	}
	return 0, false
}

// IsNaN reports whether v is a NaN of any number type.
func IsNaN(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		return math.IsNaN(doubleOf(v))
	case bson.TypeDecimal128:
		return decimalOf(v).IsNaN()
	}
	return false
}

// The widening order of the number types: the result of an operation has the wider type of its operands (mongo-engine.md §3.4).
func width(t bson.Type) int {
	switch t {
	case bson.TypeInt32:
		return 1
	case bson.TypeInt64:
		return 2
	case bson.TypeDouble:
		return 3
	case bson.TypeDecimal128:
		return 4
	}
	return 0
}

// Add returns a+b with MongoDB's promotion: int32 widens to int64 on overflow, any double makes a double, any decimal a decimal.
// When two integers overflow int64 the result is a double and overflow is true; updates refuse that, expressions take it. The
// arguments must be numbers, else the result is missing.
func Add(a, b bson.RawValue) (sum bson.RawValue, overflow bool) {
	return arith(a, b,
		func(x, y int64) (int64, bool) {
			z := x + y
			return z, (z > x) == (y > 0)
		},
		func(x, y float64) float64 { return x + y },
		Decimal.Add)
}

// Sub returns a-b; see Add.
func Sub(a, b bson.RawValue) (difference bson.RawValue, overflow bool) {
	return arith(a, b,
		func(x, y int64) (int64, bool) {
			z := x - y
			return z, (z < x) == (y > 0)
		},
		func(x, y float64) float64 { return x - y },
		Decimal.Sub)
}

// Mul returns a*b; see Add.
func Mul(a, b bson.RawValue) (product bson.RawValue, overflow bool) {
	return arith(a, b, mulInt, func(x, y float64) float64 { return x * y }, Decimal.Mul)
}

func mulInt(x, y int64) (int64, bool) {
	if x == 0 || y == 0 {
		return 0, true
	}
	z := x * y
	if z/y != x || (x == -1 && y == math.MinInt64) || (y == -1 && x == math.MinInt64) {
		return 0, false
	}
	return z, true
}

func arith(a, b bson.RawValue, ints func(x, y int64) (int64, bool), floats func(x, y float64) float64, decimals func(x, y Decimal) Decimal) (bson.RawValue, bool) {
	wa, wb := width(a.Type), width(b.Type)
	if wa == 0 || wb == 0 {
		return Missing, false
	}
	switch max(wa, wb) {
	case 1, 2:
		x, y := intOf(a), intOf(b)
		n, fits := ints(x, y)
		switch {
		case !fits:
			return Double(floats(float64(x), float64(y))), true
		case wa == 1 && wb == 1:
			return Int(n), false
		}
		return Int64(n), false
	case 3:
		x, _ := Float64(a)
		y, _ := Float64(b)
		return Double(floats(x, y)), false
	}
	return FromDecimal(decimals(ToDecimal(a), ToDecimal(b))), false
}
