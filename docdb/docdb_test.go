package docdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// open opens a database in a new folder and a client to it in memory.
func open(t testing.TB) (*docdb.DB, *mongo.Client) {
	t.Helper()
	db, err := docdb.Open(t.TempDir(), docdb.Options{Log: t.Logf, TestCommands: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, client
}

func ctx(t testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCRUD(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("items")
	_, err := coll.InsertOne(c, bson.D{{Key: "name", Value: "a"}, {Key: "_id", Value: 1}, {Key: "n", Value: 1}})
	must(t, err)
	_, err = coll.InsertMany(c, []any{bson.D{{Key: "_id", Value: 2}, {Key: "n", Value: 2}}, bson.D{{Key: "_id", Value: 3}, {Key: "n", Value: 3}}})
	must(t, err)
	var d bson.D
	must(t, coll.FindOne(c, bson.D{{Key: "_id", Value: 1}}).Decode(&d))
	if d[0].Key != "_id" || len(d) != 3 {
		t.Fatalf("%v", d)
	}
	_, err = coll.InsertOne(c, bson.D{{Key: "_id", Value: int64(1)}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Fatalf("%v", err)
	}
	ur, err := coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 10}}}})
	must(t, err)
	if ur.MatchedCount != 1 || ur.ModifiedCount != 1 {
		t.Fatalf("%+v", ur)
	}
	ur, err = coll.UpdateMany(c, bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 1}}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: true}}}})
	must(t, err)
	if ur.MatchedCount != 3 {
		t.Fatalf("%+v", ur)
	}
	n, err := coll.CountDocuments(c, bson.D{})
	if err == nil && n != 3 {
		t.Fatal(n)
	}
	ur, err = coll.UpdateOne(c, bson.D{{Key: "_id", Value: 9}}, bson.D{{Key: "$set", Value: bson.D{{Key: "y", Value: 1}}}}, options.UpdateOne().SetUpsert(true))
	must(t, err)
	if ur.UpsertedCount != 1 {
		t.Fatalf("%+v", ur)
	}
	cur, err := coll.Find(c, bson.D{}, options.Find().SetBatchSize(2))
	must(t, err)
	var all []bson.D
	must(t, cur.All(c, &all))
	if len(all) != 4 {
		t.Fatalf("%v", all)
	}
	dr, err := coll.DeleteOne(c, bson.D{{Key: "n", Value: 2}})
	must(t, err)
	if dr.DeletedCount != 1 {
		t.Fatal(dr)
	}
	must(t, coll.FindOneAndUpdate(c, bson.D{{Key: "_id", Value: 3}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 33}}}}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d))
	if err := coll.FindOne(c, bson.D{{Key: "_id", Value: 77}}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Fatal(err)
	}
}

func TestOpenIsQuick(t *testing.T) {
	start := time.Now()
	db, err := docdb.Open(t.TempDir(), docdb.Options{})
	must(t, err)
	took := time.Since(start)
	must(t, db.Close())
	t.Logf("opened an empty folder in %v", took)
	if took > 2*time.Second {
		t.Fatalf("opening an empty folder took %v", took)
	}
}

func asServerError(err error, to *mongo.ServerError) bool { return errors.As(err, to) }
