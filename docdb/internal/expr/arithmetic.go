package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func arithmeticOperators() []operator {
	return []operator{
		{name: "$abs", min: 1, max: 1, eval: abs, help: "absolute value"},
		{name: "$add", min: 0, max: -1, eval: add, help: "sum of numbers, or of one date and milliseconds"},
		{name: "$ceil", min: 1, max: 1, eval: unary("$ceil", math.Ceil, value.Decimal.Ceil), help: "smallest whole number not below"},
		{name: "$divide", min: 2, max: 2, eval: divide, help: "quotient, a double or a decimal"},
		{name: "$exp", min: 1, max: 1, eval: exponential, help: "e to the power of"},
		{name: "$floor", min: 1, max: 1, eval: unary("$floor", math.Floor, value.Decimal.Floor), help: "largest whole number not above"},
		{name: "$ln", min: 1, max: 1, eval: positive("$ln", 28766, math.Log), help: "natural logarithm"},
		{name: "$log", min: 2, max: 2, eval: logarithm, help: "logarithm to a base"},
		{name: "$log10", min: 1, max: 1, eval: positive("$log10", 28761, math.Log10), help: "logarithm to base 10"},
		{name: "$mod", min: 2, max: 2, eval: mod, help: "remainder with the sign of the dividend"},
		{name: "$multiply", min: 0, max: -1, eval: multiply, help: "product"},
		{name: "$pow", min: 2, max: 2, eval: pow, help: "power"},
		{name: "$round", min: 1, max: 2, eval: rounding("$round"), help: "round half to even, to a number of decimal places (-20 to 100)"},
		{name: "$sqrt", min: 1, max: 1, eval: sqrt, help: "square root"},
		{name: "$subtract", min: 2, max: 2, eval: subtract, help: "difference of numbers, of dates, or of a date and milliseconds"},
		{name: "$trunc", min: 1, max: 2, eval: rounding("$trunc"), help: "cut to a number of decimal places (-20 to 100)"},
		{name: "$sigmoid", min: 1, max: 1, eval: function("$sigmoid", func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }), help: "1/(1+e^-x)"},
	}
}

// numeric decodes the operand of a numeric operator; null is true for a nullish one.
func numeric(op string, v bson.RawValue) (n number, null bool, err error) {
	n, ok := numberOf(v)
	if ok {
		return n, false, nil
	}
	if Nullish(v) {
		return n, true, nil
	}
	return n, false, mongoerr.New(28765, "%s only supports numeric types, not %s", op, typeName(v))
}

// function lifts a function on doubles: decimals are computed as doubles where no decimal form is offered and answered as decimals.
func function(op string, f func(float64) float64) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		n, null, err := numeric(op, a[0])
		if null || err != nil {
			return Null, err
		}
		return lift(env, n, f)
	}
}

func lift(env *Env, n number, f func(float64) float64) (bson.RawValue, error) {
	r := f(n.double())
	if n.t == bson.TypeDecimal128 {
		return env.Decimal(resultDecimal(r)), nil
	}
	return env.Double(r), nil
}

// unary lifts a function that keeps whole numbers.
func unary(op string, f func(float64) float64, d func(value.Decimal) value.Decimal) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		n, null, err := numeric(op, a[0])
		if null || err != nil {
			return Null, err
		}
		switch n.t {
		case bson.TypeDouble:
			return env.Double(f(n.f)), nil
		case bson.TypeDecimal128:
			return env.Decimal(d(n.d)), nil
		}
		return a[0], nil
	}
}

func positive(op string, code mongoerr.Code, f func(float64) float64) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		n, null, err := numeric(op, a[0])
		if null || err != nil {
			return Null, err
		}
		if n.sign() <= 0 {
			return Null, mongoerr.New(code, "%s's argument must be a positive number, but is %s", op, show(a[0]))
		}
		if n.t == bson.TypeDecimal128 {
			return env.Decimal(decimalLog(n.d, op == "$log10")), nil
		}
		return env.Double(f(n.double())), nil
	}
}

func exponential(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	n, null, err := numeric("$exp", a[0])
	if null || err != nil {
		return Null, err
	}
	if n.t == bson.TypeDecimal128 {
		return env.Decimal(decimalExp(n.d)), nil
	}
	return env.Double(math.Exp(n.double())), nil
}

