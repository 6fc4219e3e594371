package docdb_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestScatteredDocuments reads documents through indexes whose order is not that of the documents: in batches that are sorted by
// record, larger than what a batch holds, shared out among processors, left early, and inside of a transaction.
func TestScatteredDocuments(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	ctx := context.Background()
	_, client := open(t)
	coll := client.Database("app").Collection("scattered")
	type doc struct {
		ID  int32   `bson:"_id"`
		K   int32   `bson:"k"`
		Few []int32 `bson:"few"`
		Pad string  `bson:"pad"`
	}
	r := rand.New(rand.NewPCG(8, 9))
	var docs []doc
	for i := range 3000 {
		d := doc{ID: int32(i), K: r.Int32N(500), Few: []int32{r.Int32N(5), r.Int32N(5)}}
		if r.IntN(3) == 0 {
			d.Pad = strings.Repeat("p", r.IntN(40_000))
		}
		docs = append(docs, d)
	}
	_, err := coll.InsertMany(ctx, docs)
	must(t, err)
	for _, keys := range []bson.D{{{Key: "k", Value: 1}}, {{Key: "few", Value: 1}, {Key: "k", Value: 1}}} {
		_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys})
		must(t, err)
	}
	_, err = coll.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$mod", Value: bson.A{7, 3}}}}})
	must(t, err)
	docs = slices.DeleteFunc(docs, func(d doc) bool { return d.ID%7 == 3 })
	byK := slices.Clone(docs)
	slices.SortStableFunc(byK, func(a, b doc) int { return int(a.K - b.K) })

	read := func(ctx context.Context, filter bson.D, n int, opts *options.FindOptionsBuilder) []doc {
		t.Helper()
		cur, err := coll.Find(ctx, filter, opts)
		must(t, err)
		defer cur.Close(ctx)
		var got []doc
		for len(got) < n && cur.Next(ctx) {
			var d doc
			must(t, cur.Decode(&d))
			got = append(got, d)
		}
		must(t, cur.Err())
		return got
	}
	same := func(t *testing.T, got, want []doc) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d documents, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i].ID != want[i].ID || got[i].Pad != want[i].Pad || got[i].K != want[i].K {
				t.Fatalf("document %d is %d, want %d", i, got[i].ID, want[i].ID)
			}
		}
	}
	between := func(lo, hi int32) (bson.D, []doc) {
		var want []doc
		for _, d := range byK {
			if d.K >= lo && d.K < hi {
				want = append(want, d)
			}
		}
		return bson.D{{Key: "k", Value: bson.D{{Key: "$gte", Value: lo}, {Key: "$lt", Value: hi}}}}, want
	}
	sorted := func() *options.FindOptionsBuilder { return options.Find().SetSort(bson.D{{Key: "k", Value: 1}}) }
	all := len(docs)
	t.Run("Ranges", func(t *testing.T) {
		for range 60 {
			lo := r.Int32N(500)
			filter, want := between(lo, lo+r.Int32N(200))
			same(t, read(ctx, filter, all, sorted()), want)
		}
	})
	t.Run("Whole", func(t *testing.T) {
		filter, want := between(0, 500)
		same(t, read(ctx, filter, all, sorted()), want)
	})
	t.Run("Backwards", func(t *testing.T) {
		filter, want := between(100, 300)
		want = slices.Clone(want)
		slices.Reverse(want)
		same(t, read(ctx, filter, all, options.Find().SetSort(bson.D{{Key: "k", Value: -1}})), want)
	})
	t.Run("SmallBatches", func(t *testing.T) {
		filter, want := between(50, 200)
		for _, n := range []int32{1, 2, 33, 150} {
			same(t, read(ctx, filter, all, sorted().SetBatchSize(n)), want)
		}
	})
	t.Run("SkipAndLimit", func(t *testing.T) {
		filter, want := between(50, 450)
		for _, n := range []int{1, 2, 31, 32, 127, 128, 129, 500} {
			same(t, read(ctx, filter, all, sorted().SetLimit(int64(n))), want[:n])
			same(t, read(ctx, filter, all, sorted().SetSkip(int64(n)).SetLimit(40)), want[n:n+40])
		}
	})
	t.Run("LeftEarly", func(t *testing.T) {
		filter, want := between(50, 450)
		for _, n := range []int{1, 5, 140, 300} {
			same(t, read(ctx, filter, n, sorted()), want[:n])
		}
	})
	t.Run("Repeats", func(t *testing.T) {
		// A document has two entries in the index on an array, and comes once.
		seen := map[int32]bool{}
		got := read(ctx, bson.D{{Key: "few", Value: bson.D{{Key: "$gte", Value: 1}}}}, all, options.Find())
		for _, d := range got {
			if seen[d.ID] {
				t.Fatalf("document %d comes twice", d.ID)
			}
			seen[d.ID] = true
		}
		for _, d := range docs {
			if want := d.Few[0] >= 1 || d.Few[1] >= 1; want != seen[d.ID] {
				t.Fatalf("document %d: found %v, want %v", d.ID, seen[d.ID], want)
			}
		}
	})
	t.Run("ReturnKey", func(t *testing.T) {
		filter, want := between(490, 500)
		cur, err := coll.Find(ctx, filter, sorted().SetReturnKey(true))
		must(t, err)
		var got []bson.D
		must(t, cur.All(ctx, &got))
		if len(got) != len(want) {
			t.Fatalf("%d keys, want %d", len(got), len(want))
		}
		for i, d := range got {
			if len(d) != 1 || d[0].Key != "k" || d[0].Value != want[i].K {
				t.Fatalf("key %d is %v, want k: %d", i, d, want[i].K)
			}
		}
	})
	t.Run("Transaction", func(t *testing.T) {
		sess, err := client.StartSession()
		must(t, err)
		defer sess.EndSession(ctx)
		_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
			filter, want := between(100, 200)
			want = slices.Clone(want)
			_, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: want[5].ID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "pad", Value: "mine"}}}})
			must(t, err)
			want[5].Pad = "mine"
			_, err = coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: want[50].ID}})
			must(t, err)
			want = slices.Delete(want, 50, 51)
			same(t, read(ctx, filter, all, sorted()), want)
			return nil, sess.AbortTransaction(ctx)
		})
		if err != nil && !strings.Contains(err.Error(), "abort") {
			t.Error(err)
		}
	})
	t.Run("UpdateMany", func(t *testing.T) {
		filter, want := between(300, 400)
		res, err := coll.UpdateMany(ctx, filter, bson.D{{Key: "$inc", Value: bson.D{{Key: "k", Value: 1000}}}})
		must(t, err)
		if res.ModifiedCount != int64(len(want)) {
			t.Errorf("%d modified, want %d", res.ModifiedCount, len(want))
		}
	})
}
