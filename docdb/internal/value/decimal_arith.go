package value

import "math/big"

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	d.neg = !d.neg
	return d
}

// Abs returns |d|.
func (d Decimal) Abs() Decimal {
	d.neg = false
	return d
}

// Add returns d+e.
func (d Decimal) Add(e Decimal) Decimal {
	switch {
	case d.kind == decNaN || e.kind == decNaN:
		return DecimalNaN()
	case d.kind == decInf && e.kind == decInf:
		if d.neg != e.neg {
			return DecimalNaN()
		}
		return d
	case d.kind == decInf:
		return d
	case e.kind == decInf:
		return e
	}
	exp := min(d.exp, e.exp)
	// Operands further apart than the precision: the small one only decides a rounding tie, stand in for it by one unit far below.
	if d, e, far := apart(d, e); far {
		return addFar(d, e)
	}
	x, y := d.scaled(exp), e.scaled(exp)
	sum := new(big.Int).Add(x, y)
	neg := sum.Sign() < 0
	if sum.Sign() == 0 {
		neg = d.neg && e.neg
	}
	return Decimal{neg: neg, coef: sum.Abs(sum), exp: exp}.round()
}

// Sub returns d-e.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// scaled returns d's signed coefficient for a smaller or equal exponent.
func (d Decimal) scaled(exp int) *big.Int {
	c := new(big.Int).Set(d.c())
	if d.exp > exp && c.Sign() != 0 {
		c.Mul(c, pow10(d.exp-exp))
	}
	if d.neg {
		c.Neg(c)
	}
	return c
}

// apart orders two numbers by magnitude and tells whether the second is too small to touch the first's digits.
func apart(d, e Decimal) (big, small Decimal, far bool) {
	if d.IsZero() || e.IsZero() {
		return d, e, false
	}
	ad, ae := d.exp+digits(d.c()), e.exp+digits(e.c())
	if ad < ae {
		d, e, ad, ae = e, d, ae, ad
	}
	return d, e, ad-ae > 3*decDigits && d.exp > ae
}

func addFar(d, e Decimal) Decimal {
	exp := d.exp - 2*decDigits
	c := d.scaled(exp)
	one := big.NewInt(1)
	if e.neg {
		one.Neg(one)
	}
	c.Add(c, one)
	return Decimal{neg: c.Sign() < 0, coef: c.Abs(c), exp: exp}.round()
}

// Mul returns d*e.
func (d Decimal) Mul(e Decimal) Decimal {
	neg := d.neg != e.neg
	switch {
	case d.kind == decNaN || e.kind == decNaN:
		return DecimalNaN()
	case d.kind == decInf || e.kind == decInf:
		if d.IsZero() || e.IsZero() {
			return DecimalNaN()
		}
		return DecimalInf(neg)
	}
	return Decimal{neg: neg, coef: new(big.Int).Mul(d.c(), e.c()), exp: d.exp + e.exp}.round()
}

// Quo returns d/e; x/0 is an infinity, 0/0 is NaN.
func (d Decimal) Quo(e Decimal) Decimal {
	neg := d.neg != e.neg
	switch {
	case d.kind == decNaN || e.kind == decNaN:
		return DecimalNaN()
	case d.kind == decInf:
		if e.kind == decInf {
			return DecimalNaN()
		}
		return DecimalInf(neg)
	case e.kind == decInf:
		return Decimal{neg: neg, exp: decMinExp}
	case e.IsZero():
		if d.IsZero() {
			return DecimalNaN()
		}
		return DecimalInf(neg)
	case d.IsZero():
		return Decimal{neg: neg, exp: d.exp - e.exp}.round()
	}
	// Enough digits for 34 and a guard; a remainder is kept as one more non-zero digit, so that rounding sees it.
	shift := max(decDigits+3+digits(e.c())-digits(d.c()), 0)
	num := new(big.Int).Mul(d.c(), pow10(shift))
	q, r := num.QuoRem(num, e.c(), new(big.Int))
	exp := d.exp - e.exp - shift
	if r.Sign() != 0 {
		q.Mul(q, bigTen).Add(q, big.NewInt(1))
		return Decimal{neg: neg, coef: q, exp: exp - 1}.round()
	}
	// An exact quotient takes the exponent nearest to d.exp - e.exp.
	ideal := d.exp - e.exp
	for exp < ideal {
		t, m := new(big.Int).QuoRem(q, bigTen, new(big.Int))
		if m.Sign() != 0 {
			break
		}
		q, exp = t, exp+1
	}
	return Decimal{neg: neg, coef: q, exp: exp}.round()
}

