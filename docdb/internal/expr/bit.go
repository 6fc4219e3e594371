package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func bitOperators() []operator {
	return []operator{
		{name: "$bitAnd", max: -1, eval: bitwise("$bitAnd", -1, func(a, b int64) int64 { return a & b }), help: "bits set in every operand"},
		{name: "$bitOr", max: -1, eval: bitwise("$bitOr", 0, func(a, b int64) int64 { return a | b }), help: "bits set in any operand"},
		{name: "$bitXor", max: -1, eval: bitwise("$bitXor", 0, func(a, b int64) int64 { return a ^ b }), help: "bits set in an odd number of operands"},
		{name: "$bitNot", min: 1, max: 1, eval: bitNot, help: "complement of the bits"},
	}
}

func bitwise(op string, start int64, f func(a, b int64) int64) func(*Env, []bson.RawValue) (bson.RawValue, error) {
	return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
		acc, t := start, bson.TypeInt32
		for _, v := range a {
			if Nullish(v) {
				return Null, nil
			}
			n, ok := numberOf(v)
			if !ok || !n.isInt() {
				return Null, mongoerr.New(mongoerr.TypeMismatch, "%s only supports int and long operands.", op)
			}
			acc, t = f(acc, n.i), wider(t, n.t)
		}
		return intResult(env, t, acc), nil
	}
}

func bitNot(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) {
		return Null, nil
	}
	n, ok := numberOf(a[0])
	if !ok {
		return Null, mongoerr.New(28765, "$bitNot only supports numeric types, not %s", typeName(a[0]))
	}
	if !n.isInt() {
		return Null, mongoerr.New(mongoerr.TypeMismatch, "$bitNot only supports int and long, not: %s.", typeName(a[0]))
	}
	n.i = ^n.i
	return n.value(env), nil
}
