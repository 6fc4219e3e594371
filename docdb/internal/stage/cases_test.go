package stage_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
)

// TestCases runs every case of testdata: a pipeline over documents. Each runs three times: as it is, with so little memory that
// everything that can spill does, and through Pushdown with the planner's part done naively.
func TestCases(t *testing.T) {
	for _, c := range exprtest.Read(t, "testdata/*.txt") {
		runCase(t, c)
	}
}

// array splits an array of documents.
func array(text string) ([]bson.Raw, error) {
	if text == "" {
		return nil, nil
	}
	v, err := exprtest.Value(text)
	if err != nil {
		return nil, err
	}
	return stage.Split(v)
}

func testEnv(t *testing.T, world *world) stage.Env {
	return stage.Env{
		DB: "db", Collection: "c", AllowDiskUse: true, TempDir: t.TempDir(), Collections: world,
		Options: expr.Options{Now: time.UnixMilli(1700000000000), ClusterTime: bson.Timestamp{T: 1700000000, I: 1}, Rand: func() float64 { return 0.25 }},
		Intn:    func(n int) int { return n / 2 },
	}
}

func runCase(t *testing.T, c exprtest.Case) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		c.Fail(t, format, args...)
	}
	pipeline, err := array(c.Input)
	if err != nil {
		fail("%v", err)
		return
	}
	w := newWorld()
	docs := []bson.Raw{}
	if c.On != "" {
		// Either an array: the documents of the collection; or {c: [...], other: [...]}: those of several.
		on, err := exprtest.Value(c.On)
		if err != nil {
			fail("%v", err)
			return
		}
		if on.Type == bson.TypeArray {
			docs, err = stage.Split(on)
			w.put("c", docs)
		} else {
			for it := expr.Each(on.Value); ; {
				name, v, ok := it.Next()
				if !ok {
					break
				}
				var ds []bson.Raw
				if ds, err = stage.Split(v); err != nil {
					break
				}
				w.put(string(name), ds)
				if string(name) == "c" {
					docs = ds
				}
			}
		}
		if err != nil {
			fail("%v", err)
			return
		}
	}
	var want []bson.Raw
	if c.Code == 0 {
		if want, err = array(c.Out); err != nil {
			fail("%v", err)
			return
		}
	}
	for _, how := range []string{"plain", "spilling", "pushed down"} {
		w := w.clone()
		env := testEnv(t, w)
		if len(pipeline) > 0 {
			for _, n := range []string{"$documents", "$currentOp", "$listLocalSessions"} {
				if !expr.Missing(expr.Lookup(pipeline[0], n)) {
					env.Collection = ""
				}
			}
		}
		if how == "spilling" {
			env.MemoryLimit = 1
		}
		got, err := runPipeline(pipeline, env, docs, how == "pushed down")
		if c.Code != 0 {
			if code := mongoerr.CodeOf(err); int(code) != c.Code && !(how == "spilling" && code == mongoerr.ExceededMemoryLimit) {
				fail("%s: error %d (%v), want %d; got %v", how, code, err, c.Code, got)
			}
			continue
		}
		if err != nil {
			// What cannot be spilled says so.
			if how == "spilling" && (mongoerr.CodeOf(err) == mongoerr.ExceededMemoryLimit || mongoerr.CodeOf(err) == mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed || mongoerr.CodeOf(err) == 40099) {
				continue
			}
			fail("%s: error %v", how, err)
			continue
		}
		if w.written != "" {
			got = w.collections[w.written]
		}
		if !same(got, want) {
			fail("%s: got %v, want %v", how, got, want)
		}
	}
}

func same(a, b []bson.Raw) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if string(a[i]) != string(b[i]) {
			return false
		}
	}
	return true
}

func runPipeline(pipeline []bson.Raw, env stage.Env, docs []bson.Raw, push bool) ([]bson.Raw, error) {
	ctx := context.Background()
	p, err := stage.Compile(pipeline, env)
	if err != nil {
		return nil, err
	}
	if !push {
		return stage.All(ctx, p.Run(ctx, stage.Documents(docs...)))
	}
	d := p.Pushdown()
	var head []bson.Raw
	add := func(name string, v any) {
		b, err := bson.Marshal(bson.D{{Key: name, Value: v}})
		if err != nil {
			panic(err)
		}
		head = append(head, b)
	}
	if d.Match != nil {
		add("$match", d.Match)
	}
	if d.Sort != nil {
		add("$sort", d.Sort)
	}
	if d.Skip > 0 {
		add("$skip", d.Skip)
	}
	if d.Limit > 0 {
		add("$limit", d.Limit)
	}
	if len(d.Fields) > 0 {
		f := bson.D{}
		id := false
		for _, p := range d.Fields {
			f = append(f, bson.E{Key: p, Value: 1})
			id = id || p == "_id"
		}
		if !id {
			f = append(f, bson.E{Key: "_id", Value: 0})
		}
		add("$project", f)
	}
	env.Context = stage.Command
	if len(head) > 0 {
		env.Collection = "c"
	}
	q, err := stage.Compile(head, env)
	if err != nil {
		return nil, err
	}
	return stage.All(ctx, d.Rest.Run(ctx, q.Run(ctx, stage.Documents(docs...))))
}
