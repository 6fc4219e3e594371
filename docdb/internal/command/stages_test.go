package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// TestStageCasesThroughCommands runs the cases of the stages on collections, by the command aggregate: the stages reach other collections,
// indexes and the planner through the engine here, and not through a world that the cases made for themselves.
func TestStageCasesThroughCommands(t *testing.T) {
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	e := New(st, Options{Log: t.Logf, TempDir: t.TempDir(), Now: func() time.Time { return time.UnixMilli(1700000000000) }, TTLInterval: time.Hour})
	defer e.Close()
	client := e.NewClient(nil, true, "")
	defer client.Close()
	send := func(d bson.D) bson.Raw {
		raw, err := bson.Marshal(append(d, bson.E{Key: "$db", Value: "db"}))
		if err != nil {
			t.Fatal(err)
		}
		out, _ := client.Serve(t.Context(), &wire.Request{Body: raw}, nil)
		return append(bson.Raw(nil), out...)
	}
	ran := 0
	// Twice: as they are, and with every member indexed, so that the planner takes part.
	for i, list := 0, exprtest.Read(t, "../stage/testdata/*.txt"); i < 2*len(list); i++ {
		c, indexed := list[i/2], i%2 == 1
		if ofTheirWorld(c) {
			continue
		}
		collections := bson.Raw{5, 0, 0, 0, 0}
		bare := false
		if c.On != "" {
			on := exprtest.Must(c.On)
			if on.Type == bson.TypeArray {
				on = value.Doc(value.DocOf(value.Field{Name: "c", Value: on}))
			}
			collections = on.Value
		}
		send(bson.D{{Key: "dropDatabase", Value: 1}})
		loaded := true
		it := value.Over(collections)
		for it.Next() {
			name, docs := strings.Clone(it.Key()), it.Value()
			send(bson.D{{Key: "create", Value: name}})
			if strings.Contains(c.Input, "$geoNear") {
				kind := "2d"
				if strings.Contains(c.Input, "spherical: true") {
					kind = "2dsphere"
				}
				send(bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "p", Value: kind}}}, {Key: "name", Value: "p"}}}}})
			}
			if indexed {
				var all bson.A
				for _, k := range []string{"$**", "a", "b", "k", "v", "x", "z", "g", "f", "n"} {
					all = append(all, bson.D{{Key: "key", Value: bson.D{{Key: k, Value: 1}}}, {Key: "name", Value: k}})
				}
				if r := send(bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: all}}); r.Lookup("ok").Double() != 1 {
					t.Fatal(r)
				}
			}
			for _, d := range value.Elements(docs.Value) {
				bare = bare || name == "c" && value.Lookup(d.Value, "_id").Type == 0
			}
			if value.Count(docs.Value) > 0 {
				r := send(bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: docs}})
				loaded = loaded && r.Lookup("writeErrors").Type == 0 && r.Lookup("ok").Double() == 1
			}
		}
		if !loaded || bare && strings.Contains(c.Input, "$geoNear") {
			continue
		}
		var target any = "c"
		for _, n := range []string{"{$documents:", "{$currentOp:", "{$listLocalSessions:"} {
			if strings.HasPrefix(c.Input, "["+n) {
				target = 1
			}
		}
		pipeline := exprtest.Must(c.Input)
		if bare { // what was inserted has got an _id
			stages := append([]bson.RawValue{exprtest.Must(`{$unset: "_id"}`)}, value.Elements(pipeline.Value)...)
			pipeline = value.ArrayOf(stages)
		}
		r := send(bson.D{{Key: "aggregate", Value: target}, {Key: "pipeline", Value: pipeline}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 10_000}}}, {Key: "collation", Value: nil}})
		ran++
		code, _ := r.Lookup("code").AsInt64OK()
		if int(code) != c.Code {
			c.Fail(t, "by command: %s, want error %d", value.ShowDoc(r), c.Code)
			continue
		}
		if c.Code != 0 {
			continue
		}
		want := exprtest.Must(c.Out)
		got := r.Lookup("cursor", "firstBatch")
		if string(got.Value) != string(want.Value) && !(indexed && !strings.Contains(c.Input, "{$sort:") && sameInAnyOrder(got, want)) {
			c.Fail(t, "by command, indexed %t: %s\n\twant %s", indexed, value.Show(got), value.Show(want))
		}
	}
	t.Logf("%d cases", ran)
	if ran < 800 {
		t.Errorf("only %d cases were run", ran)
	}
}

// ofTheirWorld tells the cases apart that look at what only their own world has: its random numbers, and what was written.
func ofTheirWorld(c exprtest.Case) bool {
	for _, w := range []string{"$sample", "$out", "$merge", "$rand", "$currentOp", "$listLocalSessions", "$collStats", "$indexStats", "CLUSTER_TIME"} {
		if strings.Contains(c.Input, w) {
			return true
		}
	}
	return false
}

// sameInAnyOrder is for results that nothing put in order, which come as an index has them.
func sameInAnyOrder(a, b bson.RawValue) bool {
	sorted := func(v bson.RawValue) []string {
		var out []string
		for _, e := range value.Elements(v.Value) {
			out = append(out, string(e.Value))
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(sorted(a), sorted(b))
}
