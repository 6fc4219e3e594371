package docdb_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"regent/docdb/internal/geo"
	"regent/docdb/internal/value"
)

// TestNearestInRings: what $near, $nearSphere and $geoNear give, through indexes of every form, is what measuring every document and sorting
// gives, those equally far in the order of insertion.
func TestNearestInRings(t *testing.T) {
	_, client := open(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		coll := client.Database("near").Collection(fmt.Sprintf("c%d", n))
		flat := rapid.Bool().Draw(t, "flat")
		kind := "2dsphere"
		if flat {
			kind = "2d"
		}
		// Clusters of points, on a grid so that many are equally far; some far away, some beside the 180th meridian and the poles.
		centers := [][2]float64{{0, 0}, {0.01, 0.02}, {179.99, 10}, {-179.99, 10}, {30, 89.9}, {-100, -60}}
		point := func() bson.A {
			c := rapid.SampledFrom(centers).Draw(t, "cluster")
			step := rapid.SampledFrom([]float64{0.0001, 0.01, 1}).Draw(t, "step")
			x, y := c[0]+step*float64(rapid.IntRange(-3, 3).Draw(t, "x")), c[1]+step*float64(rapid.IntRange(-3, 3).Draw(t, "y"))
			return bson.A{max(min(x, 180), -180), max(min(y, 90), -90)}
		}
		docs := make([]any, rapid.IntRange(0, 40).Draw(t, "documents"))
		for i := range docs {
			var at any = point()
			switch pick := rapid.IntRange(0, 6).Draw(t, "shape"); {
			case flat && pick == 0:
				at = bson.A{point(), point()}
			case flat || pick == 0:
			case pick == 1:
				at = bson.D{{Key: "type", Value: "MultiPoint"}, {Key: "coordinates", Value: bson.A{point(), point()}}}
			case pick == 2:
				p := point()
				at = bson.D{{Key: "type", Value: "LineString"}, {Key: "coordinates", Value: bson.A{p, bson.A{p[0].(float64) * 0.9, p[1].(float64)*0.9 + 0.5}}}}
			default:
				at = bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: at}}
			}
			docs[i] = bson.D{{Key: "_id", Value: len(docs) - i}, {Key: "k", Value: i % 3}, {Key: "in", Value: bson.D{{Key: "at", Value: at}}}}
		}
		if len(docs) > 0 {
			_, err := coll.InsertMany(t.Context(), docs)
			must2(t, err)
		}
		keys := []bson.D{{{Key: "in.at", Value: kind}}, {{Key: "in.at", Value: kind}, {Key: "k", Value: 1}}, {{Key: "k", Value: 1}, {Key: "in.at", Value: kind}}}
		if flat {
			keys = keys[:2] // a 2d index begins with its place
		}
		_, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: rapid.SampledFrom(keys).Draw(t, "key")})
		must2(t, err)
		for range 2 {
			from := point()
			var near bson.D
			stage := bson.D{{Key: "distanceField", Value: "d"}, {Key: "key", Value: "in.at"}}
			scale := 1.0
			switch {
			case flat && rapid.Bool().Draw(t, "plane"):
				near = bson.D{{Key: "$near", Value: from}}
				stage = append(stage, bson.E{Key: "near", Value: from})
			case flat:
				near, scale = bson.D{{Key: "$nearSphere", Value: from}}, 0.01
				stage = append(stage, bson.E{Key: "near", Value: from}, bson.E{Key: "spherical", Value: true})
			default:
				g := bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: from}}
				near, scale = bson.D{{Key: "$near", Value: bson.D{{Key: "$geometry", Value: g}}}}, 100_000
				stage = append(stage, bson.E{Key: "near", Value: g})
			}
			within := func(name, inStage string) {
				if rapid.IntRange(0, 2).Draw(t, name) > 0 {
					return
				}
				x := scale * rapid.SampledFrom([]float64{0, 0.0001, 0.011, 1, 30}).Draw(t, "distance")
				stage = append(stage, bson.E{Key: inStage, Value: x})
				if g, ok := near[0].Value.(bson.D); ok {
					near[0].Value = append(g, bson.E{Key: name, Value: x})
				} else {
					near = append(near, bson.E{Key: name, Value: x})
				}
			}
			within("$minDistance", "minDistance")
			within("$maxDistance", "maxDistance")
			rest := bson.D{}
			if rapid.Bool().Draw(t, "and") {
				rest = bson.D{{Key: "k", Value: 1}}
			}
			want := measured(t, near, docs, rest)
			got := ids(t, t.Context(), coll, append(bson.D{{Key: "in.at", Value: near}}, rest...), options.Find().SetBatchSize(int32(rapid.IntRange(1, 20).Draw(t, "batch"))))
			if !slices.Equal(got, want) {
				t.Fatalf("%v and %v: %v, want %v", near, rest, got, want)
			}
			limit := int64(rapid.IntRange(1, 10).Draw(t, "limit"))
			first := want[:min(int(limit), len(want))]
			if got := ids(t, t.Context(), coll, append(bson.D{{Key: "in.at", Value: near}}, rest...), options.Find().SetLimit(limit)); !slices.Equal(got, first) {
				t.Fatalf("the first %d of %v: %v, want %v", limit, near, got, first)
			}
			cur, err := coll.Aggregate(t.Context(), mongo.Pipeline{{{Key: "$geoNear", Value: append(stage, bson.E{Key: "query", Value: rest})}}})
			must2(t, err)
			var list []struct {
				ID int `bson:"_id"`
			}
			must2(t, cur.All(t.Context(), &list))
			var piped []int
			for _, d := range list {
				piped = append(piped, d.ID)
			}
			if !slices.Equal(piped, want) {
				t.Fatalf("$geoNear %v: %v, want %v", stage, piped, want)
			}
		}
		must2(t, coll.Drop(t.Context()))
	})
}

// measured sorts documents by their distance, which the operator measures.
func measured(t *rapid.T, near bson.D, docs []any, rest bson.D) []int {
	raw, err := bson.Marshal(near)
	must2(t, err)
	q, err := geo.Compile(near[0].Key, value.Lookup(raw, near[0].Key), raw)
	must2(t, err)
	type far struct {
		id int
		d  float64
	}
	var list []far
	for _, d := range docs {
		raw, err := bson.Marshal(d)
		must2(t, err)
		if len(rest) > 0 && bson.Raw(raw).Lookup("k").AsInt64() != 1 {
			continue
		}
		if x, _, ok := q.Distance(bson.Raw(raw).Lookup("in", "at")); ok {
			list = append(list, far{int(bson.Raw(raw).Lookup("_id").AsInt64()), x})
		}
	}
	slices.SortStableFunc(list, func(a, b far) int { return cmp.Compare(a.d, b.d) })
	var out []int
	for _, f := range list {
		out = append(out, f.id)
	}
	return out
}

func must2(t *rapid.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}
