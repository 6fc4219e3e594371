package docdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// mixed draws what sums and comparisons may trip over: all numeric types, integers whose sum overflows, doubles that cancel out, what is
// not finite, and no numbers at all.
func mixed(r *rand.Rand) any {
	switch r.IntN(11) {
	case 0:
		return int64(math.MaxInt64 - r.IntN(3))
	case 1:
		return int64(math.MinInt64 + r.IntN(3))
	case 2:
		return float64(r.IntN(1<<20)) / 1024
	case 3:
		return math.Ldexp(float64(r.IntN(1<<20)-1<<19), r.IntN(60)-30)
	case 4:
		return "text"
	case 5:
		return bson.Null{}
	case 6:
		return int64(r.IntN(1000))
	case 7:
		return bson.A{int32(r.IntN(3))}
	}
	return int32(r.IntN(2000) - 1000)
}

// groupCollection has documents enough for a scan to be shared out, with gaps.
func groupCollection(t *testing.T, coll *mongo.Collection) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(11, 12))
	var batch []any
	for i := range 14_000 {
		d := bson.D{{Key: "_id", Value: int32(i)}, {Key: "g", Value: int32(r.IntN(7))}, {Key: "s", Value: []string{"a", "A", "b", "B", "é"}[r.IntN(5)]}}
		if r.IntN(9) > 0 {
			d = append(d, bson.E{Key: "x", Value: mixed(r)})
		}
		if r.IntN(5) == 0 {
			dec, _ := bson.ParseDecimal128(fmt.Sprintf("%d.%03d", r.IntN(2000)-1000, r.IntN(1000)))
			d = append(d, bson.E{Key: "dec", Value: dec})
		} else {
			d = append(d, bson.E{Key: "dec", Value: int64(math.MaxInt64 - r.IntN(1000))})
		}
		// Doubles and decimals of every magnitude, of which a sum has to round off.
		if r.IntN(3) == 0 {
			dec, _ := bson.ParseDecimal128(fmt.Sprintf("%d%016dE%d", r.Int64N(2e17)-1e17, r.Int64N(1e16), r.IntN(50)-40))
			d = append(d, bson.E{Key: "mix", Value: dec})
		} else {
			d = append(d, bson.E{Key: "mix", Value: (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(60)-30))})
		}
		d = append(d, bson.E{Key: "i", Value: int32(r.IntN(100))}, bson.E{Key: "f", Value: r.Float64()}, bson.E{Key: "in", Value: bson.D{{Key: "g", Value: int32(r.IntN(3))}}})
		if r.IntN(300) == 0 {
			d = append(d, bson.E{Key: "pad", Value: strings.Repeat("p", 20_000)})
		}
		switch {
		case i == 11_000:
			d = append(d, bson.E{Key: "odd", Value: math.NaN()})
		case i == 1_000, i == 13_000:
			d = append(d, bson.E{Key: "odd", Value: math.Inf(1)})
		}
		if batch = append(batch, d); len(batch) == 3500 {
			_, err := coll.InsertMany(ctx, batch)
			must(t, err)
			batch = batch[:0]
		}
	}
	_, err := coll.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: 5000}, {Key: "$lt", Value: 7000}}}})
	must(t, err)
}

