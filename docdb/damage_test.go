package docdb_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// TestDamagedFiles damages the files of a closed database, each in several ways: opening it or reading it fails with an error that names
// the file, or nothing is missing. Never is a document gone without a word.
func TestDamagedFiles(t *testing.T) {
	const docs = 3000
	whole := t.TempDir()
	{
		db, err := docdb.Open(whole, docdb.Options{})
		must(t, err)
		client, err := mongo.Connect(db.ClientOptions())
		must(t, err)
		c := ctx(t)
		coll := client.Database("d").Collection("c")
		_, err = coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "v", Value: 1}}})
		must(t, err)
		insert := func(from, to int) {
			var list []any
			for i := from; i < to; i++ {
				list = append(list, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: i}, {Key: "pad", Value: strings.Repeat(string(rune('a'+i%26)), 300)}})
			}
			_, err := coll.InsertMany(c, list)
			must(t, err)
		}
		insert(0, docs-50)
		must(t, db.Compact(c))
		insert(docs-50, docs) // these are in the log only
		must(t, client.Disconnect(c))
		must(t, db.Close())
	}
	files, err := os.ReadDir(whole)
	must(t, err)
	tried := map[string]int{}
	lastLog := ""
	for _, f := range files {
		if filepath.Ext(f.Name()) == ".log" {
			lastLog = f.Name() // the others have been flushed into data files
		}
	}
	for _, f := range files {
		name := f.Name()
		if filepath.Ext(name) == ".log" && name != lastLog {
			continue
		}
		kind := strings.TrimLeft(filepath.Ext(name), ".")
		if strings.HasPrefix(name, "MANIFEST") {
			kind = "MANIFEST"
		}
		if f.IsDir() || !slices.Contains([]string{"sst", "log", "MANIFEST"}, kind) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(whole, name))
		must(t, err)
		if len(data) == 0 {
			continue
		}
		damages := map[string]func() []byte{
			"empty":               func() []byte { return nil },
			"half":                func() []byte { return data[:len(data)/2] },
			"without its end":     func() []byte { return data[:len(data)-len(data)/10-1] },
			"a byte at a fifth":   func() []byte { return flip(data, len(data)/5) },
			"a byte in the mid":   func() []byte { return flip(data, len(data)/2) },
			"a block of zeros":    func() []byte { d := slices.Clone(data); clear(d[len(d)/3 : len(d)/3+len(d)/8]); return d },
			"a byte near the end": func() []byte { return flip(data, len(data)-20) },
		}
		if kind != "log" || len(data) > 1000 {
			damages["missing"] = nil
		}
		for how, damage := range damages {
			tried[kind]++
			t.Run(kind+" "+how, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "db")
				must(t, os.CopyFS(dir, os.DirFS(whole)))
				if damage == nil {
					must(t, os.Remove(filepath.Join(dir, name)))
				} else {
					must(t, os.WriteFile(filepath.Join(dir, name), damage(), 0o600))
				}
				said := lookAtDamage(t, dir, docs)
				if said != "" && !strings.Contains(said, dir) && !strings.Contains(said, strings.TrimSuffix(name, "."+kind)) {
					t.Errorf("%s: the error names no file: %s", name, said)
				}
				if testing.Verbose() {
					t.Logf("%s: %s", name, said)
				}
			})
		}
	}
	for _, kind := range []string{"sst", "log", "MANIFEST"} {
		if tried[kind] == 0 {
			t.Errorf("there was no %s to damage", kind)
		}
	}
}

func flip(data []byte, i int) []byte {
	d := slices.Clone(data)
	d[i] ^= 0x10
	return d
}

// lookAtDamage opens and reads a folder, and gives the first error; the test fails if documents are missing without one.
func lookAtDamage(t *testing.T, dir string, docs int) string {
	t.Helper()
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		return err.Error()
	}
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer hangUp(client)
	defer db.Close()
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	coll := client.Database("d").Collection("c")
	cur, err := coll.Find(c, bson.D{})
	if err != nil {
		return err.Error()
	}
	n := 0
	for cur.Next(c) {
		n++
	}
	if err := cur.Err(); err != nil {
		return err.Error()
	}
	if n != docs {
		t.Errorf("%d documents of %d, and no error", n, docs)
	}
	reports, err := db.Check(c)
	if err != nil {
		return err.Error()
	}
	for _, r := range reports {
		if len(r.Problems) > 0 {
			return r.Problems[0]
		}
	}
	if err := db.Compact(c); err != nil {
		return err.Error()
	}
	return ""
}

// smallDisk is a disk whose free room a test sets.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load(), TotalBytes: 100 << 30}, nil
}

// TestDiskNearlyFull fills the disk almost: writes that take room are refused before anything breaks, what gives room back works, and
// with room they work again.
func TestDiskNearlyFull(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(10 << 30)
	db, err := docdb.Open("db", docdb.WithFS(docdb.Options{TempDir: t.TempDir(), Log: t.Logf}, disk))
	must(t, err)
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer hangUp(client)
	defer db.Close()
	c := ctx(t)
	coll := client.Database("d").Collection("c")
	insert := func(id int) error { _, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: id}}); return err }
	must(t, insert(1))
	must(t, insert(2))
	_, err = client.Database("d").Collection("old").InsertOne(c, bson.D{})
	must(t, err)
	until := func(what string, f func() bool) {
		t.Helper()
		for !f() {
			if c.Err() != nil {
				t.Fatal(what)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	disk.free.Store(100 << 20)
	until("inserts go on", func() bool { return insert(1000+int(time.Now().UnixNano()%1e9)) != nil })
	err = insert(3)
	var se mongo.ServerError
	if !asServerError(err, &se) || !se.HasErrorCode(14031) || !strings.Contains(err.Error(), "nearly full") {
		t.Fatalf("%v", err)
	}
	if _, err := coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: 1}}}}); !asServerError(err, &se) || !se.HasErrorCode(14031) {
		t.Fatalf("%v", err)
	}
	if err := client.Database("d").CreateCollection(c, "more"); !asServerError(err, &se) || !se.HasErrorCode(14031) {
		t.Fatalf("%v", err)
	}
	_, err = coll.DeleteOne(c, bson.D{{Key: "_id", Value: 2}})
	must(t, err)
	must(t, client.Database("d").Collection("old").Drop(c))
	must(t, coll.FindOne(c, bson.D{{Key: "_id", Value: 1}}).Err())
	disk.free.Store(10 << 30)
	until("inserts stay refused", func() bool { return insert(4) == nil })
}
