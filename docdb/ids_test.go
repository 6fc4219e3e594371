package docdb_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// An _id is taken once, whether ids come in ascending order or not, by
// transactions that commit or do not, after deletions and after a restart.
func TestIDsTakenOnce(t *testing.T) {
	dir := t.TempDir()
	have := map[int]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	highest := 0
	for range 3 { // each time the folder is opened anew
		db, err := docdb.Open(dir, docdb.Options{})
		must(t, err)
		client, err := mongo.Connect(db.ClientOptions())
		must(t, err)
		c := ctx(t)
		coll := client.Database("app").Collection("items")
		insert := func(c context.Context, id int) error {
			_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: id}})
			return err
		}
		check := func(id int, err error) {
			t.Helper()
			if have[id] != mongo.IsDuplicateKeyError(err) || err != nil && !have[id] {
				t.Fatalf("inserting %d, there before: %v, got %v", id, have[id], err)
			}
			have[id] = true
		}
		for range 100 {
			id := r.IntN(highest + 3)
			highest = max(highest, id)
			switch r.IntN(4) {
			case 0, 1:
				check(id, insert(c, id))
			case 2:
				_, err := coll.DeleteOne(c, bson.D{{Key: "_id", Value: id}})
				must(t, err)
				delete(have, id)
			case 3:
				s, err := client.StartSession()
				must(t, err)
				must(t, s.StartTransaction())
				err = insert(mongo.NewSessionContext(c, s), id)
				// Others go on above and below while the transaction is open.
				check(highest+1, insert(c, highest+1))
				highest++
				switch {
				case err != nil:
					check(id, err)
					s.AbortTransaction(c)
				case r.IntN(2) == 0:
					must(t, s.AbortTransaction(c))
				default:
					must(t, s.CommitTransaction(c))
					check(id, nil)
				}
				s.EndSession(c)
				check(id, insert(c, id))
			}
		}
		n, err := coll.CountDocuments(c, bson.D{})
		must(t, err)
		if int(n) != len(have) {
			t.Fatalf("%d documents, want %d", n, len(have))
		}
		must(t, client.Disconnect(c))
		must(t, db.Close())
	}
}

// A pipeline that asks for operations and collections only, which is answered
// before events are made, shows what the same pipeline shows that is not.
func TestChangeStreamLeavesOutEarly(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	db := client.Database("app")
	filter := bson.D{
		{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: bson.A{"a", "b"}}}},
		{Key: "operationType", Value: bson.D{{Key: "$ne", Value: "insert"}}},
	}
	early, err := db.Watch(c, mongo.Pipeline{{{Key: "$match", Value: filter}}})
	must(t, err)
	late, err := db.Watch(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "$and", Value: bson.A{filter}}}}}})
	must(t, err)
	for _, name := range []string{"a", "c", "b"} {
		coll := db.Collection(name)
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}})
		must(t, err)
		_, err = coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}})
		must(t, err)
		_, err = coll.ReplaceOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "m", Value: 1}})
		must(t, err)
		_, err = coll.DeleteOne(c, bson.D{{Key: "_id", Value: 1}})
		must(t, err)
	}
	must(t, db.Collection("a").Drop(c))
	must(t, db.Drop(c))
	var seen []string
	for late.Next(c) {
		if !early.Next(c) {
			t.Fatalf("missing %s: %v", late.Current, early.Err())
		}
		if early.Current.String() != late.Current.String() {
			t.Errorf("got %s, want %s", early.Current, late.Current)
		}
		seen = append(seen, late.Current.Lookup("operationType").StringValue())
	}
	if early.Next(c) {
		t.Errorf("too much: %s", early.Current)
	}
	must(t, late.Err())
	must(t, early.Err())
	if len(seen) < 7 {
		t.Errorf("events: %v", seen)
	}
}
