package value

import (
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
)

// ordered lists values of every type from low to high; the values of one line are equal.
var ordered = []string{
	`[{"$minKey": 1}]`,
	`[{"$undefined": true}]`,
	`[null]`,
	`[{"$numberDouble": "NaN"}, {"$numberDecimal": "NaN"}]`,
	`[{"$numberDouble": "-Infinity"}, {"$numberDecimal": "-Infinity"}]`,
	`[{"$numberDecimal": "-1E+6000"}]`,
	`[{"$numberDouble": "-1.7976931348623157e308"}]`,
	`[{"$numberDouble": "-9223372036854775808"}, {"$numberLong": "-9223372036854775808"}, {"$numberDecimal": "-9223372036854775808"}]`,
	`[{"$numberLong": "-9223372036854775807"}]`,
	`[{"$numberInt": "-1"}, {"$numberLong": "-1"}, {"$numberDouble": "-1"}, {"$numberDecimal": "-1.000"}]`,
	`[{"$numberDecimal": "-1E-6000"}]`,
	`[0, {"$numberLong": "0"}, {"$numberDouble": "-0.0"}, {"$numberDouble": "0.0"}, {"$numberDecimal": "0"}, {"$numberDecimal": "-0E+3"}]`,
	`[{"$numberDecimal": "1E-6176"}]`,
	`[{"$numberDouble": "5e-324"}]`,
	`[{"$numberDecimal": "0.1"}]`,
	`[{"$numberDouble": "0.1"}]`,
	`[{"$numberDouble": "0.5"}, {"$numberDecimal": "0.5"}, {"$numberDecimal": "0.500"}]`,
	`[1, {"$numberLong": "1"}, {"$numberDouble": "1.0"}, {"$numberDecimal": "1"}]`,
	`[{"$numberDouble": "9007199254740992"}, {"$numberLong": "9007199254740992"}]`,
	`[{"$numberLong": "9007199254740993"}, {"$numberDecimal": "9007199254740993"}]`,
	`[{"$numberLong": "9223372036854775807"}]`,
	`[{"$numberDouble": "9223372036854775808"}, {"$numberDecimal": "9223372036854775808"}]`,
	`[{"$numberDouble": "1e300"}]`,
	`[{"$numberDecimal": "9.999999999999999999999999999999999E+6144"}]`,
	`[{"$numberDouble": "Infinity"}, {"$numberDecimal": "Infinity"}]`,
	`[""]`, `["a", {"$symbol": "a"}]`, `["a "]`, `["b"]`, `["é"]`,
	`[{}]`, `[{"b": {"$undefined": true}}]`, `[{"a": 1}]`, `[{"a": 1, "b": 1}]`, `[{"a": 2}]`, `[{"b": 1}]`, `[{"a": "x"}]`,
	`[[]]`, `[[null]]`, `[[1]]`, `[[1, 2]]`, `[["a"]]`,
	`[{"$binary": {"base64": "", "subType": "00"}}]`,
	`[{"$binary": {"base64": "/w==", "subType": "00"}}]`,
	`[{"$binary": {"base64": "AQ==", "subType": "05"}}]`,
	`[{"$binary": {"base64": "AAA=", "subType": "00"}}]`,
	`[{"$oid": "000000000000000000000001"}]`,
	`[{"$oid": "100000000000000000000000"}]`,
	`[false]`, `[true]`,
	`[{"$date": {"$numberLong": "-1"}}]`, `[{"$date": {"$numberLong": "0"}}]`,
	`[{"$timestamp": {"t": 1, "i": 2}}]`, `[{"$timestamp": {"t": 4294967295, "i": 0}}]`,
	`[{"$regularExpression": {"pattern": "a", "options": ""}}]`,
	`[{"$regularExpression": {"pattern": "a", "options": "i"}}]`,
	`[{"$dbPointer": {"$ref": "b", "$id": {"$oid": "000000000000000000000001"}}}]`,
	`[{"$code": "f"}]`,
	`[{"$code": "f", "$scope": {}}]`,
	`[{"$maxKey": 1}]`,
}

