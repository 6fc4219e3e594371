package docdb_test

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"
)

// scalar draws a value from few, so that filters often match.
func scalar(t *rapid.T) any {
	return rapid.SampledFrom([]any{nil, int32(1), int64(1), 1.0, int32(2), int32(3), 2.5, "a", "b", "ab", true, bson.D{{Key: "b", Value: int32(1)}}, bson.D{}}).Draw(t, "scalar")
}

func anyOf(t *rapid.T, depth int) any {
	switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case k < 5 || depth == 0:
		return scalar(t)
	case k < 8:
		a := bson.A{}
		for i := rapid.IntRange(0, 3).Draw(t, "len"); i > 0; i-- {
			a = append(a, anyOf(t, depth-1))
		}
		return a
	default:
		return fields(t, depth-1)
	}
}

func fields(t *rapid.T, depth int) bson.D {
	d := bson.D{}
	for _, k := range []string{"a", "b", "c"} {
		if depth > 1 && k == "a" && rapid.IntRange(0, 1).Draw(t, "elements") == 0 {
			a := bson.A{}
			for i := rapid.IntRange(1, 3).Draw(t, "len"); i > 0; i-- {
				a = append(a, bson.D{{Key: "b", Value: scalar(t)}, {Key: "c", Value: scalar(t)}})
			}
			d = append(d, bson.E{Key: k, Value: a})
			continue
		}
		switch rapid.IntRange(0, 15).Draw(t, "has") {
		case 0, 1, 2, 3:
		case 4:
			d = append(d, bson.E{Key: k, Value: bson.Regex{Pattern: "^a"}})
		default:
			d = append(d, bson.E{Key: k, Value: anyOf(t, depth)})
		}
	}
	return d
}

var filterPaths = []string{"a", "b", "c", "a.b", "a.c", "b.a", "a.b.c", "a.0"}

func condition(t *rapid.T) any {
	switch rapid.IntRange(0, 21).Draw(t, "op") {
	case 0, 1, 2:
		return anyOf(t, 1)
	case 3:
		return bson.D{{Key: "$gt", Value: scalar(t)}}
	case 4:
		return bson.D{{Key: "$lte", Value: scalar(t)}}
	case 5:
		return bson.D{{Key: "$gte", Value: scalar(t)}, {Key: "$lt", Value: scalar(t)}}
	case 6, 7:
		a := bson.A{}
		for i := rapid.IntRange(0, 3).Draw(t, "len"); i > 0; i-- {
			a = append(a, anyOf(t, 1))
		}
		return bson.D{{Key: "$in", Value: a}}
	case 8:
		return bson.D{{Key: "$ne", Value: scalar(t)}}
	case 9:
		return bson.D{{Key: "$exists", Value: rapid.Bool().Draw(t, "e")}}
	case 10:
		return bson.D{{Key: "$elemMatch", Value: bson.D{{Key: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "p"), Value: condition(t)}, {Key: "b", Value: condition(t)}}}}
	case 11:
		return bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gte", Value: scalar(t)}, {Key: "$lt", Value: scalar(t)}}}}
	case 12:
		return bson.Regex{Pattern: rapid.SampledFrom([]string{"^a", "b", "^ab?", "^"}).Draw(t, "re")}
	case 13:
		return bson.D{{Key: "$all", Value: bson.A{scalar(t), scalar(t)}}}
	case 14:
		return bson.D{{Key: "$nin", Value: bson.A{scalar(t)}}}
	case 16:
		return bson.D{{Key: "$mod", Value: bson.A{int32(2), rapid.IntRange(0, 1).Draw(t, "rest")}}}
	case 17:
		return bson.D{{Key: "$size", Value: rapid.IntRange(0, 2).Draw(t, "size")}}
	case 18:
		return bson.D{{Key: rapid.SampledFrom([]string{"$bitsAllSet", "$bitsAnyClear"}).Draw(t, "bits"), Value: 1}}
	case 19:
		return bson.D{{Key: "$in", Value: bson.A{scalar(t), bson.Regex{Pattern: rapid.SampledFrom([]string{"^a", "b$"}).Draw(t, "re")}}}}
	case 20:
		return bson.D{{Key: "$not", Value: bson.Regex{Pattern: "^a"}}}
	case 15:
		return bson.D{{Key: "$type", Value: rapid.SampledFrom([]string{"number", "string", "array", "null", "object"}).Draw(t, "ty")}}
	}
	return bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: scalar(t)}}}}
}

