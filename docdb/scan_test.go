package docdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// scanned is a document of the collection that TestLongScans reads.
type scanned struct {
	ID  int32  `bson:"_id"`
	N   int32  `bson:"n"`
	G   int32  `bson:"g"`
	Pad string `bson:"pad"`
}

// longCollection has documents of very different sizes, with gaps of all widths between their records.
func longCollection(t *testing.T, coll *mongo.Collection) []scanned {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(3, 4))
	var all []scanned
	var batch []any
	for i := range 30_000 {
		pad := r.IntN(60)
		// A stretch of large ones fills a segment's buffer several times over: what is left of the segment must not be forgotten.
		if r.IntN(400) == 0 || i >= 23_000 && i < 23_120 {
			pad = 40_000
		}
		d := scanned{int32(i), r.Int32N(1000), r.Int32N(7), strings.Repeat("p", pad)}
		all, batch = append(all, d), append(batch, d)
		if len(batch) == 3000 {
			_, err := coll.InsertMany(ctx, batch)
			must(t, err)
			batch = batch[:0]
		}
	}
	gone := func(id int32) bool {
		return id%11 == 3 || id >= 4000 && id < 4100 || id >= 9000 && id < 21_000 || id == 29_999
	}
	_, err := coll.DeleteMany(ctx, bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "_id", Value: bson.D{{Key: "$mod", Value: bson.A{11, 3}}}}},
		bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: 4000}, {Key: "$lt", Value: 4100}}}},
		bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: 9000}, {Key: "$lt", Value: 21_000}}}},
		bson.D{{Key: "_id", Value: 29_999}},
	}}})
	must(t, err)
	kept := all[:0]
	for _, d := range all {
		if !gone(d.ID) {
			kept = append(kept, d)
		}
	}
	return kept
}

func TestLongScans(t *testing.T) {
	ctx := context.Background()
	_, client := open(t)
	coll := client.Database("app").Collection("long")
	docs := longCollection(t, coll)

	find := func(t *testing.T, filter bson.D, want func(d scanned) bool, opts ...options.Lister[options.FindOptions]) {
		t.Helper()
		cur, err := coll.Find(ctx, filter, opts...)
		must(t, err)
		var got []scanned
		must(t, cur.All(ctx, &got))
		i := 0
		for _, d := range docs {
			if !want(d) {
				continue
			}
			if i == len(got) || got[i] != d {
				t.Fatalf("result %d of %d is not document %d", i, len(got), d.ID)
			}
			i++
		}
		if i != len(got) {
			t.Fatalf("%d results, want %d", len(got), i)
		}
	}
	below := func(n int32) bson.D { return bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: n}}}} }
	for _, n := range []int32{0, 1, 50, 500, 1000} {
		t.Run(fmt.Sprintf("Find%dPerMille", n), func(t *testing.T) {
			find(t, below(n), func(d scanned) bool { return d.N < n })
		})
	}
	t.Run("SmallBatches", func(t *testing.T) {
		find(t, below(300), func(d scanned) bool { return d.N < 300 }, options.Find().SetBatchSize(37))
	})
	t.Run("OtherCursorsMeanwhile", func(t *testing.T) {
		// A cursor in the middle of its scan keeps its snapshot, whatever is written.
		cur, err := coll.Find(ctx, below(200), options.Find().SetBatchSize(100))
		must(t, err)
		_, err = coll.InsertOne(ctx, scanned{ID: 100_000, N: 0})
		must(t, err)
		_, err = coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: 100_000}})
		must(t, err)
		n := 0
		for cur.Next(ctx) {
			n++
		}
		must(t, cur.Err())
		for _, d := range docs {
			if d.N < 200 {
				n--
			}
		}
		if n != 0 {
			t.Errorf("%d results too many", n)
		}
	})
	t.Run("Abandoned", func(t *testing.T) {
		for range 20 {
			cur, err := coll.Find(ctx, below(500), options.Find().SetBatchSize(1200))
			must(t, err)
			for range 1300 {
				cur.Next(ctx)
			}
			must(t, cur.Close(ctx))
		}
	})
	t.Run("Count", func(t *testing.T) {
		got, err := coll.CountDocuments(ctx, below(321))
		must(t, err)
		for _, d := range docs {
			if d.N < 321 {
				got--
			}
		}
		if got != 0 {
			t.Errorf("off by %d", got)
		}
	})
	t.Run("Distinct", func(t *testing.T) {
		var got []int32
		must(t, coll.Distinct(ctx, "g", below(900)).Decode(&got))
		if len(got) != 7 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("Group", func(t *testing.T) {
		cur, err := coll.Aggregate(ctx, mongo.Pipeline{
			{{Key: "$match", Value: below(777)}},
			{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$g"}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$n"}}},
				{Key: "first", Value: bson.D{{Key: "$first", Value: "$_id"}}}, {Key: "last", Value: bson.D{{Key: "$last", Value: "$_id"}}}}}},
			{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}},
		})
		must(t, err)
		type row struct {
			ID    int32 `bson:"_id"`
			Sum   int32
			First int32
			Last  int32
		}
		var got []row
		must(t, cur.All(ctx, &got))
		want := map[int32]*row{}
		for _, d := range docs {
			if d.N >= 777 {
				continue
			}
			if want[d.G] == nil {
				want[d.G] = &row{ID: d.G, First: d.ID}
			}
			want[d.G].Sum += d.N
			want[d.G].Last = d.ID
		}
		for _, r := range got {
			if want[r.ID] == nil || *want[r.ID] != r {
				t.Errorf("got %+v, want %+v", r, want[r.ID])
			}
			delete(want, r.ID)
		}
		if len(want) != 0 {
			t.Errorf("%d groups are missing", len(want))
		}
	})
	t.Run("ErrorInTheMiddle", func(t *testing.T) {
		// The division fails at one document, far behind the start; what comes before it does not.
		failing := func(id int32) bson.D {
			return bson.D{{Key: "$expr", Value: bson.D{{Key: "$gte", Value: bson.A{bson.D{{Key: "$divide", Value: bson.A{1, bson.D{{Key: "$subtract", Value: bson.A{"$_id", id}}}}}}, 5}}}}}
		}
		_, err := coll.CountDocuments(ctx, failing(25_000))
		if err == nil {
			t.Error("no error")
		}
		bad, before := int32(0), 0
		for _, d := range docs {
			if d.G == 3 && d.ID > 3000 {
				bad = d.ID
				break
			}
			if d.G == 3 {
				before++
			}
		}
		filter := append(failing(bad), bson.E{Key: "g", Value: 3})
		filter[0].Value = bson.D{{Key: "$lt", Value: filter[0].Value.(bson.D)[0].Value}}
		cur, err := coll.Find(ctx, filter, options.Find().SetBatchSize(1))
		must(t, err)
		n := -before
		for cur.Next(ctx) {
			n++
		}
		if n != 0 || cur.Err() == nil {
			t.Errorf("%d results too many, error %v", n, cur.Err())
		}
	})
	t.Run("Update", func(t *testing.T) {
		r, err := coll.UpdateMany(ctx, below(100), bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 0}}}, {Key: "$set", Value: bson.D{{Key: "g", Value: 9}}}})
		must(t, err)
		n, err := coll.CountDocuments(ctx, bson.D{{Key: "g", Value: 9}})
		must(t, err)
		if n != r.ModifiedCount || n == 0 {
			t.Errorf("%d documents modified, %d found", r.ModifiedCount, n)
		}
	})
}