// sign is -1, 0 or 1; 1 for NaN.
func (n number) sign() int {
	switch n.t {
	case bson.TypeDouble:
		switch {
		case n.f < 0:
			return -1
		case n.f == 0:
			return 0
		}
		return 1
	case bson.TypeDecimal128:
		switch {
		case n.d.IsNaN():
			return 1
		default:
			return n.d.Sign()
		}
	}
	return sign(int(max(-1, min(1, n.i))))
}

func abs(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	n, null, err := numeric("$abs", a[0])
	if null || err != nil {
		return Null, err
	}
	switch n.t {
	case bson.TypeDouble:
		return env.Double(math.Abs(n.f)), nil
	case bson.TypeDecimal128:
		return env.Decimal(n.d.Abs()), nil
	}
	if n.i >= 0 {
		return a[0], nil
	}
	if n.i == math.MinInt64 {
		return Null, mongoerr.New(28680, "can't take $abs of long long min")
	}
	n.i = -n.i
	if n.t == bson.TypeInt32 && n.i > math.MaxInt32 {
		n.t = bson.TypeInt64
	}
	return n.value(env), nil
}

func add(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	var sum Sum
	var date int64
	dated := false
	for _, v := range a {
		if sum.Add(v) {
			continue
		}
		switch {
		case Nullish(v):
			return Null, nil
		case v.Type == bson.TypeDateTime && len(v.Value) >= 8:
			if dated {
				return Null, mongoerr.New(16612, "only one date allowed in an $add expression")
			}
			dated, date = true, int64(le.Uint64(v.Value))
		default:
			return Null, mongoerr.New(16554, "$add only supports numeric or date types, not %s", typeName(v))
		}
	}
	if dated {
		return shiftDate(env, date, sum.number(), false)
	}
	return sum.Value(env), nil
}

// shiftDate adds (or takes) milliseconds to a date; a fraction is rounded away.
func shiftDate(env *Env, date int64, n number, take bool) (bson.RawValue, error) {
	if n.t == bson.TypeDouble {
		f := math.Round(n.f)
		if i, ok := wholeFloat(f); ok {
			n = number{t: bson.TypeInt64, i: i}
		}
	} else if n.t == bson.TypeDecimal128 {
		n.d = n.d.Quantize(0, value.HalfEven)
	}
	ms, ok := n.integer()
	if n.t == 0 {
		ms, ok = 0, true
	}
	if take && ok {
		if ms == math.MinInt64 {
			ok = false
		}
		ms = -ms
	}
	if ok {
		if sum, over := addOverflows(date, ms); !over {
			return env.Date(sum), nil
		}
	}
	return Null, mongoerr.New(mongoerr.Overflow, "date overflow")
}

func subtract(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	y, yok := numberOf(a[1])
	if a[0].Type == bson.TypeDateTime {
		date := int64(le.Uint64(a[0].Value))
		if a[1].Type == bson.TypeDateTime {
			d := int64(le.Uint64(a[1].Value))
			diff := date - d
			if (date < 0) != (d < 0) && (diff < 0) != (date < 0) {
				return Null, mongoerr.New(mongoerr.Overflow, "date overflow")
			}
			return env.Int64(diff), nil
		}
		if yok {
			return shiftDate(env, date, y, true)
		}
	}
	x, xok := numberOf(a[0])
	if !xok || !yok {
		return Null, mongoerr.New(mongoerr.TypeMismatch, "can't $subtract %s from %s", typeName(a[1]), typeName(a[0]))
	}
	t := wider(x.t, y.t)
	switch t {
	case bson.TypeDecimal128:
		return env.Decimal(x.decimal().Sub(y.decimal())), nil
	case bson.TypeDouble:
		return env.Double(x.double() - y.double()), nil
	}
	d := x.i - y.i
	if (x.i < 0) != (y.i < 0) && (d < 0) != (x.i < 0) {
		return env.Double(float64(x.i) - float64(y.i)), nil
	}
	return intResult(env, t, d), nil
}

// intResult answers an int when both operands were and it fits, else a long.
func intResult(env *Env, t bson.Type, i int64) bson.RawValue {
	if t == bson.TypeInt32 && i == int64(int32(i)) {
		return env.Int32(int32(i))
	}
	return env.Int64(i)
}

