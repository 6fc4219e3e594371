package expr

import (
	"math"
	"math/big"

	"regent/docdb/internal/value"
)

// working is the precision, in bits, of transcendental functions on decimals: 34 digits are 113 bits, the rest guards rounding.
const working = 192

// bigFloat converts a finite decimal.
func bigFloat(d value.Decimal) *big.Float {
	f, _, err := big.ParseFloat(d.String(), 10, working, big.ToNearestEven)
	if err != nil {
		return new(big.Float).SetPrec(working)
	}
	return f
}

// decimalOfBig converts back, to 34 digits.
func decimalOfBig(f *big.Float) value.Decimal {
	if f.IsInf() {
		return value.DecimalInf(f.Signbit())
	}
	d, ok := value.ParseDecimal(f.Text('e', 33))
	if !ok {
		return value.DecimalNaN()
	}
	return shortened(d)
}

// shortened takes trailing zeros off, so that ln(1) is 0 and 2^0.5² prints as a person would.
func shortened(d value.Decimal) value.Decimal {
	c, exp := d.Parts()
	if c.Sign() == 0 {
		return value.DecimalFromInt(0)
	}
	ten, q, r := big.NewInt(10), new(big.Int), new(big.Int)
	for exp < 0 {
		if q.QuoRem(c, ten, r); r.Sign() != 0 {
			break
		}
		c.Set(q)
		exp++
	}
	if d.Negative() {
		c.Neg(c)
	}
	return value.DecimalFromBig(c, exp)
}

func newFloat(f float64) *big.Float { return new(big.Float).SetPrec(working).SetFloat64(f) }

// lnBig is the natural logarithm of x > 0: x = m·2^e, ln m by the series of atanh.
func lnBig(x *big.Float) *big.Float {
	m := new(big.Float).SetPrec(working)
	e := x.MantExp(m) // m in [0.5, 1)
	ln2 := atanhSeries(new(big.Float).SetPrec(working).Quo(newFloat(1), newFloat(3)))
	num, den := newFloat(0), newFloat(0)
	num.Sub(m, newFloat(1))
	den.Add(m, newFloat(1))
	r := atanhSeries(num.Quo(num, den))
	return r.Add(r, ln2.Mul(ln2, newFloat(float64(e))))
}

// atanhSeries is 2·atanh(z) for |z| ≤ 1/3.
func atanhSeries(z *big.Float) *big.Float {
	sum, term, sq := newFloat(0), newFloat(0).Set(z), newFloat(0).Mul(z, z)
	for k := 1; k < 400; k += 2 {
		if term.Sign() == 0 {
			break
		}
		sum.Add(sum, newFloat(0).Quo(term, newFloat(float64(k))))
		term.Mul(term, sq)
	}
	return sum.Mul(sum, newFloat(2))
}

// expBig is e^x: x = k·ln2 + r, e^r by its series.
func expBig(x *big.Float) *big.Float {
	ln2 := atanhSeries(new(big.Float).SetPrec(working).Quo(newFloat(1), newFloat(3)))
	f, _ := newFloat(0).Quo(x, ln2).Float64()
	k := math.Round(f)
	r := newFloat(0).Sub(x, newFloat(0).Mul(ln2, newFloat(k)))
	sum, term := newFloat(1), newFloat(1)
	for i := 1; i < 200; i++ {
		term.Mul(term, r)
		term.Quo(term, newFloat(float64(i)))
		if term.Sign() == 0 || term.MantExp(nil) < -working-8 {
			break
		}
		sum.Add(sum, term)
	}
	return sum.SetMantExp(sum, int(k))
}

// decimalLog is the natural logarithm, or that to base 10, of a positive decimal.
func decimalLog(d value.Decimal, base10 bool) value.Decimal {
	if d.IsNaN() || d.IsInf() {
		return d
	}
	l := lnBig(bigFloat(d))
	if base10 {
		l.Quo(l, lnBig(newFloat(10)))
	}
	return decimalOfBig(l)
}

// expLimit is beyond what e can be raised to in a decimal.
const expLimit = 15000

func decimalExp(d value.Decimal) value.Decimal {
	switch f := d.Float64(); {
	case d.IsNaN():
		return d
	case f > expLimit:
		return value.DecimalInf(false)
	case f < -expLimit:
		return value.DecimalFromInt(0)
	}
	return decimalOfBig(expBig(bigFloat(d)))
}

// decimalPow is x to the power of y.
func decimalPow(x, y value.Decimal) value.Decimal {
	switch {
	case y.IsZero():
		return value.DecimalFromInt(1)
	case x.IsNaN() || y.IsNaN():
		return value.DecimalNaN()
	case x.IsInf() || y.IsInf() || x.IsZero():
		return resultDecimal(math.Pow(x.Float64(), y.Float64()))
	}
	n, whole := y.Int64()
	if whole && n > -10000 && n < 10000 {
		r, b, k := value.DecimalFromInt(1), x, n
		if k < 0 {
			k = -k
		}
		for ; k > 0; k >>= 1 {
			if k&1 == 1 {
				r = r.Mul(b)
			}
			if k > 1 {
				b = b.Mul(b)
			}
		}
		if n < 0 {
			r = value.DecimalFromInt(1).Quo(r)
		}
		return r
	}
	if x.Negative() {
		if !whole {
			return value.DecimalNaN()
		}
		r := decimalPow(x.Neg(), y)
		if n%2 != 0 {
			r = r.Neg()
		}
		return r
	}
	l := lnBig(bigFloat(x))
	l.Mul(l, bigFloat(y))
	switch f, _ := l.Float64(); {
	case f > expLimit:
		return value.DecimalInf(false)
	case f < -expLimit:
		return value.DecimalFromInt(0)
	}
	return decimalOfBig(expBig(l))
}