// TestSharedGroups compares groups over a scan that is shared out among processors with groups over one document after the other, which
// a $limit that takes all of them makes of it: the same values of the same types in the same order.
func TestSharedGroups(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	ctx := context.Background()
	all := bson.D{}
	for _, op := range []string{"$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet"} {
		for _, f := range []string{"x", "i", "odd", "dec", "mix"} {
			all = append(all, bson.E{Key: op[1:] + "_" + f, Value: bson.D{{Key: op, Value: "$" + f}}})
		}
	}
	all = append(all, bson.E{Key: "n", Value: bson.D{{Key: "$count", Value: bson.D{}}}}, bson.E{Key: "one", Value: bson.D{{Key: "$sum", Value: 1}}},
		bson.E{Key: "deep", Value: bson.D{{Key: "$sum", Value: "$in.g"}}}, bson.E{Key: "sum_f", Value: bson.D{{Key: "$sum", Value: "$f"}}},
		bson.E{Key: "median", Value: bson.D{{Key: "$median", Value: bson.D{{Key: "input", Value: "$f"}, {Key: "method", Value: "approximate"}}}}},
		bson.E{Key: "computed", Value: bson.D{{Key: "$sum", Value: bson.D{{Key: "$multiply", Value: bson.A{"$i", 2}}}}}},
		bson.E{Key: "root", Value: bson.D{{Key: "$last", Value: "$$ROOT"}}})
	few := bson.D{{Key: "n", Value: bson.D{{Key: "$sum", Value: "$i"}}}, {Key: "first", Value: bson.D{{Key: "$first", Value: "$_id"}}}}
	pushed := bson.D{{Key: "ids", Value: bson.D{{Key: "$push", Value: "$_id"}}}}
	match := bson.D{{Key: "i", Value: bson.D{{Key: "$lt", Value: 90}}}}
	with := func(id any, accs bson.D) bson.D { return append(bson.D{{Key: "_id", Value: id}}, accs...) }
	colls := map[int]*mongo.Collection{}
	for _, memory := range []int{0, 20 << 10, 200 << 10, 2 << 20} {
		db, err := docdb.Open(t.TempDir(), docdb.WithSortBytes(docdb.Options{Log: t.Logf}, memory))
		must(t, err)
		client, err := mongo.Connect(db.ClientOptions())
		must(t, err)
		defer func() {
			must(t, client.Disconnect(ctx))
			must(t, db.Close())
		}()
		colls[memory] = client.Database("app").Collection("grouped")
		groupCollection(t, colls[memory])
	}
	for _, c := range []struct {
		name   string
		memory int
		match  bson.D
		group  bson.D
		opts   []options.Lister[options.AggregateOptions]
		error  bool
	}{
		{name: "EveryAccumulator", group: with("$g", all)},
		{name: "AfterMatch", match: match, group: with("$g", all)},
		{name: "OneGroup", group: with(nil, all)},
		{name: "ManyGroups", group: with("$_id", few)},
		{name: "MixedKeys", group: with("$x", few)},
		{name: "ComputedKey", group: with(bson.D{{Key: "a", Value: "$in.g"}, {Key: "b", Value: bson.D{{Key: "$mod", Value: bson.A{"$i", 5}}}}}, few)},
		{name: "Collation", group: with("$s", few), opts: []options.Lister[options.AggregateOptions]{options.Aggregate().SetCollation(&options.Collation{Locale: "en", Strength: 2})}},
		{name: "NotToBeMerged", group: with("$g", bson.D{{Key: "d", Value: bson.D{{Key: "$stdDevPop", Value: "$i"}}}})},
		{name: "Spilling", memory: 200 << 10, group: with("$_id", few)},
		{name: "SpillingEarly", memory: 20 << 10, group: with("$_id", few)},
		{name: "SpillingPushes", memory: 20 << 10, group: with(bson.D{{Key: "$mod", Value: bson.A{"$_id", 2000}}}, pushed)},
		{name: "LargeValues", memory: 2 << 20, group: with("$g", bson.D{{Key: "pad", Value: bson.D{{Key: "$addToSet", Value: "$pad"}}}, {Key: "last", Value: bson.D{{Key: "$last", Value: "$pad"}}}})},
		{name: "NoDisk", memory: 200 << 10, group: with("$_id", few), opts: []options.Lister[options.AggregateOptions]{options.Aggregate().SetAllowDiskUse(false)}, error: true},
		{name: "Fails", group: with(bson.D{{Key: "$divide", Value: bson.A{1, bson.D{{Key: "$subtract", Value: bson.A{"$_id", 12_000}}}}}}, few), error: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			coll := colls[c.memory]
			read := func(limit ...bson.D) (out []bson.Raw, err error) {
				p := mongo.Pipeline{{{Key: "$match", Value: append(bson.D{}, c.match...)}}}
				p = append(append(p, limit...), bson.D{{Key: "$group", Value: c.group}})
				if c.memory > 0 {
					p = append(p, bson.D{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}}) // the order of groups that were spilled is by chance
				}
				cur, err := coll.Aggregate(ctx, p, c.opts...)
				if err != nil {
					return nil, err
				}
				defer cur.Close(ctx)
				for cur.Next(ctx) {
					out = append(out, bytes.Clone(cur.Current))
				}
				return out, cur.Err()
			}
			want, wantErr := read(bson.D{{Key: "$limit", Value: 1_000_000}})
			got, gotErr := read()
			if c.error {
				if wantErr == nil || gotErr == nil || wantErr.Error() != gotErr.Error() {
					t.Fatalf("got error %v, want %v", gotErr, wantErr)
				}
				return
			}
			must(t, wantErr)
			must(t, gotErr)
			if len(got) != len(want) {
				t.Fatalf("%d groups, want %d", len(got), len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("group %d:\n got %s\nwant %s", i, got[i], want[i])
				}
			}
		})
	}
}

// TestSharedGroupStops: a group that is shared out keeps to maxTimeMS, whether one document takes long or all together do, and leaves
// the processors to the next one.
func TestSharedGroupStops(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	// All of the work takes longer. A context with a deadline would make the driver set a maxTimeMS of its own.
	ctx, cancel := context.WithCancel(context.Background())
	defer time.AfterFunc(20*time.Second, cancel).Stop()
	defer cancel()
	_, client := open(t)
	coll := client.Database("app").Collection("grouped")
	groupCollection(t, coll)
	work := func(turns int) bson.D {
		return bson.D{{Key: "$reduce", Value: bson.D{{Key: "input", Value: bson.D{{Key: "$range", Value: bson.A{0, turns}}}}, {Key: "initialValue", Value: "$i"},
			{Key: "in", Value: bson.D{{Key: "$add", Value: bson.A{"$$value", "$$this"}}}}}}}
	}
	for _, turns := range []int{1_000_000, 5_000} {
		err := coll.Database().RunCommand(ctx, bson.D{{Key: "aggregate", Value: coll.Name()}, {Key: "cursor", Value: bson.D{}}, {Key: "maxTimeMS", Value: 150},
			{Key: "pipeline", Value: bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$g"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: work(turns)}}}}}}}}}).Err()
		var e mongo.CommandError
		if !errors.As(err, &e) || e.Code != 50 {
			t.Errorf("%d turns: %v, want MaxTimeMSExpired", turns, err)
		}
		cur, err := coll.Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$g"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}}})
		must(t, err)
		var groups []bson.Raw
		must(t, cur.All(ctx, &groups))
		if len(groups) != 7 {
			t.Errorf("%d groups, want 7", len(groups))
		}
	}
}
