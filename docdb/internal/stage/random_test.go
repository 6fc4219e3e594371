package stage_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// someValue draws a value with many collisions and many types.
func someValue() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Map(rapid.Int32Range(-2, 3), func(i int32) any { return i }),
		rapid.Map(rapid.Int64Range(-2, 3), func(i int64) any { return i }),
		rapid.Map(rapid.SampledFrom([]float64{math.Copysign(0, -1), 0, 1, 1.5, 2}), func(f float64) any { return f }),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "b", "ab"}), func(s string) any { return s }),
		rapid.Just[any](bson.Null{}), rapid.Just[any](true), rapid.Just[any](bson.DateTime(5)),
		rapid.Map(rapid.SampledFrom([]string{"1", "1.0", "2.5"}), func(s string) any { d, _ := bson.ParseDecimal128(s); return d }),
	)
	return rapid.OneOf(scalar, scalar, scalar,
		rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(a []any) any { return bson.A(a) }),
		rapid.Map(scalar, func(v any) any { return bson.D{{Key: "x", Value: v}} }))
}

func someDocs(t *rapid.T) []bson.Raw {
	n := rapid.IntRange(0, 40).Draw(t, "n")
	docs := make([]bson.Raw, n)
	for i := range docs {
		d := bson.D{{Key: "_id", Value: int32(i)}}
		for _, k := range []string{"a", "b"} {
			if rapid.IntRange(0, 4).Draw(t, "has") > 0 {
				d = append(d, bson.E{Key: k, Value: someValue().Draw(t, k)})
			}
		}
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		docs[i] = b
	}
	return docs
}

func mustRun(t interface{ Fatal(...any) }, pipeline string, env stage.Env, docs []bson.Raw) []bson.Raw {
	stages, err := array(pipeline)
	if err != nil {
		t.Fatal(err)
	}
	out, err := runPipeline(stages, env, docs, false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGroupAgreesWithNaive groups by comparing values one with another, and spills, and compares.
func TestGroupAgreesWithNaive(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		docs := someDocs(t)
		type group struct {
			id  bson.RawValue
			n   int32
			ids []bson.RawValue
		}
		var want []*group
		for _, d := range docs {
			k := expr.Lookup(d, "a")
			if expr.Missing(k) {
				k = expr.Null
			}
			var g *group
			for _, o := range want {
				if value.Compare(o.id, k) == 0 {
					g = o
				}
			}
			if g == nil {
				g = &group{id: k}
				want = append(want, g)
			}
			g.n++
			g.ids = append(g.ids, expr.Lookup(d, "_id"))
		}
		for _, limit := range []int{0, 1, 3000} {
			env := stage.Env{DB: "db", Collection: "c", AllowDiskUse: true, TempDir: dir, MemoryLimit: limit}
			if limit == 1 {
				// $push cannot be spilled: leave it out where little memory is the point.
				got := mustRun(t, `[{$group: {_id: "$a", n: {$sum: 1}}}]`, env, docs)
				if len(got) != len(want) {
					t.Fatalf("limit %d: %d groups, want %d", limit, len(got), len(want))
				}
				for _, g := range got {
					i := slices.IndexFunc(want, func(w *group) bool { return value.Compare(w.id, expr.Lookup(g, "_id")) == 0 })
					if i < 0 || value.Compare(expr.Lookup(g, "n"), value.Int32(want[i].n)) != 0 {
						t.Fatalf("limit %d: %v", limit, g)
					}
				}
				continue
			}
			got := mustRun(t, `[{$group: {_id: "$a", n: {$sum: 1}, ids: {$push: "$_id"}}}]`, env, docs)
			if len(got) != len(want) {
				t.Fatalf("%d groups, want %d", len(got), len(want))
			}
			for i, g := range got {
				exp := value.DocOf(value.Field{Name: "_id", Value: want[i].id}, value.Field{Name: "n", Value: value.Int32(want[i].n)}, value.Field{Name: "ids", Value: value.ArrayOf(want[i].ids)})
				if limit == 0 && !bytes.Equal(g, exp) {
					t.Fatalf("got %v, want %v", g, exp)
				}
			}
		}
	})
}

