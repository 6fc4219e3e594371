package docdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/docdb/internal/store"
)

// wellKept opens a folder, checks it, and reports how many documents of a collection there are.
func wellKept(t *testing.T, dir string, o docdb.Options, coll string) int64 {
	t.Helper()
	db, err := docdb.Open(dir, o)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	defer db.Close()
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reports, err := db.Check(c)
	must(t, err)
	n := int64(0)
	for _, r := range reports {
		if len(r.Problems) > 0 {
			t.Fatalf("%s: %s: %v", dir, r.Namespace, r.Problems)
		}
		if r.Namespace == coll {
			n = r.Documents
		}
	}
	return n
}

// TestKilledAtTheFirstStart kills processes while they make their folder, and goes on with what they leave.
func TestKilledAtTheFirstStart(t *testing.T) {
	for round := range 12 {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(round), "db")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFolder+"="+dir, crashRound+"=0")
		must(t, cmd.Start())
		time.Sleep(time.Duration(rand.IntN(80)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		wellKept(t, dir, docdb.Options{CacheBytes: 1 << 20}, "")
	}
}

// TestRestoreIsKilled kills processes that restore a backup: the database is there as a whole or not at all, and the next attempt makes it.
func TestRestoreIsKilled(t *testing.T) {
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup")
	{
		db, client := open(t)
		var list []any
		for i := range 5000 {
			list = append(list, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 2000+i%100)}})
		}
		_, err := client.Database("a").Collection("b").InsertMany(ctx(t), list)
		must(t, err)
		must(t, db.Compact(ctx(t)))
		must(t, db.Backup(ctx(t), backup))
	}
	whole := 0
	for round := range 8 {
		to := filepath.Join(dir, fmt.Sprint("restored", round))
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), restoreFrom+"="+backup, restoreTo+"="+to)
		must(t, cmd.Start())
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		if _, err := os.Stat(to); err == nil {
			whole++
		} else {
			must(t, docdb.Restore(ctx(t), backup, to, nil))
		}
		if n := wellKept(t, to, docdb.Options{}, "a.b"); n != 5000 {
			t.Fatalf("round %d: %d documents of 5000 are restored", round, n)
		}
		must(t, os.RemoveAll(to))
	}
	t.Logf("%d of 8 were complete before they were killed", whole)
}

// TestUpgradeIsInterrupted opens a folder that an earlier version of the storage engine has written, and has the disk fail and lose what was not
// synced at every point of that: the next opening has everything.
func TestUpgradeIsInterrupted(t *testing.T) {
	const docs = 50
	plain := vfs.NewMem()
	temp := t.TempDir()
	db, err := docdb.Open("db", docdb.WithFS(docdb.Options{TempDir: temp}, plain))
	must(t, err)
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	coll := client.Database("d").Collection("c")
	_, err = coll.Indexes().CreateOne(ctx(t), mongo.IndexModel{Keys: bson.D{{Key: "v", Value: 1}}})
	must(t, err)
	for i := range docs {
		_, err := coll.InsertOne(ctx(t), bson.D{{Key: "_id", Value: i}, {Key: "v", Value: i}})
		must(t, err)
	}
	must(t, client.Disconnect(ctx(t)))
	must(t, db.Close())

	old := vfs.NewCrashableMem()
	must(t, old.MkdirAll("db", 0o700))
	engine := func(fs vfs.FS, version pebble.FormatMajorVersion) *pebble.DB {
		cache := pebble.NewCache(1 << 20)
		defer cache.Unref()
		o := store.EngineOptions(cache)
		o.FS, o.FormatMajorVersion = fs, version
		e, err := pebble.Open("db", o)
		must(t, err)
		return e
	}
	from, to := engine(plain, pebble.FormatNewest), engine(old, pebble.FormatMinSupported)
	it, err := from.NewIter(nil)
	must(t, err)
	b := to.NewBatch()
	for ok := it.First(); ok; ok = it.Next() {
		must(t, b.Set(it.Key(), it.Value(), nil))
	}
	must(t, it.Close())
	must(t, to.Apply(b, pebble.Sync))
	must(t, from.Close())
	if v := to.FormatMajorVersion(); v != pebble.FormatMinSupported {
		t.Fatalf("the folder has format %v", v)
	}
	must(t, to.Close())

	failed := 0
	chance := rand.New(rand.NewPCG(1, 2))
	for n := int64(0); ; n++ {
		disk := old.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: chance})
		f := &fault{after: n, kinds: writes, err: os.ErrPermission}
		db, err := docdb.Open("db", docdb.WithFS(docdb.Options{TempDir: temp}, errorfs.Wrap(disk, f)))
		if err == nil {
			db.Close()
		}
		fired := f.fired.Load()
		for _, unsynced := range []int{0, 100} { // what was not synced is gone, or there: the process was killed
			after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: chance})
			if have := wellKept(t, "db", docdb.WithFS(docdb.Options{TempDir: temp}, after), "d.c"); have != docs {
				t.Fatalf("with a failure after %d operations %d documents of %d are left", n, have, docs)
			}
		}
		if !fired {
			break
		}
		failed++
	}
	if failed < 10 {
		t.Errorf("the upgrade failed at %d points only", failed)
	}
	t.Logf("%d points", failed)
}
