package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func trigonometryOperators() []operator {
	inf := math.Inf(1)
	return []operator{
		{name: "$sin", min: 1, max: 1, eval: trigonometric("$sin", math.Sin, -inf, inf, true), help: "sine"},
		{name: "$cos", min: 1, max: 1, eval: trigonometric("$cos", math.Cos, -inf, inf, true), help: "cosine"},
		{name: "$tan", min: 1, max: 1, eval: trigonometric("$tan", math.Tan, -inf, inf, true), help: "tangent"},
		{name: "$asin", min: 1, max: 1, eval: trigonometric("$asin", math.Asin, -1, 1, false), help: "inverse sine"},
		{name: "$acos", min: 1, max: 1, eval: trigonometric("$acos", acos, -1, 1, false), help: "inverse cosine"},
		{name: "$atan", min: 1, max: 1, eval: function("$atan", math.Atan), help: "inverse tangent"},
		{name: "$atan2", min: 2, max: 2, eval: atan2, help: "inverse tangent of y / x"},
		{name: "$sinh", min: 1, max: 1, eval: function("$sinh", math.Sinh), help: "hyperbolic sine"},
		{name: "$cosh", min: 1, max: 1, eval: function("$cosh", math.Cosh), help: "hyperbolic cosine"},
		{name: "$tanh", min: 1, max: 1, eval: function("$tanh", math.Tanh), help: "hyperbolic tangent"},
		{name: "$asinh", min: 1, max: 1, eval: function("$asinh", math.Asinh), help: "inverse hyperbolic sine"},
		{name: "$acosh", min: 1, max: 1, eval: trigonometric("$acosh", math.Acosh, 1, inf, false), help: "inverse hyperbolic cosine"},
		{name: "$atanh", min: 1, max: 1, eval: trigonometric("$atanh", math.Atanh, -1, 1, false), help: "inverse hyperbolic tangent"},
		{name: "$degreesToRadians", min: 1, max: 1, eval: angle("$degreesToRadians", true), help: "degrees as radians"},
		{name: "$radiansToDegrees", min: 1, max: 1, eval: angle("$radiansToDegrees", false), help: "radians as degrees"},
	}
}

// trigonometric lifts a function with a domain; open says that the bounds are outside of it.
func trigonometric(op string, f func(float64) float64, low, high float64, open bool) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	left, right := "[", "]"
	if open || math.IsInf(low, 0) {
		left = "("
	}
	if open {
		right = ")"
	}
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		n, null, err := numeric(op, a[0])
		if null || err != nil {
			return Null, err
		}
		x := n.double()
		if x < low || x > high || open && (x == low || x == high) {
			return Null, mongoerr.New(50989, "cannot apply %s to %s, value must be in %s%s,%s%s", op, show(a[0]), left, bound(low), bound(high), right)
		}
		return lift(env, n, f)
	}
}

func bound(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return formatDouble(f)
}

func atan2(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) || Nullish(a[1]) {
		return Null, nil
	}
	y, ok := numberOf(a[0])
	if !ok {
		return Null, mongoerr.New(51044, "$atan2 only supports numeric types, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	x, ok := numberOf(a[1])
	if !ok {
		return Null, mongoerr.New(51045, "$atan2 only supports numeric types, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	r := math.Atan2(y.double(), x.double())
	if wider(x.t, y.t) == bson.TypeDecimal128 {
		return env.Decimal(resultDecimal(r)), nil
	}
	return env.Double(r), nil
}

func angle(op string, toRadians bool) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	pi, _ := value.ParseDecimal("3.141592653589793238462643383279503")
	half := value.DecimalFromInt(180)
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		n, null, err := numeric(op, a[0])
		if null || err != nil {
			return Null, err
		}
		switch {
		case n.t == bson.TypeDecimal128 && toRadians:
			return env.Decimal(n.d.Mul(pi).Quo(half)), nil
		case n.t == bson.TypeDecimal128:
			return env.Decimal(n.d.Mul(half).Quo(pi)), nil
		case toRadians:
			return env.Double(n.double() * (math.Pi / 180)), nil
		}
		return env.Double(n.double() * (180 / math.Pi)), nil
	}
}

// acos is exact to the last place where math.Acos subtracts two rounded angles.
func acos(x float64) float64 { return 2 * math.Atan2(math.Sqrt(1-x), math.Sqrt(1+x)) }
