package stage_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// windowed are accumulators with what an empty window gives.
var windowed = []struct{ op, empty string }{
	{`{$sum: "$v"}`, "0"}, {`{$avg: "$v"}`, "null"}, {`{$min: "$v"}`, "null"}, {`{$max: "$v"}`, "null"}, {`{$count: {}}`, "0"},
	{`{$push: "$v"}`, "[]"}, {`{$addToSet: "$v"}`, "[]"}, {`{$first: "$v"}`, "null"}, {`{$last: "$v"}`, "null"},
	{`{$stdDevPop: "$v"}`, "null"}, {`{$stdDevSamp: "$v"}`, "null"},
	{`{$minN: {input: "$v", n: 2}}`, "[]"}, {`{$maxN: {input: "$v", n: 2}}`, "[]"}, {`{$firstN: {input: "$v", n: 2}}`, "[]"}, {`{$lastN: {input: "$v", n: 2}}`, "[]"},
	{`{$top: {sortBy: {v: 1}, output: "$_id"}}`, "null"}, {`{$bottom: {sortBy: {v: 1, _id: 1}, output: "$_id"}}`, "null"},
	{`{$topN: {sortBy: {v: -1, _id: 1}, output: "$_id", n: 2}}`, "[]"}, {`{$bottomN: {sortBy: {v: 1, _id: 1}, output: "$_id", n: 2}}`, "[]"},
	{`{$median: {input: "$v", method: "approximate"}}`, "null"}, {`{$percentile: {input: "$v", p: [0.5, 0.9], method: "approximate"}}`, "[null, null]"},
}

// nearly compares numbers up to rounding, sets without their order, and all else exactly.
func nearly(op string, a, b bson.RawValue) bool {
	if x, ok := a.DoubleOK(); ok {
		y, ok := b.DoubleOK()
		return ok && (x == y || math.Abs(x-y) <= 1e-9*max(1, math.Abs(x)) || math.IsNaN(x) && math.IsNaN(y))
	}
	if op == `{$addToSet: "$v"}` {
		sorted := func(v bson.RawValue) []bson.RawValue {
			list := value.Elements(v.Value)
			slices.SortFunc(list, value.Compare)
			return list
		}
		return slices.EqualFunc(sorted(a), sorted(b), func(x, y bson.RawValue) bool { return value.Compare(x, y) == 0 })
	}
	return a.Type == b.Type && value.Compare(a, b) == 0
}

// TestWindowsAgreeWithGroups: what an accumulator says of a window is what $group says of the window's documents.
func TestWindowsAgreeWithGroups(t *testing.T) {
	env := stage.Env{DB: "db", Collection: "c"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		docs := make([]bson.Raw, n)
		at := make([]int32, n)
		for i := range docs {
			if i > 0 {
				at[i] = at[i-1] + rapid.Int32Range(0, 3).Draw(t, "step")
			}
			d := bson.D{{Key: "_id", Value: int32(i)}, {Key: "t", Value: at[i]}}
			if rapid.IntRange(0, 4).Draw(t, "has") > 0 {
				d = append(d, bson.E{Key: "v", Value: someValue().Draw(t, "v")})
			}
			b, err := bson.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			docs[i] = b
		}
		bound := func(name string) (string, int, bool) {
			switch rapid.IntRange(0, 5).Draw(t, name) {
			case 0:
				return `"unbounded"`, 0, true
			case 1:
				return `"current"`, 0, false
			}
			d := rapid.IntRange(-3, 3).Draw(t, "distance")
			return fmt.Sprint(d), d, false
		}
		from, lo, openLo := bound("from")
		to, hi, openHi := bound("to")
		if !openLo && !openHi && lo > hi {
			from, lo, to, hi = to, hi, from, lo
		}
		kind := rapid.SampledFrom([]string{"documents", "range"}).Draw(t, "kind")
		w := rapid.SampledFrom(windowed).Draw(t, "function")
		out := mustRun(t, fmt.Sprintf(`[{$setWindowFields: {sortBy: {t: 1}, output: {w: %s}}}]`, w.op[:len(w.op)-1]+fmt.Sprintf(`, window: {%s: [%s, %s]}}`, kind, from, to)), env, docs)
		for i, d := range out {
			var within []bson.Raw
			for j, o := range docs {
				distance := j - i
				if kind == "range" {
					distance = int(at[j] - at[i])
				}
				if (openLo || distance >= lo) && (openHi || distance <= hi) {
					within = append(within, o)
				}
			}
			want := fmt.Sprintf(`[{$project: {_id: 0, w: {$literal: %s}}}]`, w.empty)
			of := docs[:1]
			if len(within) > 0 {
				want, of = fmt.Sprintf(`[{$group: {_id: null, w: %s}}]`, w.op), within
			}
			g := expr.Lookup(mustRun(t, want, env, of)[0], "w")
			if got := expr.Lookup(d, "w"); !nearly(w.op, got, g) {
				t.Fatalf("%s over %s [%s, %s] at %d of %v: %v, want %v", w.op, kind, from, to, i, docs, got, g)
			}
		}
	})
}