func orderedValues(t testing.TB) (vals []bson.RawValue, class []int) {
	for i, line := range ordered {
		for _, v := range Elements(Lookup(cases.Doc(t, `{"v": `+line+`}`), "v").Value) {
			vals, class = append(vals, v), append(class, i)
		}
	}
	return vals, class
}

func TestCompareIsTheOrderOfEveryPair(t *testing.T) {
	vals, class := orderedValues(t)
	for i, a := range vals {
		for j, b := range vals {
			want := 0
			if class[i] < class[j] {
				want = -1
			} else if class[i] > class[j] {
				want = 1
			}
			if got := sign(Compare(a, b)); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", Show(a), Show(b), got, want)
			}
			same := string(AppendKey(nil, a)) == string(AppendKey(nil, b))
			if same != (want == 0) {
				t.Errorf("keys of %s and %s: same = %t", Show(a), Show(b), same)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

// anyValue draws values of every type, numbers near the edges of the types more often than others.
func anyValue(depth int) *rapid.Generator[bson.RawValue] {
	ints := rapid.SampledFrom([]int64{0, 1, -1, 2, 1<<31 - 1, 1 << 31, -1 << 31, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64, 10, 100})
	gens := []*rapid.Generator[bson.RawValue]{
		rapid.Map(ints, Int64),
		rapid.Map(ints, func(n int64) bson.RawValue { return Int32(int32(n)) }),
		rapid.Map(ints, func(n int64) bson.RawValue { return Double(float64(n)) }),
		rapid.Map(rapid.Float64(), Double),
		rapid.Map(rapid.Float64Range(-2, 2), Double),
		rapid.Custom(func(t *rapid.T) bson.RawValue {
			return FromDecimal(Decimal{neg: rapid.Bool().Draw(t, "neg"), coef: DecimalFromInt(ints.Draw(t, "c")).c(), exp: rapid.IntRange(-40, 40).Draw(t, "e")})
		}),
		rapid.Map(rapid.Float64Range(-2, 2), func(f float64) bson.RawValue { return FromDecimal(ToDecimal(Double(f))) }),
		rapid.Map(rapid.StringMatching(`[ab\x{e9}]{0,3}`), String),
		rapid.Just(Null), rapid.Just(True), rapid.Just(False),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3), func(b []byte) bson.RawValue { return Binary(0, b) }),
		rapid.Map(ints, Date),
	}
	if depth > 0 {
		sub := anyValue(depth - 1)
		gens = append(gens,
			rapid.Map(rapid.SliceOfN(sub, 0, 3), ArrayOf),
			rapid.Custom(func(t *rapid.T) bson.RawValue {
				var f []Field
				for range rapid.IntRange(0, 3).Draw(t, "n") {
					f = append(f, Field{rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "k"), sub.Draw(t, "v")})
				}
				return Doc(DocOf(f...))
			}))
	}
	return rapid.OneOf(gens...)
}

func TestCompareLaws(t *testing.T) {
	gen := anyValue(2)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := gen.Draw(t, "a"), gen.Draw(t, "b"), gen.Draw(t, "c")
		ab, ba := sign(Compare(a, b)), sign(Compare(b, a))
		if ab != -ba {
			t.Fatalf("%s, %s: %d and %d", Show(a), Show(b), ab, ba)
		}
		if Compare(a, a) != 0 {
			t.Fatalf("%s is not equal to itself", Show(a))
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("not transitive: %s, %s, %s", Show(a), Show(b), Show(c))
		}
		if (ab == 0) != (string(AppendKey(nil, a)) == string(AppendKey(nil, b))) {
			t.Fatalf("keys disagree with Compare: %s, %s", Show(a), Show(b))
		}
	})
}