func multiply(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	acc := number{t: bson.TypeInt32, i: 1}
	fit := true // the product of the whole numbers fits a long
	f := 1.0
	for _, v := range a {
		n, ok := numberOf(v)
		if !ok {
			if Nullish(v) {
				return Null, nil
			}
			return Null, mongoerr.New(mongoerr.TypeMismatch, "$multiply only supports numeric types, not %s", typeName(v))
		}
		t := wider(acc.t, n.t)
		switch t {
		case bson.TypeDecimal128:
			if acc.t != bson.TypeDecimal128 && !fit {
				acc = number{t: bson.TypeDouble, f: f}
			}
			acc.d = acc.decimal().Mul(n.decimal())
		case bson.TypeDouble:
			if acc.isInt() {
				acc.f = f
			}
			acc.f *= n.double()
		default:
			f *= float64(n.i)
			if fit {
				var over bool
				if acc.i, over = mulOverflows(acc.i, n.i); over {
					fit = false
				}
			}
		}
		acc.t = t
	}
	if acc.isInt() {
		if !fit {
			return env.Double(f), nil
		}
		return intResult(env, acc.t, acc.i), nil
	}
	return acc.value(env), nil
}

func divide(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	x, xok := numberOf(a[0])
	y, yok := numberOf(a[1])
	if !xok || !yok {
		if Nullish(a[0]) || Nullish(a[1]) {
			return Null, nil
		}
		return Null, mongoerr.New(mongoerr.TypeMismatch, "$divide only supports numeric types, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	if isZero(y) {
		return Null, mongoerr.New(16608, "can't $divide by zero")
	}
	if wider(x.t, y.t) == bson.TypeDecimal128 {
		return env.Decimal(x.decimal().Quo(y.decimal())), nil
	}
	return env.Double(x.double() / y.double()), nil
}

func isZero(n number) bool {
	switch n.t {
	case bson.TypeDouble:
		return n.f == 0
	case bson.TypeDecimal128:
		return n.d.IsZero()
	}
	return n.i == 0
}

func mod(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	x, xok := numberOf(a[0])
	y, yok := numberOf(a[1])
	if !xok || !yok {
		if Nullish(a[0]) || Nullish(a[1]) {
			return Null, nil
		}
		return Null, mongoerr.New(16611, "$mod only supports numeric types, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	t := wider(x.t, y.t)
	if isZero(y) {
		if t == bson.TypeDecimal128 && y.t == bson.TypeDecimal128 {
			return Null, mongoerr.New(5733415, "can't $mod by zero")
		}
		return Null, mongoerr.New(16610, "can't $mod by zero")
	}
	switch t {
	case bson.TypeDecimal128:
		return env.Decimal(x.decimal().Rem(y.decimal())), nil
	case bson.TypeDouble:
		return env.Double(math.Mod(x.double(), y.double())), nil
	}
	if y.i == -1 {
		return intResult(env, t, 0), nil
	}
	return intResult(env, t, x.i%y.i), nil
}

func logarithm(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	x, ok := numberOf(a[0])
	if !ok {
		return Null, mongoerr.New(28756, "$log's argument must be numeric, not %s", typeName(a[0]))
	}
	b, ok := numberOf(a[1])
	if !ok {
		return Null, mongoerr.New(28757, "$log's base must be numeric, not %s", typeName(a[1]))
	}
	if x.sign() <= 0 {
		return Null, mongoerr.New(28758, "$log's argument must be a positive number, but is %s", show(a[0]))
	}
	if f := b.double(); f <= 0 || f == 1 {
		return Null, mongoerr.New(28759, "$log's base must be a positive number not equal to 1, but is %s", show(a[1]))
	}
	if wider(x.t, b.t) == bson.TypeDecimal128 {
		return env.Decimal(decimalLog(x.decimal(), false).Quo(decimalLog(b.decimal(), false))), nil
	}
	return env.Double(math.Log(x.double()) / math.Log(b.double())), nil
}

func pow(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	x, ok := numberOf(a[0])
	if !ok {
		return Null, mongoerr.New(28762, "$pow's base must be numeric, not %s", typeName(a[0]))
	}
	y, ok := numberOf(a[1])
	if !ok {
		return Null, mongoerr.New(28763, "$pow's exponent must be numeric, not %s", typeName(a[1]))
	}
	if isZero(x) && y.sign() < 0 {
		return Null, mongoerr.New(28764, "$pow cannot take a base of 0 and a negative exponent")
	}
	t := wider(x.t, y.t)
	switch t {
	case bson.TypeDecimal128:
		return env.Decimal(decimalPow(x.decimal(), y.decimal())), nil
	case bson.TypeDouble:
		return env.Double(math.Pow(x.double(), y.double())), nil
	}
	if y.i < 0 {
		switch x.i {
		case 1:
			return intResult(env, t, 1), nil
		case -1:
			if y.i%2 == 0 {
				return intResult(env, t, 1), nil
			}
			return intResult(env, t, -1), nil
		}
		return env.Double(math.Pow(float64(x.i), float64(y.i))), nil
	}
	if r, ok := intPow(x.i, y.i); ok {
		return intResult(env, t, r), nil
	}
	return env.Double(math.Pow(float64(x.i), float64(y.i))), nil
}

// intPow computes b to the e-th (e >= 0) when it fits 64 bits.
func intPow(b, e int64) (int64, bool) {
	r := int64(1)
	for {
		if e&1 == 1 {
			var over bool
			if r, over = mulOverflows(r, b); over {
				return 0, false
			}
		}
		if e >>= 1; e == 0 {
			return r, true
		}
		var over bool
		if b, over = mulOverflows(b, b); over {
			// One more multiplication by b is due, unless b is 0 or ±1, which do not overflow.
			return 0, false
		}
	}
}

func sqrt(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	n, null, err := numeric("$sqrt", a[0])
	if null || err != nil {
		return Null, err
	}
	if n.sign() < 0 {
		return Null, mongoerr.New(28714, "$sqrt's argument must be greater than or equal to 0")
	}
	if n.t == bson.TypeDecimal128 {
		return env.Decimal(n.d.Sqrt()), nil
	}
	return env.Double(math.Sqrt(n.double())), nil
}

// rounding is $round and $trunc, which differ only in the direction.
func rounding(op string) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	mode, float := value.HalfEven, math.RoundToEven
	if op == "$trunc" {
		mode, float = value.TowardZero, math.Trunc
	}
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		places := int64(0)
		if len(a) > 1 {
			if Nullish(a[1]) {
				return Null, nil
			}
			p, ok := numberOf(a[1])
			if !ok {
				return Null, mongoerr.New(16004, "can't convert from BSON type %s to long", typeName(a[1]))
			}
			if err := p.longRange(); err != nil {
				return Null, err
			}
			if places, ok = p.integer(); !ok {
				return Null, mongoerr.New(51082, "precision argument to %s must be a integral value", op)
			}
			if places < -20 || places > 100 {
				return Null, mongoerr.New(51083, "cannot apply %s with precision value %d value must be in [-20, 100]", op, places)
			}
		}
		n, ok := numberOf(a[0])
		if !ok {
			if Nullish(a[0]) {
				return Null, nil
			}
			return Null, mongoerr.New(51081, "%s only supports numeric types, not %s", op, typeName(a[0]))
		}
		switch n.t {
		case bson.TypeDecimal128:
			return env.Decimal(n.d.Quantize(int(places), mode)), nil
		case bson.TypeDouble:
			if math.IsNaN(n.f) || math.IsInf(n.f, 0) {
				return a[0], nil
			}
			if places == 0 {
				return env.Double(float(n.f)), nil
			}
			return env.Double(exactDecimal(n.f).Quantize(int(places), mode).Float64()), nil
		}
		if places >= 0 {
			return a[0], nil
		}
		return roundInt(env, n, int(-places), mode == value.HalfEven)
	}
}

// roundInt rounds an integer to a multiple of 10^places.
func roundInt(env *Env, n number, places int, half bool) (bson.RawValue, error) {
	if places > 18 {
		// 10^19 is beyond a long: only half-way up from at least 5e18 could round away from zero, and that overflows.
		if half && places == 19 && (n.i > 5e18 || n.i < -5e18) {
			return Null, mongoerr.New(51080, "invalid conversion from Decimal128 result in $round resulting from arguments: [value: %d, precision: %d]", n.i, -places)
		}
		return intResult(env, n.t, 0), nil
	}
	unit := int64(math.Pow10(places))
	q, r := n.i/unit, n.i%unit
	if half {
		twice := r
		if twice < 0 {
			twice = -twice
		}
		if rest := unit - twice; twice > rest || twice == rest && q%2 != 0 {
			if n.i < 0 {
				q--
			} else {
				q++
			}
		}
	}
	i, over := mulOverflows(q, unit)
	if over {
		return Null, mongoerr.New(51080, "invalid conversion from Decimal128 result in $round resulting from arguments: [value: %d, precision: %d]", n.i, -places)
	}
	return intResult(env, n.t, i), nil
}
