package value

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The bounds of decimal128: 34 digits, exponents -6176 to 6111.
const (
	decDigits = 34
	decMinExp = -6176
	decMaxExp = 6111
)

type decKind uint8

const (
	decFinite decKind = iota
	decInf
	decNaN
)

// Decimal is a decimal number of any precision: coefficient × 10^exponent, an infinity or NaN. Its arithmetic rounds to 34 digits,
// half to even, as decimal128 does. The zero Decimal is 0. A Decimal is never changed in place.
type Decimal struct {
	kind decKind
	neg  bool
	coef *big.Int // nil is 0; never negative
	exp  int
}

var bigTen = big.NewInt(10)

func pow10(n int) *big.Int { return new(big.Int).Exp(bigTen, big.NewInt(int64(n)), nil) }

func (d Decimal) c() *big.Int {
	if d.coef == nil {
		return new(big.Int)
	}
	return d.coef
}

// DecimalNaN returns NaN.
func DecimalNaN() Decimal { return Decimal{kind: decNaN} }

// DecimalInf returns an infinity.
func DecimalInf(negative bool) Decimal { return Decimal{kind: decInf, neg: negative} }

// DecimalFromInt returns n.
func DecimalFromInt(n int64) Decimal {
	c := big.NewInt(n)
	return Decimal{neg: n < 0, coef: c.Abs(c)}
}

// DecimalFromBig returns coefficient × 10^exp, not rounded.
func DecimalFromBig(coefficient *big.Int, exp int) Decimal {
	return Decimal{neg: coefficient.Sign() < 0, coef: new(big.Int).Abs(coefficient), exp: exp}
}

// decimalOf reads a decimal128 value.
func decimalOf(v bson.RawValue) Decimal {
	if len(v.Value) < 16 {
		return Decimal{}
	}
	lo := binary.LittleEndian.Uint64(v.Value)
	hi := binary.LittleEndian.Uint64(v.Value[8:])
	neg := hi>>63 == 1
	if hi>>61&3 == 3 { // the two bits below the sign: large form, infinity or NaN
		switch hi >> 58 & 31 {
		case 30:
			return Decimal{kind: decInf, neg: neg}
		case 31:
			return Decimal{kind: decNaN}
		}
		// The large form's coefficient is always above 10^34-1, which counts as zero.
		return Decimal{neg: neg, exp: int(hi>>47&0x3fff) + decMinExp}
	}
	exp := int(hi>>49&0x3fff) + decMinExp
	hi &= 1<<49 - 1
	c := new(big.Int).SetUint64(hi)
	c.Lsh(c, 64).Or(c, new(big.Int).SetUint64(lo))
	if c.Cmp(maxCoef()) > 0 {
		c.SetInt64(0)
	}
	return Decimal{neg: neg, coef: c, exp: exp}
}

func maxCoef() *big.Int {
	m := pow10(decDigits)
	return m.Sub(m, big.NewInt(1))
}

// FromDecimal returns d rounded to decimal128, as a value.
func FromDecimal(d Decimal) bson.RawValue {
	hi, lo := d.encode()
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), lo)
	return bson.RawValue{Type: bson.TypeDecimal128, Value: binary.LittleEndian.AppendUint64(b, hi)}
}

