package docdb_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"
)

// same compares what a filter finds through whatever index there is with a walk of the collection, as sets.
func same(t *rapid.T, coll *mongo.Collection, f bson.D, o func() *options.FindOptionsBuilder, why any) {
	c := t.Context()
	want := ids(t, c, coll, f, o().SetHint(bson.D{{Key: "$natural", Value: 1}}))
	got := ids(t, c, coll, f, o())
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%v: %v finds %v, a walk %v", why, f, got, want)
	}
}

// valid requires that the indexes agree with the documents.
func valid(t *rapid.T, coll *mongo.Collection) {
	rep, err := coll.Database().RunCommand(t.Context(), bson.D{{Key: "validate", Value: coll.Name()}}).Raw()
	if err != nil || !rep.Lookup("valid").Boolean() {
		t.Fatalf("validate: %v %v", rep, err)
	}
	if err := coll.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var collations = []*options.Collation{
	nil, {Locale: "en", Strength: 1}, {Locale: "en", Strength: 2}, {Locale: "en", Strength: 3}, {Locale: "en", NumericOrdering: true}, {Locale: "sv", Strength: 2}, {Locale: "en", Strength: 1, CaseLevel: true}, {Locale: "en", Alternate: "shifted"},
	{Locale: "en", Strength: 2, Alternate: "shifted", MaxVariable: "space"},
}

var folded = []any{"a", "A", "á", "Á", "ab", "AB", "aB", "b", "B", "ä", "z", "Z", "2", "10", "010", "a b", "ab ", "", "é", int32(2), nil, bson.A{"a", "B"}, bson.A{"Á"}, bson.D{{Key: "b", Value: "A"}}, bson.D{{Key: "b", Value: "a"}}}

// TestIndexesUnderCollations makes indexes under collations and asks under the same, other, and no collations.
func TestIndexesUnderCollations(t *testing.T) {
	_, client := open(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		coll := client.Database("app").Collection(fmt.Sprintf("c%d", n))
		own := rapid.SampledFrom(collations).Draw(t, "collection")
		o := options.CreateCollection()
		if own != nil {
			o.SetCollation(own)
		}
		if err := coll.Database().CreateCollection(t.Context(), coll.Name(), o); err != nil {
			t.Fatal(err)
		}
		var made []string
		for range rapid.IntRange(1, 3).Draw(t, "indexes") {
			k := rapid.SampledFrom([]bson.D{{{Key: "a", Value: 1}}, {{Key: "a", Value: -1}, {Key: "b", Value: 1}}, {{Key: "a.b", Value: 1}}, {{Key: "$**", Value: 1}}, {{Key: "b", Value: "hashed"}}}).Draw(t, "key")
			io := options.Index()
			if cl := rapid.SampledFrom(collations).Draw(t, "of"); cl != nil && k[0].Key != "$**" {
				io.SetCollation(cl)
			}
			if name, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: k, Options: io}); err == nil {
				made = append(made, fmt.Sprint(name, " ", k))
			}
		}
		for i := range 14 {
			d := bson.D{{Key: "_id", Value: i}}
			for _, f := range []string{"a", "b"} {
				if rapid.IntRange(0, 5).Draw(t, "has") > 0 {
					d = append(d, bson.E{Key: f, Value: rapid.SampledFrom(folded).Draw(t, f)})
				}
			}
			coll.InsertOne(t.Context(), d)
		}
		for range 10 {
			v := func() any { return rapid.SampledFrom(folded).Draw(t, "v") }
			var cond any
			switch rapid.IntRange(0, 7).Draw(t, "op") {
			case 0, 1:
				cond = v()
			case 2:
				cond = bson.D{{Key: "$in", Value: bson.A{v(), v(), v()}}}
			case 3:
				cond = bson.D{{Key: "$gte", Value: v()}}
			case 4:
				cond = bson.D{{Key: "$gt", Value: v()}, {Key: "$lt", Value: v()}}
			case 5:
				cond = bson.D{{Key: "$ne", Value: v()}}
			case 6:
				cond = bson.Regex{Pattern: "^" + rapid.SampledFrom([]string{"a", "A", "1"}).Draw(t, "re")}
			default:
				cond = bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gte", Value: v()}}}}
			}
			f := bson.D{{Key: rapid.SampledFrom([]string{"a", "b", "a.b"}).Draw(t, "path"), Value: cond}}
			if rapid.Bool().Draw(t, "two") {
				f = append(f, bson.E{Key: "$or", Value: bson.A{bson.D{{Key: "b", Value: v()}}, bson.D{{Key: "a", Value: v()}}}})
			}
			cl := rapid.SampledFrom(collations).Draw(t, "asked")
			find := func() *options.FindOptionsBuilder {
				o := options.Find()
				if cl != nil {
					o.SetCollation(cl)
				}
				return o
			}
			same(t, coll, f, find, fmt.Sprintf("collection %v, indexes %v, asked under %v", own, made, cl))
			by := bson.D{{Key: "a", Value: rapid.SampledFrom([]int{1, -1}).Draw(t, "dir")}, {Key: "_id", Value: 1}}
			want := ids(t, t.Context(), coll, f, find().SetSort(by).SetHint(bson.D{{Key: "$natural", Value: 1}}))
			if got := ids(t, t.Context(), coll, f, find().SetSort(by)); !slices.Equal(got, want) {
				t.Fatalf("collection %v, indexes %v: %v under %v sorted by %v: %v, a walk %v", own, made, f, cl, by, got, want)
			}
		}
		valid(t, coll)
	})
}

