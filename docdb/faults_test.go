package docdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// fault makes operations on files fail from the n-th one on, until it is lifted.
type fault struct {
	after  int64
	kinds  func(errorfs.Op) bool
	err    error
	seen   atomic.Int64
	lifted atomic.Bool
	fired  atomic.Bool
}

func (f *fault) String() string { return "fault" }

func (f *fault) MaybeError(op errorfs.Op) error {
	if f.lifted.Load() || !f.kinds(op) || f.seen.Add(1) <= f.after {
		return nil
	}
	f.fired.Store(true)
	return &os.PathError{Op: "write", Path: op.Path, Err: f.err}
}

func writes(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpReuseForWrite, errorfs.OpRename:
		return true
	}
	return false
}

func syncs(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// TestDiskFails writes until the disk refuses, at every point that it may: the write that meets it fails with an error that names the
// file and says what to do, and so do all later ones; reads go on; nothing hangs; and once the disk works again everything that was
// acknowledged is there and the indexes agree.
func TestDiskFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		kinds func(errorfs.Op) bool
		code  int
		says  string
	}{
		{"full", syscall.ENOSPC, writes, 14031, "make room on this disk and restart"},
		{"fsync", syscall.EIO, syncs, 39, "check the disk"},
		{"read-only", syscall.EROFS, writes, 39, "the disk has become read-only"},
		{"data files", syscall.ENOSPC, func(op errorfs.Op) bool { return writes(op) && strings.HasSuffix(op.Path, ".sst") }, 14031, "make room on this disk and restart"},
		{"manifest", syscall.EIO, func(op errorfs.Op) bool { return writes(op) && strings.Contains(op.Path, "MANIFEST") }, 39, "check the disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			step := int64(7)
			if testing.Short() {
				step = 40
			}
			failed := 0
			for n := int64(0); n < 400; n += 1 + n/step {
				f := &fault{after: n, kinds: c.kinds, err: c.err}
				done := make(chan bool, 1)
				go func() { done <- failingDisk(t, f, c.code, c.says) }()
				select {
				case more := <-done:
					if t.Failed() {
						t.Fatalf("with the failure after %d operations", n)
					}
					if !more {
						n = 400
						continue
					}
					failed++
				case <-time.After(60 * time.Second):
					panic(fmt.Sprintf("it hangs with the failure after %d operations", n))
				}
			}
			if failed < 2 {
				t.Fatalf("the disk failed %d times only", failed)
			}
		})
	}
}

// failingDisk is one run; false when the work was done before the failure came.
func failingDisk(t *testing.T, f *fault, code int, says string) bool {
	mem := vfs.NewCrashableMem()
	opts := docdb.Options{TempDir: t.TempDir(), CacheBytes: 1 << 20}
	db, err := docdb.Open("db", docdb.WithFS(opts, errorfs.Wrap(mem, f)))
	acked := map[int]int{}
	if err != nil {
		if !strings.Contains(err.Error(), "db") || !strings.Contains(err.Error(), f.err.Error()) {
			t.Errorf("open says %v", err)
		}
	} else {
		client, err := mongo.Connect(db.ClientOptions())
		if err != nil {
			t.Error(err)
			return false
		}
		c, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		coll := client.Database("d").Collection("c")
		var first error
		note := func(err error) bool {
			if err == nil {
				return true
			}
			if first == nil {
				first = err
			}
			return false
		}
		_, err = coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "v", Value: 1}}})
		note(err)
		s, err := client.StartSession()
		if err != nil {
			t.Error(err)
			return false
		}
		for i := 0; i < 60 && first == nil; i++ {
			switch i % 4 {
			default:
				if _, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: i}}); note(err) {
					acked[i] = i
				}
			case 2:
				if _, err := coll.UpdateOne(c, bson.D{{Key: "_id", Value: i - 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: -i}}}}); note(err) {
					acked[i-1] = -i
				}
			case 3:
				_, err := s.WithTransaction(c, func(tx context.Context) (any, error) {
					if _, err := coll.InsertOne(tx, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: i}}); err != nil {
						return nil, err
					}
					return coll.InsertOne(tx, bson.D{{Key: "_id", Value: 1000 + i}, {Key: "v", Value: i}})
				})
				if note(err) {
					acked[i], acked[1000+i] = i, i
				}
			}
			if i%10 == 9 {
				note(db.Compact(c)) // writes data files and the manifest
			}
		}
		if first == nil && f.fired.Load() {
			// What failed was a sync that nobody waited for, or work in the background: the next write tells.
			_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 5000}})
			note(err)
		}
		if f.fired.Load() {
			var se mongo.ServerError
			if first == nil {
				t.Errorf("the disk has failed and nobody was told")
			} else if !strings.Contains(first.Error(), says) || !strings.Contains(first.Error(), " db") {
				t.Errorf("the error does not name the file and what to do: %v", first)
			} else if errors.As(first, &se) && !se.HasErrorCode(code) {
				t.Errorf("%v, want code %d", first, code)
			}
			// Later writes fail too, reads work.
			if _, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 6000}}); err == nil {
				t.Errorf("a write is acknowledged after the failure")
			}
			if err := client.Database("d").CreateCollection(c, "other"); err == nil {
				t.Errorf("a collection is made after the failure")
			}
			if err := db.CreateUser("ann", "secret"); err == nil {
				t.Errorf("a user is made after the failure")
			}
			checkAcked(t, c, coll, acked, true)
		}
		if err := db.Close(); err != nil && !strings.Contains(err.Error(), f.err.Error()) {
			t.Errorf("close: %v", err)
		}
		hangUp(client)
	}
	// The disk works again: after a loss of power (what was not synced is gone) or a kill (it is there) the rest is there.
	f.lifted.Store(true)
	db, err = docdb.Open("db", docdb.WithFS(opts, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(f.after%2) * 100, RNG: rand.New(rand.NewPCG(uint64(f.after), 1))})))
	if err != nil {
		t.Errorf("open again: %v", err)
		return false
	}
	c, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	reports, err := db.Check(c)
	if err != nil {
		t.Error(err)
	}
	for _, r := range reports {
		if len(r.Problems) > 0 {
			t.Errorf("%v", r.Problems)
		}
	}
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		t.Error(err)
		return false
	}
	defer hangUp(client)
	defer db.Close()
	coll := client.Database("d").Collection("c")
	checkAcked(t, c, coll, acked, false)
	if _, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: "again"}}); err != nil {
		t.Errorf("a write after the disk works again: %v", err)
	}
	return f.fired.Load()
}

// checkAcked looks for every acknowledged document; with exact off, a later write that was not acknowledged may be there.
func checkAcked(t *testing.T, c context.Context, coll *mongo.Collection, acked map[int]int, failed bool) {
	for id, v := range acked {
		var d struct{ V int }
		if err := coll.FindOne(c, bson.D{{Key: "_id", Value: id}}).Decode(&d); err != nil {
			t.Errorf("document %d (disk failed: %v): %v", id, failed, err)
		} else if d.V != v && d.V != -(id+1) {
			t.Errorf("document %d is %d, want %d", id, d.V, v)
		}
	}
}

// hangUp ends a client whose database is gone already, and waits for nothing.
func hangUp(client *mongo.Client) {
	c, cancel := context.WithCancel(context.Background())
	cancel()
	client.Disconnect(c)
}
