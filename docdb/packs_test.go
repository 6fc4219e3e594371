package docdb_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// TestRangesThatAreReadAgain reads ranges of documents that lie together, which are packed when they are read again, between writes to
// them, and beside a cursor whose snapshot is older.
func TestRangesThatAreReadAgain(t *testing.T) {
	ctx := context.Background()
	_, client := open(t)
	coll := client.Database("app").Collection("ranges")
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
	must(t, err)
	type doc struct {
		ID int32 `bson:"_id"`
		N  int32 `bson:"n"`
		V  int32 `bson:"v"`
	}
	now := map[int32]doc{}
	var all []any
	for i := range int32(2000) {
		now[i] = doc{i, i, 0}
		all = append(all, now[i])
	}
	_, err = coll.InsertMany(ctx, all)
	must(t, err)
	r := rand.New(rand.NewPCG(7, 8))
	want := func(lo, hi int32) (out []doc) {
		for n := lo; n < hi; n++ {
			if d, ok := now[n]; ok {
				out = append(out, d)
			}
		}
		return out
	}
	between := func(lo, hi int32) bson.D {
		return bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: lo}, {Key: "$lt", Value: hi}}}}
	}
	for round := range 400 {
		lo := r.Int32N(1900) / 50 * 50
		hi := lo + 20 + r.Int32N(300)
		var old *mongo.Cursor
		var then []doc
		if round%8 == 0 {
			old, err = coll.Find(ctx, between(lo, hi), options.Find().SetBatchSize(10))
			must(t, err)
			then = want(lo, hi)
		}
		for range r.IntN(3) {
			n := lo + r.Int32N(hi-lo)
			switch d, there := now[n]; {
			case !there && n < 2000:
				now[n] = doc{n, n, int32(round)} // behind all others, by its record
				_, err = coll.InsertOne(ctx, now[n])
			case there && r.IntN(3) == 0:
				delete(now, n)
				_, err = coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: n}})
			case there:
				d.V = int32(round)
				now[n] = d
				_, err = coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: n}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: d.V}}}})
			}
			must(t, err)
		}
		for range 3 {
			cur, err := coll.Find(ctx, between(lo, hi))
			must(t, err)
			var got []doc
			must(t, cur.All(ctx, &got))
			if !slices.Equal(got, want(lo, hi)) {
				t.Fatalf("round %d, %d to %d: %v, want %v", round, lo, hi, got, want(lo, hi))
			}
		}
		if old != nil {
			var got []doc
			must(t, old.All(ctx, &got))
			if !slices.Equal(got, then) {
				t.Fatalf("round %d, an older cursor from %d to %d: %v, want %v", round, lo, hi, got, then)
			}
		}
	}
}

// TestPacksAreWhole reads all documents of collections, and ranges of them, again and again, by a scan that is shared out from its middle on and
// by an index: documents that are too large to be packed together, and ones whose packs a scan enters in their middle, are all there.
func TestPacksAreWhole(t *testing.T) {
	for name, size := range map[string]int{"small": 20, "large": 4000, "mixed": -1} {
		t.Run(name, func(t *testing.T) {
			c := ctx(t)
			db, err := docdb.Open(t.TempDir(), docdb.Options{CacheBytes: 64 << 20})
			must(t, err)
			defer db.Close()
			client, err := mongo.Connect(db.ClientOptions())
			must(t, err)
			defer client.Disconnect(c)
			coll := client.Database("app").Collection("c")
			_, err = coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
			must(t, err)
			const docs = 2500
			var list []any
			for i := range docs {
				n := size
				if size < 0 {
					n = 100 + i%200*40 // packs that are full, and packs that are not
				}
				list = append(list, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}, {Key: "s", Value: strings.Repeat("x", n)}})
			}
			_, err = coll.InsertMany(c, list)
			must(t, err)
			sum := func(what string, filter bson.D, from, to int) {
				t.Helper()
				cur, err := coll.Find(c, filter, options.Find().SetProjection(bson.D{{Key: "n", Value: 1}, {Key: "k", Value: bson.D{{Key: "$strLenBytes", Value: "$s"}}}}))
				must(t, err)
				n := from
				for ; cur.Next(c); n++ {
					if got := cur.Current.Lookup("n").AsInt64(); got != int64(n) {
						t.Fatalf("%s from %d to %d: %d comes where %d should", what, from, to, got, n)
					}
				}
				must(t, cur.Err())
				if n != to {
					t.Fatalf("%s from %d to %d: it ends at %d", what, from, to, n)
				}
			}
			for range 4 {
				sum("a scan", bson.D{{Key: "s", Value: bson.D{{Key: "$gte", Value: ""}}}}, 0, docs)
				for from := 0; from < docs; from += 250 {
					sum("a range", bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: from + 250}}}}, from, from+250)
				}
			}
		})
	}
}