// Rem returns the remainder of d/e cut toward zero, with d's sign.
func (d Decimal) Rem(e Decimal) Decimal {
	switch {
	case d.kind != decFinite || e.kind == decNaN || e.IsZero():
		return DecimalNaN()
	case e.kind == decInf || d.IsZero():
		return d
	case d.exp+digits(d.c()) < e.exp: // smaller than e by magnitude
		return d
	}
	exp := min(d.exp, e.exp)
	y := new(big.Int).Mul(e.c(), pow10(e.exp-exp))
	var r *big.Int
	if d.exp-exp > 100 { // 10^k mod y without the thousands of digits of 10^k
		p := new(big.Int).Exp(bigTen, big.NewInt(int64(d.exp-exp)), y)
		r = p.Mul(p, d.c()).Mod(p, y)
	} else {
		r = new(big.Int).Mul(d.c(), pow10(d.exp-exp))
		r.Rem(r, y)
	}
	return Decimal{neg: d.neg, coef: r, exp: exp}.round()
}

// Rounding says which way Quantize goes.
type Rounding uint8

// The ways to round.
const (
	HalfEven Rounding = iota
	TowardZero
	Down // toward negative infinity
	Up   // toward positive infinity
)

// Quantize rounds d to a number of places after the point; negative places round to tens, hundreds, …
func (d Decimal) Quantize(places int, how Rounding) Decimal {
	if d.kind != decFinite || d.exp >= -places {
		return d
	}
	n := -places - d.exp
	c := d.c()
	if n > digits(c)+1 { // all digits go; keep one to see which side of zero
		if c.Sign() != 0 {
			c = big.NewInt(1)
		}
		n = 2
	}
	var q *big.Int
	if how == HalfEven {
		q = shiftHalfEven(c, n)
	} else {
		var r *big.Int
		q, r = new(big.Int).QuoRem(c, pow10(n), new(big.Int))
		if r.Sign() != 0 && ((how == Up && !d.neg) || (how == Down && d.neg)) {
			q.Add(q, big.NewInt(1))
		}
	}
	return Decimal{neg: d.neg, coef: q, exp: -places}.round()
}

// Trunc cuts the fraction.
func (d Decimal) Trunc() Decimal { return d.Quantize(0, TowardZero) }

// Floor rounds toward negative infinity.
func (d Decimal) Floor() Decimal { return d.Quantize(0, Down) }

// Ceil rounds toward positive infinity.
func (d Decimal) Ceil() Decimal { return d.Quantize(0, Up) }

// Sqrt returns the square root, NaN for a negative number.
func (d Decimal) Sqrt() Decimal {
	switch {
	case d.kind == decNaN || (d.neg && !d.IsZero()):
		return DecimalNaN()
	case d.kind == decInf:
		return d
	case d.IsZero():
		return Decimal{neg: d.neg, exp: d.exp / 2}.round()
	}
	c, exp := d.c(), d.exp
	shift := max(2*(decDigits+2)-digits(c), 0)
	if (exp-shift)%2 != 0 {
		shift++
	}
	n := new(big.Int).Mul(c, pow10(shift))
	q := new(big.Int).Sqrt(n)
	exp = (exp - shift) / 2
	if new(big.Int).Mul(q, q).Cmp(n) != 0 {
		q.Mul(q, bigTen).Add(q, big.NewInt(1))
		return Decimal{coef: q, exp: exp - 1}.round()
	}
	for exp < d.exp/2 {
		t, m := new(big.Int).QuoRem(q, bigTen, new(big.Int))
		if m.Sign() != 0 {
			break
		}
		q, exp = t, exp+1
	}
	return Decimal{coef: q, exp: exp}.round()
}
