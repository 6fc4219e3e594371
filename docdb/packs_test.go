package docdb_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
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