func filter(t *rapid.T, depth int) bson.D {
	f := bson.D{}
	seen := map[string]bool{}
	if depth > 0 && rapid.IntRange(0, 4).Draw(t, "pair") == 0 {
		return bson.D{{Key: "a.b", Value: scalar(t)}, {Key: "a.c", Value: scalar(t)}}
	}
	for i := rapid.IntRange(1, 3).Draw(t, "conds"); i > 0; i-- {
		if depth > 0 && rapid.IntRange(0, 5).Draw(t, "logical") == 0 {
			op := rapid.SampledFrom([]string{"$or", "$and", "$nor"}).Draw(t, "lop")
			if !seen[op] {
				seen[op] = true
				f = append(f, bson.E{Key: op, Value: bson.A{filter(t, depth-1), filter(t, depth-1)}})
			}
			continue
		}
		p := rapid.SampledFrom(filterPaths).Draw(t, "path")
		if !seen[p] {
			seen[p] = true
			f = append(f, bson.E{Key: p, Value: condition(t)})
		}
	}
	return f
}

var indexKeys = []bson.D{
	{{Key: "a", Value: 1}}, {{Key: "a", Value: -1}, {Key: "b", Value: 1}}, {{Key: "a.b", Value: 1}}, {{Key: "a.b", Value: 1}, {Key: "a.c", Value: -1}},
	{{Key: "b", Value: 1}, {Key: "a", Value: 1}, {Key: "c", Value: 1}}, {{Key: "c", Value: "hashed"}}, {{Key: "$**", Value: 1}}, {{Key: "b.a", Value: -1}}, {{Key: "a.0", Value: 1}}, {{Key: "a.b.c", Value: 1}, {Key: "b", Value: 1}},
	{{Key: "a.$**", Value: 1}}, {{Key: "a.b.$**", Value: -1}}, {{Key: "$**", Value: -1}}, {{Key: "$**", Value: 1}},
	{{Key: "b", Value: 1}, {Key: "a.$**", Value: 1}}, {{Key: "a.$**", Value: -1}, {Key: "b", Value: -1}, {Key: "c", Value: 1}},
	{{Key: "c", Value: 1}, {Key: "$**", Value: 1}, {Key: "b", Value: -1}}, {{Key: "b.a", Value: 1}, {Key: "b.b", Value: 1}, {Key: "$**", Value: -1}},
}

// wildcardProjections are for key patterns with $**, by the fields beside it.
var wildcardProjections = map[string][]bson.D{
	"":        {nil, {{Key: "a", Value: 1}}, {{Key: "a.b", Value: 1}, {Key: "c", Value: 1}}, {{Key: "a", Value: 0}}, {{Key: "a", Value: bson.D{{Key: "b", Value: 0}}}}, {{Key: "_id", Value: 1}, {Key: "b", Value: 0}}, {{Key: "_id", Value: 0}, {Key: "b", Value: 1}}},
	"c b":     {{{Key: "a", Value: 1}}, {{Key: "a.b", Value: true}}, {{Key: "b", Value: 0}, {Key: "c", Value: 0}}, {{Key: "_id", Value: 1}, {Key: "a", Value: 1}}},
	"b.a b.b": {{{Key: "b", Value: 0}}, {{Key: "b.a", Value: 0}, {Key: "b.b", Value: 0}}, {{Key: "a", Value: 1}, {Key: "c", Value: 1}}},
}

