package live_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.uber.org/goleak"

	"regent/docdb"
	"regent/internal/session/live"
)

var client *mongo.Client

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "regent-live-test-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if client, err = mongo.Connect(db.ClientOptions()); err != nil {
		panic(err)
	}
	defer client.Disconnect(context.Background())
	return m.Run()
}

type value struct {
	N int `bson:"n"`
}

// fixture is a watched collection with a cache in front.
type fixture struct {
	coll  *mongo.Collection
	cache *live.Cache[int]
	watch *live.Watcher
	reads atomic.Int64
	hold  chan struct{} // when set, reads wait for it after they read
	mu    sync.Mutex
}

var errGone = errors.New("gone")

func setUp(t *testing.T, max int) *fixture {
	t.Helper()
	db := client.Database("live_" + t.Name())
	f := &fixture{coll: db.Collection("c")}
	f.watch = live.Watch(db, []string{"c"}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	f.cache = live.NewCache(f.watch, "c", max, func(ctx context.Context, id bson.ObjectID) (int, error) {
		f.reads.Add(1)
		var v value
		err := f.coll.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&v)
		f.mu.Lock()
		hold := f.hold
		f.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if errors.Is(err, mongo.ErrNoDocuments) {
			return 0, errGone
		}
		return v.N, err
	})
	t.Cleanup(func() {
		f.cache.Close()
		f.watch.Close()
	})
	for end := time.Now().Add(5 * time.Second); !f.watch.Live(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the change stream does not come up")
		}
	}
	return f
}

func (f *fixture) write(t *testing.T, id bson.ObjectID, n int) {
	t.Helper()
	if _, err := f.coll.UpdateByID(t.Context(), id, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) insert(t *testing.T) bson.ObjectID {
	t.Helper()
	id := bson.NewObjectID()
	if _, err := f.coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}, {Key: "n", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	return id
}

func (f *fixture) get(t *testing.T, id bson.ObjectID) int {
	t.Helper()
	n, err := f.cache.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangesArrive(t *testing.T) {
	f := setUp(t, 100)
	id := f.insert(t)
	for range 10 {
		f.get(t, id)
	}
	if n := f.reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
	f.write(t, id, 2)
	for end := time.Now().Add(3 * time.Second); f.get(t, id) != 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the change did not arrive")
		}
	}
	if _, err := f.coll.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := f.cache.Get(t.Context(), id); errors.Is(err, errGone) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the deletion did not arrive")
		}
	}
}

// A value that changes while it is read is not kept: the reader may have the old one.
func TestEvictedWhileRead(t *testing.T) {
	f := setUp(t, 100)
	id := f.insert(t)
	f.hold = make(chan struct{})
	done := make(chan int)
	go func() {
		n, _ := f.cache.Get(context.Background(), id)
		done <- n
	}()
	for f.reads.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	f.write(t, id, 2)
	f.cache.Evict(id)
	f.mu.Lock()
	close(f.hold)
	f.hold = nil
	f.mu.Unlock()
	<-done
	if n := f.get(t, id); n != 2 {
		t.Errorf("the old value %d was kept", n)
	}
}

func TestBounded(t *testing.T) {
	f := setUp(t, 10)
	for range 100 {
		f.cache.Put(bson.NewObjectID(), 1)
	}
	if n := f.cache.Len(); n != 10 {
		t.Errorf("%d values are kept", n)
	}
}

// Where all is in use, somebody has to go.
func TestBoundedInUse(t *testing.T) {
	f := setUp(t, 1000)
	for range 3000 {
		id := bson.NewObjectID()
		f.cache.Put(id, 1)
		f.get(t, id)
	}
	if n := f.cache.Len(); n != 1000 {
		t.Errorf("%d values are kept", n)
	}
}

// What is used stays while others come and go, and a document that was forgotten
// and came again counts once.
func TestUsedStays(t *testing.T) {
	f := setUp(t, 10)
	kept, again := bson.NewObjectID(), bson.NewObjectID() // neither is in the database
	f.cache.Put(kept, 1)
	f.get(t, kept)
	for range 100 {
		f.cache.Put(bson.NewObjectID(), 1)
		f.cache.Evict(again)
		f.cache.Put(again, 1)
		f.get(t, kept)
		if n := f.cache.Len(); n > 10 {
			t.Fatalf("%d values are kept", n)
		}
	}
}

// Without a stream a value is believed for MaxStale and no longer.
func TestWithoutStream(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for MaxStale")
	}
	t.Parallel()
	f := setUp(t, 100)
	id := f.insert(t)
	f.get(t, id)
	f.watch.Close()
	f.write(t, id, 2)
	end := time.Now().Add(live.MaxStale + time.Second)
	for f.get(t, id) != 2 {
		if time.Now().After(end) {
			t.Fatal("the old value is believed for ever")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestNothingLeaks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := live.Watch(client.Database("leak"), []string{"c"}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	time.Sleep(50 * time.Millisecond)
	w.Close()
}
