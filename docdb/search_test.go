package docdb_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestGeoAndText(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("places")
	point := func(x, y float64) bson.D {
		return bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{x, y}}}
	}
	_, err := coll.Indexes().CreateMany(c, []mongo.IndexModel{{Keys: bson.D{{Key: "loc", Value: "2dsphere"}}}, {Keys: bson.D{{Key: "name", Value: "text"}}}})
	must(t, err)
	for i := 0; i < 20; i++ {
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: i}, {Key: "loc", Value: point(float64(i), 0)}, {Key: "name", Value: []string{"coffee shop", "running shoes", "cake"}[i%3]}})
		must(t, err)
	}
	cur, err := coll.Find(c, bson.D{{Key: "loc", Value: bson.D{{Key: "$near", Value: bson.D{{Key: "$geometry", Value: point(5.2, 0)}, {Key: "$maxDistance", Value: 300000}}}}}})
	must(t, err)
	var out []struct {
		ID    int `bson:"_id"`
		Score float64
	}
	must(t, cur.All(c, &out))
	if len(out) != 5 || out[0].ID != 5 || out[1].ID != 6 || out[2].ID != 4 {
		t.Fatal(out)
	}
	cur, err = coll.Find(c, bson.D{{Key: "loc", Value: bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$box", Value: bson.A{bson.A{2.5, -1}, bson.A{4.5, 1}}}}}}}})
	must(t, err)
	must(t, cur.All(c, &out))
	if len(out) != 2 {
		t.Fatal(out)
	}
	meta := bson.D{{Key: "score", Value: bson.D{{Key: "$meta", Value: "textScore"}}}}
	cur, err = coll.Find(c, bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: "run shoe coffee"}}}}, options.Find().SetProjection(meta).SetSort(meta))
	must(t, err)
	must(t, cur.All(c, &out))
	if len(out) != 14 || out[0].ID%3 != 1 || out[0].Score <= out[13].Score {
		t.Fatal(out)
	}
	cur, err = coll.Aggregate(c, mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: "cake"}}}}}}, {{Key: "$sort", Value: meta}}, {{Key: "$project", Value: meta}}})
	must(t, err)
	must(t, cur.All(c, &out))
	if len(out) != 6 || out[0].Score == 0 {
		t.Fatal(out)
	}
}

func TestCollationAndValidator(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	db := client.Database("app")
	coll := db.Collection("users")
	_, err := coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "name", Value: 1}}, Options: options.Index().SetUnique(true).SetCollation(&options.Collation{Locale: "en", Strength: 2})})
	must(t, err)
	_, err = coll.InsertOne(c, bson.D{{Key: "name", Value: "Ann"}})
	must(t, err)
	_, err = coll.InsertOne(c, bson.D{{Key: "name", Value: "ANN"}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Fatal(err)
	}
	if err := coll.FindOne(c, bson.D{{Key: "name", Value: "aNN"}}, options.FindOne().SetCollation(&options.Collation{Locale: "en", Strength: 2})).Err(); err != nil {
		t.Fatal(err)
	}
	if err := coll.FindOne(c, bson.D{{Key: "name", Value: "aNN"}}).Err(); err == nil {
		t.Fatal("found without the collation")
	}
	must(t, db.CreateCollection(c, "strict", options.CreateCollection().SetValidator(bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"n"}}, {Key: "properties", Value: bson.D{{Key: "n", Value: bson.D{{Key: "bsonType", Value: "int"}}}}}}}})))
	_, err = db.Collection("strict").InsertOne(c, bson.D{{Key: "n", Value: 1}})
	must(t, err)
	_, err = db.Collection("strict").InsertOne(c, bson.D{{Key: "n", Value: "x"}})
	if we, ok := err.(mongo.WriteException); !ok || !we.HasErrorCode(121) || we.WriteErrors[0].Details == nil {
		t.Fatalf("%v", err)
	}
	_, err = db.Collection("strict").UpdateOne(c, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1.5}}}})
	if we, ok := err.(mongo.WriteException); !ok || !we.HasErrorCode(121) {
		t.Fatalf("%v", err)
	}
}

func TestMinMax(t *testing.T) {
	_, client := open(t)
	c := ctx(t)
	coll := client.Database("app").Collection("items")
	_, err := coll.Indexes().CreateOne(c, mongo.IndexModel{Keys: bson.D{{Key: "k", Value: -1}}})
	must(t, err)
	for i := 0; i < 10; i++ {
		_, err := coll.InsertOne(c, bson.D{{Key: "_id", Value: i}, {Key: "k", Value: i}})
		must(t, err)
	}
	cur, err := coll.Find(c, bson.D{}, options.Find().SetHint("k_-1").SetMin(bson.D{{Key: "k", Value: 7}}).SetMax(bson.D{{Key: "k", Value: 4}}))
	must(t, err)
	var out []struct {
		ID int `bson:"_id"`
	}
	must(t, cur.All(c, &out))
	if len(out) != 3 || out[0].ID != 7 || out[2].ID != 5 {
		t.Fatal(out)
	}
	_, err = coll.Find(c, bson.D{}, options.Find().SetMin(bson.D{{Key: "k", Value: 7}}))
	if se, ok := err.(mongo.ServerError); !ok || !se.HasErrorCode(51173) {
		t.Fatal(err)
	}
}
