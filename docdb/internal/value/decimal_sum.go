package value

import "math/big"

// sumDigits is how many digits a DecimalSum keeps: ten times what its result has.
const sumDigits = 10 * decDigits

// DecimalSum adds decimals and rounds only when it is asked for the result, so that it makes no difference in which order they come and
// which of them were added up before. That holds as long as no two of its digits are further apart than sumDigits; beyond, what is
// smallest is rounded off. The zero DecimalSum has no addends.
type DecimalSum struct {
	kind  decKind
	neg   bool     // of an infinity
	minus bool     // every addend has had a minus sign: if the sum is zero it is -0
	coef  *big.Int // signed; nil before the first addend
	exp   int
}

// Add adds d.
func (s *DecimalSum) Add(d Decimal) {
	if d.kind != decFinite {
		s.addSpecial(d.kind, d.neg)
		return
	}
	c := new(big.Int).Set(d.c())
	if d.neg {
		c.Neg(c)
	}
	s.add(c, d.exp, d.neg)
}

// Merge adds everything that o has; o is not to be used any more.
func (s *DecimalSum) Merge(o *DecimalSum) {
	if o.kind != decFinite {
		s.addSpecial(o.kind, o.neg)
	}
	if o.coef != nil {
		s.add(o.coef, o.exp, o.minus)
	}
}

func (s *DecimalSum) addSpecial(kind decKind, neg bool) {
	if s.kind == decInf && kind == decInf && s.neg != neg {
		kind = decNaN
	}
	if kind > s.kind {
		s.kind, s.neg = kind, neg
	}
}

// add takes c, which it may change.
func (s *DecimalSum) add(c *big.Int, exp int, minus bool) {
	if s.coef == nil {
		s.coef, s.exp, s.minus = c, exp, minus
		return
	}
	low := min(s.exp, exp)
	if s.exp != exp {
		low = max(low, max(s.exp+digits(s.coef), exp+digits(c))-sumDigits)
	}
	moveTo(s.coef, s.exp, low)
	moveTo(c, exp, low)
	s.coef.Add(s.coef, c)
	s.exp, s.minus = low, s.minus && minus
}

// moveTo makes c × 10^exp to c × 10^low, rounded half to even.
func moveTo(c *big.Int, exp, low int) {
	switch {
	case exp > low && c.Sign() != 0:
		c.Mul(c, pow10(exp-low))
	case exp < low:
		neg := c.Sign() < 0
		c.Set(shiftHalfEven(c.Abs(c), low-exp))
		if neg {
			c.Neg(c)
		}
	}
}

// Decimal is the sum, rounded to 34 digits.
func (s *DecimalSum) Decimal() Decimal {
	if s.kind != decFinite {
		return Decimal{kind: s.kind, neg: s.neg && s.kind == decInf}
	}
	if s.coef == nil {
		return Decimal{}
	}
	d := DecimalFromBig(s.coef, s.exp)
	d.neg = d.neg || s.minus && s.coef.Sign() == 0
	return d.round()
}
