package docdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"regent/docdb"
)

// lazily gives a collection whose writes don't wait for the disk.
func lazily(client *mongo.Client, name string) *mongo.Collection {
	j := false
	return client.Database("app").Collection(name, options.Collection().SetWriteConcern(&writeconcern.WriteConcern{Journal: &j}))
}

// sound fails the test when a collection's indexes and documents don't agree.
func sound(t *testing.T, db *docdb.DB) {
	t.Helper()
	reports, err := db.Check(ctx(t))
	must(t, err)
	for _, r := range reports {
		for _, p := range r.Problems {
			t.Errorf("%s: %s", r.Namespace, p)
		}
	}
}

// TestConcurrentUpdatesLoseNothing has writers add to a few documents in every way that a single document is written.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	const writers, each, docs = 16, 60, 3
	db, client := open(t)
	ctx := ctx(t)
	coll := lazily(client, "counters")
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
	must(t, err)
	stream, err := coll.Watch(ctx, mongo.Pipeline{})
	must(t, err)
	defer stream.Close(ctx)
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := bson.D{{Key: "_id", Value: (w + i) % docs}}
				var err error
				r := &mongo.UpdateResult{MatchedCount: 1}
				switch i % 4 {
				case 0:
					_, err = coll.UpdateOne(ctx, id, inc, options.UpdateOne().SetUpsert(true))
				case 1:
					if err = coll.FindOneAndUpdate(ctx, id, inc, options.FindOneAndUpdate().SetUpsert(true)).Err(); err == mongo.ErrNoDocuments {
						err = nil // it was an upsert
					}
				case 2:
					r, err = coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{(w + i) % docs}}}}}, inc)
				case 3:
					err = client.UseSession(ctx, func(ctx context.Context) error {
						_, err := mongo.SessionFromContext(ctx).WithTransaction(ctx, func(ctx context.Context) (_ any, err error) {
							r, err = coll.UpdateOne(ctx, id, inc)
							return nil, err
						})
						return err
					})
				}
				if err == nil && r.MatchedCount == 0 { // not there yet
					_, err = coll.UpdateOne(ctx, id, inc, options.UpdateOne().SetUpsert(true))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sound(t, db)
	// Each document's events show its values one after the other, and end with what it holds.
	want := map[int32]int32{}
	cur, err := coll.Find(ctx, bson.D{})
	must(t, err)
	total := int32(0)
	for cur.Next(ctx) {
		id, n := cur.Current.Lookup("_id").AsInt64(), cur.Current.Lookup("n").AsInt64()
		want[int32(id)] = int32(n)
		total += int32(n)
	}
	must(t, cur.Err())
	seen := map[int32]int32{}
	for range total {
		if !stream.Next(ctx) {
			t.Fatalf("the stream ended: %v after %v", stream.Err(), seen)
		}
		id := int32(stream.Current.Lookup("documentKey", "_id").AsInt64())
		v, err := stream.Current.LookupErr("updateDescription", "updatedFields", "n")
		if err != nil {
			v = stream.Current.Lookup("fullDocument", "n")
		}
		n := int32(v.AsInt64())
		if n != seen[id]+1 {
			t.Fatalf("document %d goes from %d to %d", id, seen[id], n)
		}
		seen[id] = n
	}
	for id := range want {
		if seen[id] != want[id] {
			t.Errorf("document %d holds %d after %d events", id, want[id], seen[id])
		}
	}
	if total != writers*each {
		t.Errorf("%d additions have left %d", writers*each, total)
	}
}

// TestUniqueKeysHaveOneOwner races writers for the same keys of two unique indexes, by inserts, updates and deletes.
func TestUniqueKeysHaveOneOwner(t *testing.T) {
	const writers, each, values = 16, 150, 8
	db, client := open(t)
	ctx := ctx(t)
	coll := lazily(client, "owners")
	for _, f := range []string{"a", "b"} {
		_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: f, Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true)})
		must(t, err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	// A snapshot never shows a key twice.
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			cur, err := coll.Find(ctx, bson.D{}, options.Find().SetHint(bson.D{{Key: "$natural", Value: 1}}))
			if err != nil {
				t.Error(err)
				return
			}
			owners := map[string]string{}
			for cur.Next(ctx) {
				for _, f := range []string{"a", "b"} {
					v, err := cur.Current.LookupErr(f)
					if err != nil {
						continue
					}
					id := cur.Current.Lookup("_id").String()
					key := fmt.Sprint(f, v.AsInt64())
					if o, ok := owners[key]; ok {
						t.Errorf("%s and %s have %s", o, id, key)
					}
					owners[key] = id
				}
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for range each {
				id := r.IntN(2 * values)
				a, b := r.IntN(values), r.IntN(values)
				var err error
				switch r.IntN(4) {
				case 0:
					_, err = coll.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "a", Value: a}, {Key: "b", Value: b}})
				case 1:
					_, err = coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: a}, {Key: "b", Value: b}}}})
				case 2:
					_, err = coll.UpdateOne(ctx, bson.D{{Key: "a", Value: a}}, bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: b}}}}, options.UpdateOne().SetUpsert(true))
				case 3:
					_, err = coll.DeleteOne(ctx, bson.D{{Key: "b", Value: b}})
				}
				if err != nil && !mongo.IsDuplicateKeyError(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("writers wait for one another")
	}
	close(stop)
	reader.Wait()
	sound(t, db)
}