// encode returns the decimal128 bits of d. Too large a number becomes an infinity, too small a one rounds to zero.
func (d Decimal) encode() (hi, lo uint64) {
	var sign uint64
	if d.neg {
		sign = 1 << 63
	}
	d = d.round()
	switch d.kind {
	case decInf:
		return sign | 0x78<<56, 0
	case decNaN:
		return 0x7c << 56, 0
	}
	c := d.c()
	lo = new(big.Int).And(c, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	hi = new(big.Int).Rsh(c, 64).Uint64()
	return sign | uint64(d.exp-decMinExp)<<49 | hi, lo
}

func digits(c *big.Int) int {
	if c.Sign() == 0 {
		return 1
	}
	// An estimate from the bit length, at most one too small.
	n := int(float64(c.BitLen()-1) * 0.30102999566398120)
	if c.CmpAbs(pow10(n)) >= 0 {
		n++
	}
	if n == 0 {
		return 1
	}
	if c.CmpAbs(pow10(n)) >= 0 {
		n++
	}
	return n
}

// round brings d into decimal128's bounds, half to even.
func (d Decimal) round() Decimal {
	if d.kind != decFinite {
		return d
	}
	c, exp := d.c(), d.exp
	if c.Sign() == 0 {
		return Decimal{neg: d.neg, coef: new(big.Int), exp: min(max(exp, decMinExp), decMaxExp)}
	}
	drop := max(digits(c)-decDigits, decMinExp-exp, 0)
	if drop > 0 {
		c = shiftHalfEven(c, drop)
		exp += drop
		if digits(c) > decDigits { // 99…9 rounded up
			c = new(big.Int).Quo(c, bigTen)
			exp++
		}
	}
	if c.Sign() == 0 {
		return Decimal{neg: d.neg, coef: c, exp: min(max(exp, decMinExp), decMaxExp)}
	}
	if exp > decMaxExp {
		pad := exp - decMaxExp
		if digits(c)+pad > decDigits {
			return DecimalInf(d.neg)
		}
		c = new(big.Int).Mul(c, pow10(pad))
		exp = decMaxExp
	}
	return Decimal{neg: d.neg, coef: c, exp: exp}
}

// shiftHalfEven returns c / 10^n, half to even.
func shiftHalfEven(c *big.Int, n int) *big.Int {
	if n > digits(c)+1 {
		return new(big.Int)
	}
	q, r := new(big.Int).QuoRem(c, pow10(n), new(big.Int))
	r.Lsh(r, 1)
	switch r.Cmp(pow10(n)) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
	}
	return q
}

// ToDecimal converts a number as MongoDB's $toDecimal does: a double has 15 significant digits, so that 0.1 becomes 0.100000000000000 and
// not its binary neighbour; integers are exact. A value that is no number gives NaN.
func ToDecimal(v bson.RawValue) Decimal {
	if v.Type == bson.TypeDouble {
		f := doubleOf(v)
		if f != f || math.IsInf(f, 0) {
			return toDecimalExact(v)
		}
		if f == 0 {
			return Decimal{neg: math.Signbit(f), coef: new(big.Int)}
		}
		d, _ := ParseDecimal(strconv.FormatFloat(f, 'e', 14, 64))
		return d
	}
	return toDecimalExact(v)
}

// toDecimalExact converts a number without any rounding: a double becomes its exact decimal expansion.
func toDecimalExact(v bson.RawValue) Decimal {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return DecimalFromInt(intOf(v))
	case bson.TypeDecimal128:
		return decimalOf(v)
	case bson.TypeDouble:
		f := doubleOf(v)
		switch {
		case f != f:
			return DecimalNaN()
		case math.IsInf(f, 0):
			return DecimalInf(f < 0)
		case f == 0:
			return Decimal{neg: math.Signbit(f)}
		}
		m, e := math.Frexp(f) // f = m × 2^e with 53 bits in m
		return DecimalFromBinary(big.NewInt(int64(m*(1<<53))), e-53)
	}
	return DecimalNaN()
}

// DecimalFromBinary returns c × 2^exp with all of its digits and no more of them than it takes.
func DecimalFromBinary(c *big.Int, exp int) Decimal {
	if tz := int(c.TrailingZeroBits()); exp < 0 && tz > 0 {
		k := min(tz, -exp)
		c = new(big.Int).Rsh(c, uint(k))
		exp += k
	}
	if exp >= 0 {
		return DecimalFromBig(new(big.Int).Lsh(c, uint(exp)), 0)
	}
	// c / 2^n is c × 5^n / 10^n.
	return DecimalFromBig(new(big.Int).Mul(c, new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(-exp)), nil)), exp)
}

// ParseDecimal reads a decimal in the notation of NumberDecimal: digits with an optional fraction and exponent, "Infinity", "NaN".
// The number is rounded to 34 digits.
func ParseDecimal(s string) (Decimal, bool) {
	t := s
	neg := false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg = t[0] == '-'
		t = t[1:]
	}
	switch strings.ToLower(t) {
	case "inf", "infinity":
		return DecimalInf(neg), true
	case "nan":
		return DecimalNaN(), true
	}
	exp := 0
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		n, err := strconv.Atoi(t[i+1:])
		if err != nil || n > 1_000_000 || n < -1_000_000 {
			return Decimal{}, false
		}
		exp, t = n, t[:i]
	}
	if i := strings.IndexByte(t, '.'); i >= 0 {
		exp -= len(t) - i - 1
		t = t[:i] + t[i+1:]
	}
	if t == "" || len(t) > 10_000 {
		return Decimal{}, false
	}
	for i := 0; i < len(t); i++ {
		if t[i] < '0' || t[i] > '9' {
			return Decimal{}, false
		}
	}
	c, _ := new(big.Int).SetString(t, 10)
	return Decimal{neg: neg, coef: c, exp: exp}.round(), true
}

