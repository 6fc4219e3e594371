package expr_test

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/value"
)

// summand draws a number of any type; with spread, doubles and decimals of every magnitude.
func summand(t *rapid.T, spread bool) bson.RawValue {
	exp := rapid.IntRange(-3, 3)
	if spread {
		exp = rapid.IntRange(-40, 40)
	}
	switch rapid.IntRange(0, 3).Draw(t, "type") {
	case 0:
		return value.Int32(rapid.Int32().Draw(t, "int"))
	case 1:
		return value.Int64(rapid.Int64().Draw(t, "long"))
	case 2:
		return value.Double(rapid.Float64Range(-1, 1).Draw(t, "double") * math.Pow(10, float64(exp.Draw(t, "exp"))))
	}
	digits := strconv.FormatInt(rapid.Int64Range(-1e17, 1e17).Draw(t, "upper"), 10) + strconv.FormatInt(rapid.Int64Range(1e16, 9e16).Draw(t, "lower"), 10)
	d, ok := value.ParseDecimal(digits + "E" + strconv.Itoa(exp.Draw(t, "exp")-17))
	if !ok {
		t.Fatal(digits)
	}
	return value.FromDecimal(d)
}

// TestSumsOfParts: numbers of all types add up to the same bytes one by one, in parts, and the other way round; and to what exact
// arithmetic says.
func TestSumsOfParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spread := rapid.Bool().Draw(t, "spread")
		var all, back expr.Sum
		parts := make([]expr.Sum, rapid.IntRange(1, 5).Draw(t, "parts"))
		var vs []bson.RawValue
		for range rapid.IntRange(0, 40).Draw(t, "numbers") {
			v := summand(t, spread)
			vs = append(vs, v)
			all.Add(v)
		}
		for i, v := range vs {
			parts[i*len(parts)/len(vs)].Add(v)
			back.Add(vs[len(vs)-1-i])
		}
		for i := range parts[1:] {
			parts[0].Merge(&parts[i+1])
		}
		env := expr.NewEnv(context.Background())
		for _, other := range []*expr.Sum{&parts[0], &back} {
			if got, want := other.Value(env), all.Value(env); got.Type != want.Type || !bytes.Equal(got.Value, want.Value) {
				t.Fatalf("sum of %v: %v, one by one %v", vs, got, want)
			}
			if got, want := other.Average(env), all.Average(env); got.Type != want.Type || !bytes.Equal(got.Value, want.Value) {
				t.Fatalf("average of %v: %v, one by one %v", vs, got, want)
			}
		}
	})
}
