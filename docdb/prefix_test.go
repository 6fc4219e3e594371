package docdb_test

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// TestEveryPrefixOfTheLog opens a folder whose process was killed with its log cut off, or zero, from many places on, at the end from every byte: what
// is there is a prefix of what was acknowledged, the longer the more, and the whole log has all.
func TestEveryPrefixOfTheLog(t *testing.T) {
	const docs = 30
	mem, temp := vfs.NewCrashableMem(), t.TempDir()
	opts := docdb.Options{TempDir: temp, CacheBytes: 1 << 20}
	db, err := docdb.Open("db", docdb.WithFS(opts, mem))
	must(t, err)
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer hangUp(client)
	coll := client.Database("d").Collection("c")
	must(t, client.Database("d").CreateCollection(ctx(t), "c"))
	for i := range docs {
		_, err := coll.InsertOne(ctx(t), bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 50)}})
		must(t, err)
	}
	killed := mem.CrashClone(vfs.CrashCloneCfg{})
	files, err := killed.List("db")
	must(t, err)
	name := ""
	for _, f := range files {
		if strings.HasSuffix(f, ".log") {
			name = max(name, f)
		}
	}
	name = filepath.Join("db", name)
	f, err := killed.Open(name)
	must(t, err)
	log, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	used := len(log)
	for used > 0 && log[used-1] == 0 {
		used--
	}
	if used < 3000 || used == len(log) {
		t.Fatalf("the log has %d bytes in %d", used, len(log))
	}
	var cuts []int
	for cut := 0; cut < used; cut += 131 {
		cuts = append(cuts, cut)
	}
	for cut := used - 250; cut <= used+16; cut++ { // what was written may end with zeros
		cuts = append(cuts, cut)
	}
	slices.Sort(cuts)
	for how, tail := range map[string]func(cut int) []byte{
		"cut off": func(cut int) []byte { return log[:cut] },
		"zero":    func(cut int) []byte { return append(slices.Clone(log[:cut]), make([]byte, len(log)-cut)...) },
	} {
		last := int64(0)
		for _, cut := range cuts {
			disk := killed.CrashClone(vfs.CrashCloneCfg{})
			w, err := disk.Create(name, vfs.WriteCategoryUnspecified)
			must(t, err)
			_, err = w.Write(tail(cut))
			must(t, err)
			must(t, w.Close())
			// Documents are checked against the index on _id and the count: a prefix has no holes.
			n := wellKept(t, "db", docdb.WithFS(opts, disk), "d.c")
			if n < last || n > docs {
				t.Fatalf("%s from byte %d on: %d documents, and %d with less of the log", how, cut, n, last)
			}
			last = n
		}
		if last != docs {
			t.Errorf("the whole log has %d documents of %d", last, docs)
		}
	}
}
