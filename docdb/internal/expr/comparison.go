package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

func comparisonOperators() []operator {
	test := func(name, help string, ok func(c int) bool) operator {
		return operator{name: name, min: 2, max: 2, help: help, make: func(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
			coll := c.scope.opts.Collation
			return func(_ *Env, a []bson.RawValue) (bson.RawValue, error) {
				return Bool(ok(Compare(a[0], a[1], coll))), nil
			}
		}}
	}
	return []operator{
		test("$eq", "equal by value", func(c int) bool { return c == 0 }),
		test("$ne", "not equal by value", func(c int) bool { return c != 0 }),
		test("$gt", "greater; values of different types compare by type", func(c int) bool { return c > 0 }),
		test("$gte", "greater or equal", func(c int) bool { return c >= 0 }),
		test("$lt", "less", func(c int) bool { return c < 0 }),
		test("$lte", "less or equal", func(c int) bool { return c <= 0 }),
		{name: "$cmp", min: 2, max: 2, help: "-1, 0 or 1", make: func(c *compiler) func(*Env, []bson.RawValue) (bson.RawValue, error) {
			coll := c.scope.opts.Collation
			return func(env *Env, a []bson.RawValue) (bson.RawValue, error) {
				return env.Int32(int32(sign(Compare(a[0], a[1], coll)))), nil
			}
		}},
	}
}

func sign(c int) int {
	switch {
	case c < 0:
		return -1
	case c > 0:
		return 1
	}
	return 0
}

// Compare orders two values as aggregation does: missing is less than everything but itself (and undefined), then the canonical
// order of mongo-engine.md §3.1. There is no type bracketing.
func Compare(a, b bson.RawValue, coll value.StringComparer) int {
	if a.Type == 0 || b.Type == 0 {
		return sign(presence(a) - presence(b))
	}
	return value.CompareWith(a, b, coll)
}

func presence(v bson.RawValue) int {
	switch v.Type {
	case 0, bson.TypeUndefined:
		return 1
	case bson.TypeMinKey:
		return 0
	}
	return 2
}
