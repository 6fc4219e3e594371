package command

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// spilling is a server whose sorts and groups hold little in memory.
type spilling struct {
	t    *testing.T
	c    wire.Client
	temp string
}

func newSpilling(t *testing.T, limit int) *spilling {
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &spilling{t: t, temp: t.TempDir()}
	e := New(st, Options{Log: t.Logf, TempDir: s.temp, SortBytes: limit})
	t.Cleanup(func() {
		e.Close()
		st.Close()
	})
	s.c = e.NewClient(nil, true, "")
	return s
}

func (s *spilling) send(cmd bson.D) bson.Raw {
	s.t.Helper()
	body, err := bson.Marshal(append(cmd, bson.E{Key: "$db", Value: "t"}))
	if err != nil {
		s.t.Fatal(err)
	}
	out, _ := s.c.Serve(context.Background(), &wire.Request{Body: body}, nil)
	return bytes.Clone(out)
}

// all reads a command's cursor to its end.
func (s *spilling) all(cmd bson.D) (docs []bson.Raw, code int64) {
	s.t.Helper()
	rep := s.send(cmd)
	for batch := "firstBatch"; ; batch = "nextBatch" {
		if code, failed := rep.Lookup("code").AsInt64OK(); failed {
			return docs, code
		}
		vals, err := rep.Lookup("cursor", batch).Array().Values()
		if err != nil {
			s.t.Fatal(rep)
		}
		for _, v := range vals {
			docs = append(docs, v.Document())
		}
		id := rep.Lookup("cursor", "id").Int64()
		if id == 0 {
			return docs, 0
		}
		rep = s.send(bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}})
	}
}

// files counts what lies in the folder for spilled data.
func (s *spilling) files() (n int) {
	filepath.WalkDir(s.temp, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil
	})
	return n
}

// TestSpill sorts, groups and windows more than may be held in memory: with the disk the results are those of a server with room, without
// it the command is refused with 292, and no file stays behind.
func TestSpill(t *testing.T) {
	small, roomy := newSpilling(t, 20_000), newSpilling(t, 0)
	r := rand.New(rand.NewPCG(5, 6))
	var docs bson.A
	for i := range 3000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "k", Value: r.IntN(1500)}, {Key: "g", Value: fmt.Sprint("group ", r.IntN(900))}, {Key: "pad", Value: "some text that takes some room"}})
	}
	for _, s := range []*spilling{small, roomy} {
		if rep := s.send(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}}); rep.Lookup("n").Int32() != 3000 {
			t.Fatal(rep)
		}
		s.send(bson.D{{Key: "create", Value: "v"}, {Key: "viewOn", Value: "c"}, {Key: "pipeline", Value: bson.A{}}})
	}
	pipeline := func(stages ...bson.D) bson.D {
		return bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 700}}}}
	}
	stage := func(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }
	by := bson.D{{Key: "k", Value: 1}, {Key: "_id", Value: -1}}
	sum := bson.D{{Key: "$sum", Value: "$k"}}
	for name, cmd := range map[string]bson.D{
		"find's sort":      {{Key: "find", Value: "c"}, {Key: "sort", Value: by}, {Key: "batchSize", Value: 1000}},
		"a view's sort":    {{Key: "find", Value: "v"}, {Key: "sort", Value: by}, {Key: "batchSize", Value: 5000}},
		"$sort":            pipeline(stage("$sort", by)),
		"$group":           pipeline(stage("$group", bson.D{{Key: "_id", Value: "$g"}, {Key: "n", Value: sum}, {Key: "max", Value: bson.D{{Key: "$max", Value: "$_id"}}}, {Key: "avg", Value: bson.D{{Key: "$avg", Value: "$k"}}}})),
		"$sortByCount":     pipeline(stage("$sortByCount", "$g")),
		"$bucketAuto":      pipeline(stage("$bucketAuto", bson.D{{Key: "groupBy", Value: "$k"}, {Key: "buckets", Value: 40}})),
		"$setWindowFields": pipeline(stage("$setWindowFields", bson.D{{Key: "partitionBy", Value: "$g"}, {Key: "sortBy", Value: by}, {Key: "output", Value: bson.D{{Key: "s", Value: append(slices.Clone(sum), bson.E{Key: "window", Value: bson.D{{Key: "documents", Value: bson.A{"unbounded", "current"}}}})}}}})),
		"two of them":      pipeline(stage("$sort", by), stage("$group", bson.D{{Key: "_id", Value: "$k"}, {Key: "first", Value: bson.D{{Key: "$first", Value: "$_id"}}}})),
	} {
		t.Run(name, func(t *testing.T) {
			want, code := roomy.all(cmd)
			if code != 0 || len(want) < 40 {
				t.Fatal(len(want), code)
			}
			got, code := small.all(cmd)
			if code != 0 {
				t.Fatal(code)
			}
			text := func(list []bson.Raw) (out []string) {
				for _, d := range list {
					out = append(out, d.String())
				}
				if name != "find's sort" && name != "a view's sort" && name != "$sort" && name != "$bucketAuto" {
					slices.Sort(out) // no order is promised
				}
				return out
			}
			if !slices.Equal(text(got), text(want)) {
				t.Errorf("%d results, want %d, or others", len(got), len(want))
			}
			if _, code := small.all(append(slices.Clone(cmd), bson.E{Key: "allowDiskUse", Value: false})); code != 292 {
				t.Errorf("without the disk: code %d", code)
			}
			if _, code := small.all(append(slices.Clone(cmd), bson.E{Key: "allowDiskUse", Value: true})); code != 0 {
				t.Errorf("with the disk by name: code %d", code)
			}
			if n := small.files(); n != 0 {
				t.Errorf("%d files are left", n)
			}
		})
	}
	// A cursor that is given up takes its files along.
	rep := small.send(bson.D{{Key: "find", Value: "c"}, {Key: "sort", Value: by}, {Key: "batchSize", Value: 10}})
	small.send(bson.D{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: bson.A{rep.Lookup("cursor", "id").Int64()}}})
	if n := small.files(); n != 0 {
		t.Errorf("%d files are left of a cursor that was killed", n)
	}
}

// TestSpillAtTheRealLimit sorts a bit more than 100 MiB.
func TestSpillAtTheRealLimit(t *testing.T) {
	s := newSpilling(t, 0)
	pad := bytes.Repeat([]byte("p"), 1<<20)
	for i := range 11 {
		var docs bson.A
		for j := range 10 {
			docs = append(docs, bson.D{{Key: "_id", Value: i*10 + j}, {Key: "k", Value: (i*10 + j) * 37 % 110}, {Key: "pad", Value: bson.Binary{Data: pad}}})
		}
		s.send(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}, {Key: "writeConcern", Value: bson.D{{Key: "j", Value: false}}}})
	}
	sorted := bson.D{{Key: "find", Value: "c"}, {Key: "sort", Value: bson.D{{Key: "k", Value: 1}}}}
	if _, code := s.all(append(slices.Clone(sorted), bson.E{Key: "allowDiskUse", Value: false})); code != 292 {
		t.Errorf("without the disk: code %d", code)
	}
	docs, code := s.all(sorted)
	if code != 0 || len(docs) != 110 {
		t.Fatalf("%d documents, code %d", len(docs), code)
	}
	for i, d := range docs {
		if k := d.Lookup("k").Int32(); k != int32(i) {
			t.Fatalf("document %d has %d", i, k)
		}
	}
}
