package docdb_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestChangeStream(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("items")
	s, err := coll.Watch(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "update", "delete", "drop", "invalidate"}}}}}}}},
		options.ChangeStream().SetFullDocument(options.UpdateLookup))
	must(t, err)
	go func() {
		time.Sleep(20 * time.Millisecond)
		coll.InsertOne(c, bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: 1}})
		coll.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 2}}}})
		coll.DeleteOne(c, bson.D{{Key: "_id", Value: 1}})
		coll.Drop(c)
	}()
	var tokens []bson.Raw
	for _, want := range []string{"insert", "update", "delete", "drop", "invalidate"} {
		if !s.Next(c) {
			t.Fatal(want, s.Err())
		}
		var e struct {
			Op   string   `bson:"operationType"`
			Full bson.Raw `bson:"fullDocument"`
			Desc bson.Raw `bson:"updateDescription"`
		}
		must(t, s.Decode(&e))
		if e.Op != want {
			t.Fatalf("%s, want %s: %s", e.Op, want, s.Current)
		}
		tokens = append(tokens, s.ResumeToken())
	}
	if s.Next(c) || s.Err() != nil {
		t.Fatal(s.Err())
	}
	s, err = coll.Watch(c, mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(tokens[0]))
	must(t, err)
	if !s.Next(c) || s.Current.Lookup("operationType").StringValue() != "update" {
		t.Fatal(s.Current, s.Err())
	}
	s.Close(c)
	s, err = coll.Watch(c, mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(tokens[3]))
	must(t, err)
	if !s.Next(c) || s.Current.Lookup("operationType").StringValue() != "invalidate" {
		t.Fatal(s.Current, s.Err())
	}
	s.Close(c)
}

func TestAggregateAndViews(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	db := client.Database("app")
	coll := db.Collection("items")
	for i := 0; i < 300; i++ {
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: i}, {Key: "k", Value: i % 7}, {Key: "s", Value: "x"}})
		must(t, err)
	}
	cur, err := coll.Aggregate(c, mongo.Pipeline{{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$k"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}}, {{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}}})
	must(t, err)
	var out []bson.M
	must(t, cur.All(c, &out))
	if len(out) != 7 || out[0]["n"] != int32(43) {
		t.Fatal(out)
	}
	cur, err = coll.Find(c, bson.D{}, options.Find().SetSort(bson.D{{Key: "k", Value: -1}, {Key: "_id", Value: 1}}).SetLimit(3).SetProjection(bson.D{{Key: "k", Value: 1}}))
	must(t, err)
	out = nil
	must(t, cur.All(c, &out))
	if len(out) != 3 || out[0]["_id"] != int32(6) || len(out[0]) != 2 {
		t.Fatal(out)
	}
	must(t, db.CreateView(c, "v", "items", mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "k", Value: 3}}}}}))
	n, err := db.Collection("v").CountDocuments(c, bson.D{})
	must(t, err)
	if n != 43 {
		t.Fatal(n)
	}
	cur, err = db.Collection("v").Find(c, bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: 20}}}})
	must(t, err)
	out = nil
	must(t, cur.All(c, &out))
	if len(out) != 3 {
		t.Fatal(out)
	}
	_, err = coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "k", Value: 1}}})
	must(t, err)
	var plan bson.M
	must(t, db.RunCommand(c, bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "items"}, {Key: "filter", Value: bson.D{{Key: "k", Value: 3}}}}}}).Decode(&plan))
	t.Log(plan["queryPlanner"], plan["executionStats"])
	cur, err = coll.Aggregate(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "k", Value: 3}}}}, {{Key: "$out", Value: "copy"}}})
	must(t, err)
	must(t, cur.All(c, &out))
	n, err = db.Collection("copy").CountDocuments(c, bson.D{})
	must(t, err)
	if n != 43 {
		t.Fatal(n)
	}
}

func TestTransaction(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("items")
	_, err := coll.InsertMany(c, []any{bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 10}}, bson.D{{Key: "_id", Value: 2}, {Key: "n", Value: 0}}})
	must(t, err)
	s, err := client.StartSession()
	must(t, err)
	defer s.EndSession(c)
	_, err = s.WithTransaction(c, func(tx context.Context) (any, error) {
		if _, err := coll.UpdateOne(tx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: -4}}}}); err != nil {
			return nil, err
		}
		n, err := coll.CountDocuments(tx, bson.D{{Key: "n", Value: 6}})
		if err != nil || n != 1 {
			t.Error(n, err)
		}
		n, err = coll.CountDocuments(c, bson.D{{Key: "n", Value: 6}})
		if err != nil || n != 0 {
			t.Error(n, err)
		}
		_, err = coll.UpdateOne(tx, bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 4}}}})
		return nil, err
	})
	must(t, err)
	n, err := coll.CountDocuments(c, bson.D{{Key: "n", Value: bson.D{{Key: "$in", Value: bson.A{4, 6}}}}})
	must(t, err)
	if n != 2 {
		t.Fatal(n)
	}
	must(t, s.StartTransaction())
	tx := mongo.NewSessionContext(c, s)
	_, err = coll.DeleteMany(tx, bson.D{})
	must(t, err)
	_, err = coll.InsertOne(tx, bson.D{{Key: "_id", Value: 3}})
	must(t, err)
	must(t, s.AbortTransaction(c))
	n, err = coll.CountDocuments(c, bson.D{})
	must(t, err)
	if n != 2 {
		t.Fatal(n)
	}
}

// A stream of a database that leaves most events out hears of the others at once, in the middle of a storm of writes.
func TestStreamOfFew(t *testing.T) {
	_, client := open(t)
	// Without a deadline, which would bound how long the server may wait.
	c, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer time.AfterFunc(20*time.Second, cancel).Stop()
	db := client.Database("app")
	busy, rare := db.Collection("busy"), db.Collection("rare")
	_, err := rare.InsertOne(c, bson.D{{Key: "_id", Value: 1}})
	must(t, err)
	s, err := db.Watch(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "ns.coll", Value: "rare"}, {Key: "operationType", Value: bson.D{{Key: "$ne", Value: "insert"}}}}}}},
		options.ChangeStream().SetMaxAwaitTime(time.Minute))
	must(t, err)
	defer s.Close(c)
	storm, calm := context.WithCancel(c)
	ended := make(chan struct{}, 2)
	for w := range 2 {
		go func() {
			defer func() { ended <- struct{}{} }()
			for i := 0; storm.Err() == nil; i++ {
				busy.InsertOne(storm, bson.D{{Key: "_id", Value: 2*i + w}})
				rare.InsertOne(storm, bson.D{{Key: "_id", Value: 2*i + w + 10}})
			}
		}()
	}
	go func() {
		for n := range 50 {
			if n == 25 {
				calm() // the rest without other writes that could wake the stream
				<-ended
				<-ended
			}
			time.Sleep(5 * time.Millisecond) // mostly, the stream waits by then
			rare.UpdateOne(c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}})
		}
	}()
	for n := range 50 {
		if !s.Next(c) {
			t.Fatal(s.Err())
		}
		if got := s.Current.Lookup("updateDescription", "updatedFields", "n").AsInt64(); got != int64(n) {
			t.Fatalf("event of update %d, want %d", got, n)
		}
	}
}
