package keys_test

import (
	"bytes"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

// edges are values around which encodings go wrong.
func edges(t testing.TB) []bson.RawValue {
	dec := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	list := []any{
		bson.MinKey{}, bson.MaxKey{}, nil, bson.Undefined{},
		math.NaN(), math.Inf(1), math.Inf(-1), 0.0, math.Copysign(0, -1), 0.1, -0.1, 1.0, -1.0, 1.5, 1e300, -1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64,
		-math.SmallestNonzeroFloat64, float64(1 << 53), float64(1<<53 + 2), float64(1 << 63), -float64(1 << 63),
		int32(0), int32(1), int32(-1), int32(math.MaxInt32), int32(math.MinInt32),
		int64(0), int64(1), int64(1<<53 + 1), int64(1<<53 - 1), int64(-1<<53 - 1), int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64 - 1), int64(math.MinInt64 + 1),
		dec("0"), dec("-0"), dec("0.1"), dec("-0.1"), dec("1"), dec("1.0"), dec("1.00000000000000000000000000000001"), dec("0.1000000000000000055511151231257827"), dec("9007199254740993"),
		dec("9223372036854775807"), dec("9223372036854775808"), dec("1E+6144"), dec("-1E+6144"), dec("1E-6176"), dec("-1E-6176"), dec("Infinity"), dec("-Infinity"), dec("NaN"), dec("1E+308"), dec("1.7976931348623157E+308"),
		"", "a", "a\x00", "a\x00b", "ab", "b", "\xff", "é", bson.Symbol("a"),
		bson.D{}, bson.D{{Key: "a", Value: 1}}, bson.D{{Key: "a", Value: int64(1)}}, bson.D{{Key: "a", Value: 2}}, bson.D{{Key: "b", Value: 1}}, bson.D{{Key: "a", Value: "x"}}, bson.D{{Key: "a", Value: 1}, {Key: "b", Value: nil}},
		bson.A{}, bson.A{1}, bson.A{1, 2}, bson.A{"a"}, bson.A{bson.A{}}, bson.A{nil}, bson.A{bson.D{}},
		bson.Binary{}, bson.Binary{Subtype: 4, Data: []byte{1}}, bson.Binary{Data: []byte{1}}, bson.Binary{Data: []byte{0, 0}},
		bson.ObjectID{}, bson.ObjectID{1}, true, false, bson.DateTime(0), bson.DateTime(-1), bson.DateTime(math.MaxInt64), bson.DateTime(math.MinInt64),
		bson.Timestamp{}, bson.Timestamp{T: 1}, bson.Timestamp{T: math.MaxUint32, I: 1}, bson.Regex{Pattern: "a"}, bson.Regex{Pattern: "a", Options: "i"}, bson.Regex{Pattern: "b"},
		bson.DBPointer{DB: "a"}, bson.DBPointer{DB: "a", Pointer: bson.ObjectID{1}}, bson.JavaScript("x"), bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.CodeWithScope{Code: "x", Scope: bson.D{{Key: "a", Value: 1}}},
	}
	var out []bson.RawValue
	for _, v := range list {
		out = append(out, raw(t, v))
	}
	return out
}

func raw(t testing.TB, v any) bson.RawValue {
	d, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		t.Fatal(v, err)
	}
	return bson.Raw(d).Lookup("v")
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func check(t interface{ Fatalf(string, ...any) }, a, b bson.RawValue) {
	want := sign(value.Compare(a, b))
	for _, desc := range []bool{false, true} {
		x, y := keys.AppendField(nil, a, desc, nil), keys.AppendField(nil, b, desc, nil)
		got := sign(bytes.Compare(x, y))
		if desc {
			got = -got
		}
		if got != want {
			t.Fatalf("%v against %v: keys say %d, values %d (descending %v)\n%x\n%x", a, b, got, want, desc, x, y)
		}
		if want != 0 && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("%v and %v: one key begins with the other\n%x\n%x", a, b, x, y)
		}
	}
}

func TestOrderOfEdges(t *testing.T) {
	list := edges(t)
	for _, a := range list {
		for _, b := range list {
			check(t, a, b)
		}
	}
}

func TestOrderOfRandomValues(t *testing.T) {
	var gen func(depth int) *rapid.Generator[any]
	gen = func(depth int) *rapid.Generator[any] {
		gens := []*rapid.Generator[any]{
			rapid.Map(rapid.Int32(), func(v int32) any { return v }),
			rapid.Map(rapid.Int64(), func(v int64) any { return v }),
			rapid.Map(rapid.Float64(), func(v float64) any { return v }),
			rapid.Map(rapid.Int64Range(-20, 20), func(v int64) any { return float64(v) / 4 }),
			rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é")), 0, 4, -1), func(v string) any { return v }),
			rapid.Map(rapid.Bool(), func(v bool) any { return v }),
			rapid.Custom(func(t *rapid.T) any {
				return bson.NewDecimal128(rapid.Uint64().Draw(t, "h"), rapid.Uint64().Draw(t, "l"))
			}),
			rapid.Custom(func(t *rapid.T) any {
				d, err := bson.ParseDecimal128(rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,10})?(E[+-][0-9]{1,2})?`).Draw(t, "d"))
				if err != nil {
					return nil
				}
				return d
			}),
		}
		if depth > 0 {
			gens = append(gens, rapid.Custom(func(t *rapid.T) any {
				a := bson.A{}
				for i := rapid.IntRange(0, 3).Draw(t, "n"); i > 0; i-- {
					a = append(a, gen(depth-1).Draw(t, "e"))
				}
				return a
			}), rapid.Custom(func(t *rapid.T) any {
				d := bson.D{}
				for i := rapid.IntRange(0, 3).Draw(t, "n"); i > 0; i-- {
					d = append(d, bson.E{Key: rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "k"), Value: gen(depth-1).Draw(t, "e")})
				}
				return d
			}))
		}
		return rapid.OneOf(gens...)
	}
	g := gen(2)
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, raw(t, g.Draw(rt, "a")), raw(t, g.Draw(rt, "b")))
	})
}