// TestSortAgreesWithNaive compares sorting in memory, by way of files, and with a limit, with a stable sort of decoded keys.
func TestSortAgreesWithNaive(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		docs := someDocs(t)
		dir1, dir2 := rapid.SampledFrom([]int{1, -1}).Draw(t, "d1"), rapid.SampledFrom([]int{1, -1}).Draw(t, "d2")
		key := func(d bson.Raw, name string, dir int) bson.RawValue {
			v := expr.Lookup(d, name)
			if v.Type == bson.TypeArray {
				els := value.Elements(v.Value)
				if len(els) == 0 {
					return bson.RawValue{Type: bson.TypeUndefined}
				}
				best := els[0]
				for _, e := range els {
					if dir*value.Compare(e, best) < 0 {
						best = e
					}
				}
				return best
			}
			if expr.Missing(v) {
				return expr.Null
			}
			return v
		}
		parallel := func(d bson.Raw) bool {
			return expr.Lookup(d, "a").Type == bson.TypeArray && expr.Lookup(d, "b").Type == bson.TypeArray
		}
		docs = slices.DeleteFunc(docs, parallel)
		want := slices.Clone(docs)
		sort.SliceStable(want, func(i, j int) bool {
			if c := dir1 * value.Compare(key(want[i], "a", dir1), key(want[j], "a", dir1)); c != 0 {
				return c < 0
			}
			return dir2*value.Compare(key(want[i], "b", dir2), key(want[j], "b", dir2)) < 0
		})
		pipeline := fmt.Sprintf(`{$sort: {a: %d, b: %d}}`, dir1, dir2)
		for _, limit := range []int{0, 1, 1000} {
			env := stage.Env{DB: "db", Collection: "c", AllowDiskUse: true, TempDir: dir, MemoryLimit: limit}
			if got := mustRun(t, "["+pipeline+"]", env, docs); !same(got, want) {
				t.Fatalf("memory %d: got %v, want %v", limit, got, want)
			}
			k, s := rapid.IntRange(1, 50).Draw(t, "k"), rapid.IntRange(0, 5).Draw(t, "s")
			got := mustRun(t, fmt.Sprintf(`[%s, {$skip: %d}, {$limit: %d}]`, pipeline, s, k), env, docs)
			exp := want[min(s, len(want)):]
			exp = exp[:min(k, len(exp))]
			if !same(got, exp) {
				t.Fatalf("memory %d, skip %d, limit %d: got %v, want %v", limit, s, k, got, exp)
			}
		}
	})
}

// TestLookupAgrees joins by hash table, by index, and by a table that does not fit, and compares.
func TestLookupAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local, foreign := someDocs(t), someDocs(t)
		path := rapid.SampledFrom([]string{"a", "b", "a.x", "b.x", "a.0", "b.0.x"}).Draw(t, "foreign field")
		from := rapid.SampledFrom([]string{"a", "b", "a.x", "a.0"}).Draw(t, "local field")
		var first []bson.Raw
		for i, how := range []string{"hash", "index", "too large"} {
			w := newWorld()
			w.put("o", foreign)
			if how == "index" {
				w.indexed["o."+path] = true
			}
			env := stage.Env{DB: "db", Collection: "c", Collections: w, AllowDiskUse: true}
			if how == "too large" {
				env.MemoryLimit = 1
			}
			got := mustRun(t, fmt.Sprintf(`[{$lookup: {from: "o", localField: "%s", foreignField: "%s", as: "r"}}]`, from, path), env, local)
			if i == 0 {
				first = got
			} else if !same(got, first) {
				t.Fatalf("%s on %s by %s: %v, and by hash %v", path, from, how, got, first)
			}
		}
	})
}

// TestCancelled stops at a context that has ended.
func TestCancelled(t *testing.T) {
	docs := make([]bson.Raw, 5000)
	for i := range docs {
		docs[i] = value.DocOf(value.Field{Name: "_id", Value: value.Int32(int32(i))})
	}
	for _, p := range []string{`[{$group: {_id: "$_id"}}]`, `[{$sort: {_id: -1}}]`, `[{$count: "n"}]`, `[{$match: {a: 1}}]`, `[{$bucketAuto: {groupBy: "$_id", buckets: 3}}]`} {
		ctx, cancel := context.WithCancel(context.Background())
		stages, err := array(p)
		if err != nil {
			t.Fatal(err)
		}
		c, err := stage.Compile(stages, stage.Env{DB: "db", Collection: "c"})
		if err != nil {
			t.Fatal(err)
		}
		it := c.Run(ctx, stage.Documents(docs...))
		cancel()
		if _, err := it.Next(ctx); err == nil {
			t.Errorf("%s went on", p)
		}
		it.Close()
	}
}
