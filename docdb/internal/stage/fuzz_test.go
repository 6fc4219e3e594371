package stage_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// FuzzPipeline feeds any BSON as a pipeline and as documents: there may be errors, but no panic, no hang and no result that is no BSON.
func FuzzPipeline(f *testing.F) {
	for _, c := range exprtest.Read(f, "testdata/*.txt") {
		p, err := exprtest.Value(c.Input)
		if err != nil {
			f.Fatal(err)
		}
		d := []byte{5, 0, 0, 0, 0}
		if docs, err := exprtest.Value(c.On); err == nil && docs.Type == bson.TypeArray {
			if els := value.Elements(docs.Value); len(els) > 0 {
				d = els[0].Value
			}
		}
		f.Add([]byte(p.Value), d)
	}
	f.Fuzz(func(t *testing.T, pipeline, doc []byte) {
		// The wire layer hands on valid BSON only.
		if value.Validate(pipeline, 100) != nil || value.Validate(doc, 100) != nil {
			t.Skip()
		}
		stages, err := stage.Split(bson.RawValue{Type: bson.TypeArray, Value: pipeline})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		w := newWorld()
		w.put("o", []bson.Raw{doc})
		for _, coll := range []string{"c", ""} {
			p, err := stage.Compile(stages, stage.Env{DB: "db", Collection: coll, Collections: w, AllowDiskUse: true, MemoryLimit: 1 << 20, TempDir: t.TempDir()})
			if err != nil {
				continue
			}
			p.Pushdown()
			it := p.Run(ctx, stage.Documents(doc, doc))
			for range 1000 {
				out, err := it.Next(ctx)
				if err != nil {
					break
				}
				if err := value.Validate(out, 1000); err != nil {
					t.Errorf("%v: %v", out, err)
				}
			}
			it.Close()
		}
	})
}