// TestUniqueIndexes compares what a unique index lets in with what is there: a document is refused when one has an equal key.
func TestUniqueIndexes(t *testing.T) {
	_, client := open(t)
	n := 0
	values := []any{int32(1), int64(1), 1.0, 2.5, "a", "A", "b", nil, true, bson.A{int32(1), "b"}, bson.A{"a"}, bson.A{}, bson.D{{Key: "x", Value: int32(1)}}, bson.D{{Key: "x", Value: 1.0}}}
	rapid.Check(t, func(t *rapid.T) {
		n++
		coll := client.Database("app").Collection(fmt.Sprintf("u%d", n))
		compound := rapid.Bool().Draw(t, "compound")
		key, io := bson.D{{Key: "a", Value: 1}}, options.Index().SetUnique(true)
		if compound {
			key = append(key, bson.E{Key: "b", Value: -1})
		}
		sparse, partial, fold := false, false, rapid.Bool().Draw(t, "fold")
		switch rapid.IntRange(0, 2).Draw(t, "flavour") {
		case 0:
			sparse = true
			io.SetSparse(true)
		case 1:
			partial = true
			io.SetPartialFilterExpression(bson.D{{Key: "p", Value: true}})
		}
		cl := &options.Collation{Locale: "simple"}
		if fold {
			cl = &options.Collation{Locale: "en", Strength: 2}
			io.SetCollation(cl)
		}
		if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: key, Options: io}); err != nil {
			t.Fatal(err)
		}
		// keyed is the filter for documents that share a key, by what is known of queries: an empty array is a key of its own.
		keyed := func(d bson.D, field string) any {
			for _, e := range d {
				if e.Key != field {
					continue
				}
				if a, ok := e.Value.(bson.A); ok {
					if len(a) == 0 {
						return bson.D{{Key: "$eq", Value: bson.A{}}}
					}
					return bson.D{{Key: "$in", Value: a}}
				}
				return e.Value
			}
			return nil
		}
		for i := range 25 {
			d := bson.D{{Key: "_id", Value: i}}
			has := false
			for _, f := range []string{"a", "b"} {
				if rapid.IntRange(0, 4).Draw(t, "has") > 0 {
					v := rapid.SampledFrom(values).Draw(t, f)
					if _, array := v.(bson.A); array && f == "b" {
						v = "c" // two arrays in one key are refused for themselves
					}
					d = append(d, bson.E{Key: f, Value: v})
					has = has || f == "a" || compound
				}
			}
			in := rapid.Bool().Draw(t, "p")
			d = append(d, bson.E{Key: "p", Value: in})
			f := bson.D{{Key: "a", Value: keyed(d, "a")}}
			if compound {
				f = append(f, bson.E{Key: "b", Value: keyed(d, "b")})
			}
			if partial {
				f = append(f, bson.E{Key: "p", Value: true})
			}
			if sparse {
				any := bson.A{bson.D{{Key: "a", Value: bson.D{{Key: "$exists", Value: true}}}}}
				if compound {
					any = append(any, bson.D{{Key: "b", Value: bson.D{{Key: "$exists", Value: true}}}})
				}
				f = append(f, bson.E{Key: "$or", Value: any})
			}
			taken := ids(t, t.Context(), coll, f, options.Find().SetCollation(cl).SetHint(bson.D{{Key: "$natural", Value: 1}}))
			want := len(taken) > 0 && !(partial && !in) && !(sparse && !has)
			_, err := coll.InsertOne(t.Context(), d)
			if got := mongo.IsDuplicateKeyError(err); got != want || err != nil && !got {
				t.Fatalf("unique %v (sparse %v, partial %v, folded %v): %v beside %v: %v", key, sparse, partial, fold, d, taken, err)
			}
		}
		valid(t, coll)
	})
}