// indexModel makes one of indexKeys with options that it can have.
func indexModel(t *rapid.T) mongo.IndexModel {
	key := rapid.SampledFrom(indexKeys).Draw(t, "key")
	m := mongo.IndexModel{Keys: key, Options: options.Index()}
	var beside []string
	wild, whole := false, false
	for _, k := range key {
		if strings.HasSuffix(k.Key, "$**") {
			wild, whole = true, k.Key == "$**"
		} else {
			beside = append(beside, k.Key)
		}
	}
	if whole {
		if p := rapid.SampledFrom(wildcardProjections[strings.Join(beside, " ")]).Draw(t, "projection"); p != nil {
			m.Options.SetWildcardProjection(p)
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "flavour") {
	case 0:
		if !wild {
			m.Options.SetSparse(true)
		}
	case 1:
		m.Options.SetPartialFilterExpression(bson.D{{Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pp"), Value: rapid.SampledFrom([]any{bson.D{{Key: "$exists", Value: true}}, bson.D{{Key: "$gte", Value: 1}}, "a"}).Draw(t, "pf")}})
	}
	return m
}

// ids runs a find and gives the _ids that it found.
func ids(t *rapid.T, c context.Context, coll *mongo.Collection, f any, o *options.FindOptionsBuilder) []int {
	cur, err := coll.Find(c, f, o)
	if err != nil {
		t.Fatalf("find %v: %v", f, err)
	}
	var docs []struct {
		ID int `bson:"_id"`
	}
	if err := cur.All(c, &docs); err != nil {
		t.Fatalf("find %v: %v", f, err)
	}
	out := []int{}
	for _, d := range docs {
		out = append(out, d.ID)
	}
	return out
}

// TestIndexesDoNotChangeResults compares every plan with a walk of the collection.
func TestIndexesDoNotChangeResults(t *testing.T) {
	_, client := open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		c := context.Background()
		n++
		coll := client.Database("app").Collection(fmt.Sprintf("c%d", n))
		var docs []any
		for i := 0; i < 12; i++ {
			docs = append(docs, append(bson.D{{Key: "_id", Value: i}}, fields(rt, 2)...))
		}
		var made []bson.D
		for i := rapid.IntRange(1, 4).Draw(rt, "indexes"); i > 0; i-- {
			m := indexModel(rt)
			if _, err := coll.Indexes().CreateOne(c, m); err == nil {
				made = append(made, m.Keys.(bson.D))
			}
		}
		for _, d := range docs {
			coll.InsertOne(c, d) // parallel arrays and the like are refused
		}
		for i := 0; i < 8; i++ {
			f := filter(rt, 1)
			want := ids(rt, c, coll, f, options.Find().SetHint(bson.D{{Key: "$natural", Value: 1}}))
			got := ids(rt, c, coll, f, options.Find())
			sort.Ints(want)
			sort.Ints(got)
			if fmt.Sprint(want) != fmt.Sprint(got) {
				var plan bson.M
				client.Database("app").RunCommand(c, bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: coll.Name()}, {Key: "filter", Value: f}}}}).Decode(&plan)
				x, _ := bson.MarshalExtJSON(bson.D{{Key: "f", Value: f}, {Key: "d", Value: docs}, {Key: "p", Value: plan["queryPlanner"]}}, false, false)
				rt.Fatalf("indexes %v: with %v, without %v\n%s", made, got, want, x)
			}
			cnt, err := client.Database("app").RunCommand(c, bson.D{{Key: "count", Value: coll.Name()}, {Key: "query", Value: f}}).Raw()
			if err != nil || int(cnt.Lookup("n").Int32()) != len(want) {
				rt.Fatalf("indexes %v: %v counts %v, finds %d (%v)", made, f, cnt, len(want), err)
			}
			// Sorted by distinct keys, the order must be the same too.
			by := bson.D{{Key: rapid.SampledFrom([]string{"a", "b", "a.b", "c"}).Draw(rt, "sort"), Value: rapid.SampledFrom([]int{1, -1}).Draw(rt, "dir")}, {Key: "_id", Value: 1}}
			plain := ids(rt, c, coll, f, options.Find().SetSort(by).SetHint(bson.D{{Key: "$natural", Value: 1}}))
			used := ids(rt, c, coll, f, options.Find().SetSort(by))
			if fmt.Sprint(plain) != fmt.Sprint(used) {
				rt.Fatalf("indexes %v: %v sorted by %v: with %v, without %v", made, f, by, used, plain)
			}
			by = by[:1]
			if fmt.Sprint(len(ids(rt, c, coll, f, options.Find().SetSort(by)))) != fmt.Sprint(len(plain)) {
				rt.Fatalf("indexes %v: %v sorted by %v", made, f, by)
			}
		}
		if rep, err := client.Database("app").RunCommand(c, bson.D{{Key: "validate", Value: coll.Name()}}).Raw(); err != nil || !rep.Lookup("valid").Boolean() {
			rt.Fatalf("validate: %v %v", rep, err)
		}
		coll.Drop(c)
	})
}

// TestPrefixOnDescendingIndex looks for strings by how they begin, with one that has nothing behind the beginning.
func TestPrefixOnDescendingIndex(t *testing.T) {
	db, _ := open(t)
	conn := rawDial(t, db)
	conn.run(t, "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "a", Value: "a"}}, bson.D{{Key: "a", Value: "ab"}}, bson.D{{Key: "a", Value: "b"}}, bson.D{{Key: "a", Value: "A"}}}}})
	for _, key := range []bson.D{{{Key: "a", Value: -1}}, {{Key: "a", Value: -1}, {Key: "b", Value: 1}}, {{Key: "a", Value: 1}, {Key: "b", Value: -1}}} {
		conn.run(t, "app", bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: key}, {Key: "name", Value: "i"}}}}})
		for _, q := range []any{bson.Regex{Pattern: "^a"}, bson.Regex{Pattern: "^ab?"}} {
			if n := conn.run(t, "app", bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{{Key: "a", Value: q}}}}).Lookup("n").AsInt64(); n != 2 {
				t.Errorf("index %v: %v finds %d documents, want 2", key, q, n)
			}
		}
		conn.run(t, "app", bson.D{{Key: "dropIndexes", Value: "c"}, {Key: "index", Value: "i"}})
	}
}
