package value

import (
	"math"
	"math/big"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func dec(t testing.TB, s string) Decimal {
	t.Helper()
	d, ok := ParseDecimal(s)
	if !ok {
		t.Fatalf("%q", s)
	}
	return d
}

func TestDecimalArithmetic(t *testing.T) {
	binary := map[string]func(a, b Decimal) Decimal{"+": Decimal.Add, "-": Decimal.Sub, "*": Decimal.Mul, "/": Decimal.Quo, "%": Decimal.Rem}
	for _, c := range []struct{ a, op, b, want string }{
		{"1", "+", "2.50", "3.50"},
		{"1", "+", "1E-40", "1.000000000000000000000000000000000"},
		{"9999999999999999999999999999999999", "+", "1", "1.000000000000000000000000000000000E+34"},
		{"1E+6000", "+", "1E-6000", "1.000000000000000000000000000000000E+6000"},
		{"9.999999999999999999999999999999999E+6144", "+", "9.999999999999999999999999999999999E+6144", "Infinity"},
		{"Infinity", "-", "Infinity", "NaN"},
		{"-0", "+", "0", "0"},
		{"-0", "+", "-0", "-0"},
		{"0.1", "*", "3", "0.3"},
		{"1.10", "*", "2.0", "2.200"},
		{"0", "*", "Infinity", "NaN"},
		{"1E-6176", "*", "0.1", "0E-6176"},
		{"1", "/", "3", "0.3333333333333333333333333333333333"},
		{"2", "/", "3", "0.6666666666666666666666666666666667"},
		{"10", "/", "4", "2.5"},
		{"1", "/", "0", "Infinity"},
		{"-1", "/", "0", "-Infinity"},
		{"0", "/", "0", "NaN"},
		{"-7.5", "%", "2", "-1.5"},
		{"7", "%", "-2", "1"},
		{"1E+6000", "%", "7", "1"},
		{"5", "%", "0", "NaN"},
		{"3", "%", "Infinity", "3"},
	} {
		got := binary[c.op](dec(t, c.a), dec(t, c.b)).String()
		if got != c.want {
			t.Errorf("%s %s %s = %s, want %s", c.a, c.op, c.b, got, c.want)
		}
	}
	if got := dec(t, "2").Sqrt().String(); got != "1.414213562373095048801688724209698" {
		t.Errorf("the root of 2 is %s", got)
	}
	if got := dec(t, "1E+10").Sqrt(); got.Cmp(dec(t, "100000")) != 0 {
		t.Errorf("the root of 1E+10 is %s", got)
	}
}

func TestQuantize(t *testing.T) {
	for _, c := range []struct {
		v      string
		places int
		how    Rounding
		want   string
	}{
		{"2.5", 0, HalfEven, "2"}, {"3.5", 0, HalfEven, "4"}, {"-2.5", 0, HalfEven, "-2"}, {"2.51", 0, HalfEven, "3"},
		{"1.25", 1, HalfEven, "1.2"}, {"1.35", 1, HalfEven, "1.4"}, {"1250", -2, HalfEven, "1.2E+3"}, {"1351", -2, HalfEven, "1.4E+3"},
		{"2.9", 0, TowardZero, "2"}, {"-2.9", 0, TowardZero, "-2"},
		{"-2.1", 0, Down, "-3"}, {"2.9", 0, Down, "2"}, {"2.1", 0, Up, "3"}, {"-2.9", 0, Up, "-2"},
		{"1E-100", 0, Up, "1"}, {"-1E-100", 0, Down, "-1"}, {"1E-100", 0, HalfEven, "0"},
	} {
		if got := dec(t, c.v).Quantize(c.places, c.how).String(); got != c.want {
			t.Errorf("%s to %d places (%d) = %s, want %s", c.v, c.places, c.how, got, c.want)
		}
	}
}

func rat(d Decimal) *big.Rat {
	c, exp := d.Parts()
	r := new(big.Rat).SetInt(c)
	p := new(big.Rat).SetInt(pow10(max(exp, -exp)))
	if exp < 0 {
		r.Quo(r, p)
	} else {
		r.Mul(r, p)
	}
	if d.Negative() {
		r.Neg(r)
	}
	return r
}

// TestDecimalResultsAreNearest compares with exact fractions: no result is off by more than half of its last digit.
func TestDecimalResultsAreNearest(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) Decimal {
		c := new(big.Int)
		c.SetString("1"+rapid.StringMatching(`[0-9]{0,33}`).Draw(t, "digits"), 10)
		if rapid.Bool().Draw(t, "negative") {
			c.Neg(c)
		}
		return DecimalFromBig(c, rapid.IntRange(-40, 40).Draw(t, "exp"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		for op, exact := range map[string]*big.Rat{
			"+": new(big.Rat).Add(rat(a), rat(b)), "*": new(big.Rat).Mul(rat(a), rat(b)), "/": new(big.Rat).Quo(rat(a), rat(b)),
		} {
			got := map[string]Decimal{"+": a.Add(b), "*": a.Mul(b), "/": a.Quo(b)}[op]
			again := decimalOf(FromDecimal(got))
			if again.Cmp(got) != 0 {
				t.Fatalf("%s %s %s = %s, encoded %s", a, op, b, got, again)
			}
			off := new(big.Rat).Sub(rat(got), exact)
			_, exp := got.Parts()
			half := rat(Decimal{coef: big.NewInt(5), exp: exp - 1})
			if off.Abs(off).Cmp(half) > 0 {
				t.Fatalf("%s %s %s = %s, off by %s", a, op, b, got, off.FloatString(60))
			}
		}
	})
}

func TestIntegersWidenAndOverflow(t *testing.T) {
	long := func(n int64) bson.RawValue { return Int64(n) }
	for _, c := range []struct {
		name     string
		got      func() (bson.RawValue, bool)
		want     bson.RawValue
		overflow bool
	}{
		{"int+int", func() (bson.RawValue, bool) { return Add(Int32(1), Int32(2)) }, Int32(3), false},
		{"int+int wide", func() (bson.RawValue, bool) { return Add(Int32(math.MaxInt32), Int32(1)) }, long(1 << 31), false},
		{"long+int", func() (bson.RawValue, bool) { return Add(long(1), Int32(2)) }, long(3), false},
		{"long+long over", func() (bson.RawValue, bool) { return Add(long(math.MaxInt64), long(1)) }, Double(1 << 63), true},
		{"long-long over", func() (bson.RawValue, bool) { return Sub(long(math.MinInt64), long(1)) }, Double(-(1 << 63)), true},
		{"long-min", func() (bson.RawValue, bool) { return Sub(long(0), long(math.MinInt64)) }, Double(1 << 63), true},
		{"long*-1 over", func() (bson.RawValue, bool) { return Mul(long(math.MinInt64), Int32(-1)) }, Double(1 << 63), true},
		{"int*int wide", func() (bson.RawValue, bool) { return Mul(Int32(1<<20), Int32(1<<20)) }, long(1 << 40), false},
		{"int+double", func() (bson.RawValue, bool) { return Add(Int32(1), Double(0.5)) }, Double(1.5), false},
		{"no number", func() (bson.RawValue, bool) { return Add(Int32(1), Null) }, Missing, false},
	} {
		if v, over := c.got(); !Identical(v, c.want) || over != c.overflow {
			t.Errorf("%s: %s (%s), %t", c.name, Show(v), TypeName(v.Type), over)
		}
	}
}