// TestGeoIndexes compares what is found by the cells of an index with what every document says for itself.
func TestGeoIndexes(t *testing.T) {
	_, client := open(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		coll := client.Database("app").Collection(fmt.Sprintf("g%d", n))
		flat := rapid.Bool().Draw(t, "flat")
		kind := "2dsphere"
		if flat {
			kind = "2d"
		}
		key := bson.D{{Key: "at", Value: kind}}
		if rapid.Bool().Draw(t, "compound") {
			key = append(key, bson.E{Key: "k", Value: 1})
		}
		if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: key}); err != nil {
			t.Fatal(err)
		}
		x := func() float64 { return float64(rapid.IntRange(-80, 80).Draw(t, "x")) / 4 }
		point := func() bson.A { return bson.A{x(), x()} }
		shape := func(typ string, at any) bson.D {
			return bson.D{{Key: "type", Value: typ}, {Key: "coordinates", Value: at}}
		}
		square := func() bson.A {
			a, b, w := x(), x(), float64(rapid.IntRange(1, 30).Draw(t, "w"))/4
			return bson.A{bson.A{a, b}, bson.A{a + w, b}, bson.A{a + w, b + w}, bson.A{a, b + w}, bson.A{a, b}}
		}
		for i := range 20 {
			d := bson.D{{Key: "_id", Value: i}, {Key: "k", Value: i % 3}}
			switch pick := rapid.IntRange(0, 5).Draw(t, "shape"); {
			case pick == 0:
			case flat && pick < 3:
				d = append(d, bson.E{Key: "at", Value: bson.A{point(), point()}})
			case flat:
				d = append(d, bson.E{Key: "at", Value: point()})
			case pick == 1:
				d = append(d, bson.E{Key: "at", Value: shape("Polygon", bson.A{square()})})
			case pick == 2:
				d = append(d, bson.E{Key: "at", Value: shape("LineString", bson.A{point(), bson.A{21.5, x()}})})
			case pick == 3:
				d = append(d, bson.E{Key: "at", Value: shape("MultiPoint", bson.A{point(), point()})})
			default:
				d = append(d, bson.E{Key: "at", Value: shape("Point", point())})
			}
			if _, err := coll.InsertOne(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		for range 6 {
			var area bson.D
			op := "$geoWithin"
			switch rapid.IntRange(0, 5).Draw(t, "area") {
			case 0:
				area = bson.D{{Key: "$box", Value: bson.A{point(), point()}}}
			case 1:
				area = bson.D{{Key: "$center", Value: bson.A{point(), float64(rapid.IntRange(1, 40).Draw(t, "r")) / 4}}}
			case 2:
				area = bson.D{{Key: "$centerSphere", Value: bson.A{point(), float64(rapid.IntRange(1, 40).Draw(t, "r")) / 200}}}
			case 3:
				area = bson.D{{Key: "$polygon", Value: square()}}
			case 4:
				if flat {
					continue
				}
				area = bson.D{{Key: "$geometry", Value: shape("Polygon", bson.A{square()})}}
			default:
				if flat {
					continue
				}
				op, area = "$geoIntersects", bson.D{{Key: "$geometry", Value: shape(rapid.SampledFrom([]string{"Polygon", "Point", "LineString"}).Draw(t, "with"), nil)}}
				switch g := area[0].Value.(bson.D); g[0].Value {
				case "Polygon":
					g[1].Value = bson.A{square()}
				case "Point":
					g[1].Value = point()
				default:
					g[1].Value = bson.A{point(), bson.A{22.25, x()}}
				}
			}
			f := bson.D{{Key: "at", Value: bson.D{{Key: op, Value: area}}}}
			if rapid.Bool().Draw(t, "and") {
				f = append(f, bson.E{Key: "k", Value: 1})
			}
			same(t, coll, f, func() *options.FindOptionsBuilder { return options.Find() }, key)
		}
		nearest(t, coll, point(), flat)
		valid(t, coll)
	})
}