// IsNaN, IsInf, IsZero and Negative classify d.
func (d Decimal) IsNaN() bool { return d.kind == decNaN }

// IsInf reports whether d is an infinity.
func (d Decimal) IsInf() bool { return d.kind == decInf }

// IsZero reports whether d is 0 or -0.
func (d Decimal) IsZero() bool { return d.kind == decFinite && d.c().Sign() == 0 }

// Negative reports whether d has a minus sign, -0 included.
func (d Decimal) Negative() bool { return d.neg && d.kind != decNaN }

// Parts returns coefficient (never negative) and exponent of a finite d.
func (d Decimal) Parts() (coefficient *big.Int, exp int) { return new(big.Int).Set(d.c()), d.exp }

// Sign returns -1, 0 or 1; 0 for NaN.
func (d Decimal) Sign() int {
	switch {
	case d.kind == decNaN, d.IsZero():
		return 0
	case d.neg:
		return -1
	}
	return 1
}

// Cmp compares exactly. NaN equals NaN and is below everything.
func (d Decimal) Cmp(e Decimal) int {
	switch {
	case d.kind == decNaN && e.kind == decNaN:
		return 0
	case d.kind == decNaN:
		return -1
	case e.kind == decNaN:
		return 1
	}
	sd, se := d.Sign(), e.Sign()
	if sd != se {
		if sd < se {
			return -1
		}
		return 1
	}
	if sd == 0 {
		return 0
	}
	m := d.cmpMagnitude(e)
	if sd < 0 {
		return -m
	}
	return m
}

func (d Decimal) cmpMagnitude(e Decimal) int {
	switch {
	case d.kind == decInf && e.kind == decInf:
		return 0
	case d.kind == decInf:
		return 1
	case e.kind == decInf:
		return -1
	}
	// The position of the leading digit settles most comparisons without scaling by thousands of digits.
	ad, ae := d.exp+digits(d.c()), e.exp+digits(e.c())
	if ad != ae {
		if ad < ae {
			return -1
		}
		return 1
	}
	x, y := d.c(), e.c()
	if d.exp > e.exp {
		x = new(big.Int).Mul(x, pow10(d.exp-e.exp))
	} else if e.exp > d.exp {
		y = new(big.Int).Mul(y, pow10(e.exp-d.exp))
	}
	return x.Cmp(y)
}

// Int64 returns d as an integer when it is one exactly and fits.
func (d Decimal) Int64() (int64, bool) {
	if d.kind != decFinite {
		return 0, false
	}
	c := d.c()
	if c.Sign() == 0 {
		return 0, true
	}
	switch {
	case d.exp > 19:
		return 0, false
	case d.exp > 0:
		c = new(big.Int).Mul(c, pow10(d.exp))
	case d.exp < 0:
		if -d.exp > digits(c) {
			return 0, false
		}
		q, r := new(big.Int).QuoRem(c, pow10(-d.exp), new(big.Int))
		if r.Sign() != 0 {
			return 0, false
		}
		c = q
	}
	if d.neg {
		c = new(big.Int).Neg(c)
	}
	if !c.IsInt64() {
		return 0, false
	}
	return c.Int64(), true
}

// Float64 returns the nearest double.
func (d Decimal) Float64() float64 {
	switch d.kind {
	case decNaN:
		return math.NaN()
	case decInf:
		if d.neg {
			return math.Inf(-1)
		}
		return math.Inf(1)
	}
	f, _ := strconv.ParseFloat(d.c().String()+"e"+strconv.Itoa(d.exp), 64)
	if d.neg {
		return math.Copysign(f, -1)
	}
	return f
}

// String returns d in MongoDB's notation of decimals, trailing zeros kept.
func (d Decimal) String() string {
	hi, lo := d.encode()
	return bson.NewDecimal128(hi, lo).String()
}