// nearest asks for what is near a point: the distances do not fall, and within a distance is what $geoWithin finds there.
func nearest(t *rapid.T, coll *mongo.Collection, from bson.A, flat bool) {
	near := bson.D{{Key: "near", Value: from}, {Key: "distanceField", Value: "d"}, {Key: "spherical", Value: !flat}, {Key: "key", Value: "at"}}
	cur, err := coll.Aggregate(t.Context(), mongo.Pipeline{{{Key: "$geoNear", Value: near}}})
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		ID int `bson:"_id"`
		D  float64
	}
	if err := cur.All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	with := ids(t, t.Context(), coll, bson.D{{Key: "at", Value: bson.D{{Key: "$exists", Value: true}}}}, options.Find())
	if len(all) != len(with) {
		t.Fatalf("%d of %d are near %v", len(all), len(with), from)
	}
	last := -1.0
	for _, d := range all {
		if d.D < last || math.IsNaN(d.D) {
			t.Fatalf("%v: %v comes behind %v", from, d.D, last)
		}
		last = d.D
	}
	for _, i := range []int{len(all) / 3, len(all) / 2} {
		if len(all) == 0 || i+1 >= len(all) || all[i+1].D-all[i].D < 1e-9 {
			continue
		}
		limit := (all[i].D + all[i+1].D) / 2
		op := "$nearSphere"
		if flat {
			op = "$near"
		}
		got := ids(t, t.Context(), coll, bson.D{{Key: "at", Value: bson.D{{Key: op, Value: from}, {Key: "$maxDistance", Value: limit}}}}, options.Find())
		var want []int
		for _, d := range all[:i+1] {
			want = append(want, d.ID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("within %v of %v are %v, $geoNear says %v", limit, from, got, want)
		}
	}
}

// TestTextIndexes compares searches with a reading of every document's words. The words are no language's, so that nothing is stemmed.
func TestTextIndexes(t *testing.T) {
	_, client := open(t)
	n := 0
	vocabulary := []string{"zog", "blik", "vram", "quop", "Zog", "BLIK", "zög"}
	fold := strings.NewReplacer("ö", "o").Replace
	rapid.Check(t, func(t *rapid.T) {
		n++
		coll := client.Database("app").Collection(fmt.Sprintf("t%d", n))
		m := mongo.IndexModel{Keys: bson.D{{Key: "a", Value: "text"}, {Key: "b", Value: "text"}}, Options: options.Index().SetDefaultLanguage("none")}
		if rapid.Bool().Draw(t, "all") {
			m.Keys = bson.D{{Key: "$**", Value: "text"}}
		}
		if _, err := coll.Indexes().CreateOne(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		words := func(least, most int) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), least, most).Draw(t, "words"), " ")
		}
		texts := map[int][]string{}
		for i := range 15 {
			a, b := words(0, 4), words(0, 2)
			texts[i] = []string{a, b}
			if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "a", Value: a}, {Key: "b", Value: b}}); err != nil {
				t.Fatal(err)
			}
		}
		for range 6 {
			any := rapid.SliceOfN(rapid.SampledFrom(vocabulary), 1, 2).Draw(t, "any")
			search := strings.Join(any, " ")
			not := ""
			if rapid.Bool().Draw(t, "negated") {
				not = rapid.SampledFrom(vocabulary).Draw(t, "not")
				search += " -" + not
			}
			phrase := ""
			if rapid.Bool().Draw(t, "quoted") {
				phrase = words(2, 2)
				search += ` "` + phrase + `"`
			}
			exact, marks := rapid.Bool().Draw(t, "case"), rapid.Bool().Draw(t, "marks")
			read := func(s string) string {
				if !exact {
					s = strings.ToLower(s)
				}
				if !marks {
					s = fold(s)
				}
				return s
			}
			var want []int
			for i := range 15 {
				found, bad, quoted := false, false, phrase == ""
				for _, s := range texts[i] {
					list := strings.Fields(read(s))
					terms := any
					if phrase != "" {
						terms = append(slices.Clone(any), strings.Fields(phrase)...)
					}
					found = found || slices.ContainsFunc(terms, func(w string) bool { return slices.Contains(list, read(w)) })
					bad = bad || not != "" && slices.Contains(list, read(not))
					quoted = quoted || strings.Contains(read(s), read(phrase))
				}
				if found && !bad && quoted {
					want = append(want, i)
				}
			}
			f := bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: search}, {Key: "$caseSensitive", Value: exact}, {Key: "$diacriticSensitive", Value: marks}}}}
			got := ids(t, t.Context(), coll, f, options.Find())
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%v finds %v, want %v of %v", f, got, want, texts)
			}
		}
		valid(t, coll)
	})
}
