package sdk

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

type cat struct {
	ID    any    `bson:"_id,omitempty"`
	Owner string `bson:"owner_id"`
	Name  string `bson:"name"`
	Age   int    `bson:"age"`
	Tags  []int  `bson:"tags,omitempty"`
}

// TestCollection walks through every operation of a collection.
func TestCollection(t *testing.T) {
	s := start(t)
	app := open(t, shopID, s.URL)
	user := register(t, app, "ada@example.com")
	cats := realm.CollectionOf[cat](user.MongoClient("mongodb-atlas").Database("shop"), "cats")
	ctx := t.Context()
	me := user.ID()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	names := func(list []cat) (out []string) {
		for _, c := range list {
			out = append(out, c.Name)
		}
		return out
	}

	one, err := cats.InsertOne(ctx, cat{Owner: me, Name: "Tom", Age: 3})
	check("InsertOne", err)
	if _, ok := one.InsertedID.(bson.ObjectID); !ok {
		t.Errorf("InsertedID %T", one.InsertedID)
	}
	many, err := cats.InsertMany(ctx, []cat{{ID: int32(7), Owner: me, Name: "Kit", Age: 1, Tags: []int{1, 2, 3}}, {ID: "felix", Owner: me, Name: "Felix", Age: 9}})
	check("InsertMany", err)
	check("InsertedIDs", equal(many.InsertedIDs, []any{7, "felix"}))
	_, err = cats.InsertOne(ctx, cat{ID: "felix", Owner: me})
	want(t, "a second Felix", err, realm.ErrMongoDB)

	all, err := cats.Find(ctx, nil)
	check("Find", err)
	check("Find", equal(names(all), []string{"Tom", "Kit", "Felix"}))
	some, err := cats.Find(ctx, bson.M{"age": bson.M{"$gt": 0}}, realm.FindOptions{Sort: bson.D{{Key: "age", Value: -1}, {Key: "name", Value: 1}}, Limit: 2, Projection: bson.M{"name": 1}})
	check("Find with options", err)
	check("Find with options", equal(some, []cat{{ID: "felix", Name: "Felix"}, {ID: one.InsertedID, Name: "Tom"}}))
	none, err := cats.Find(ctx, bson.M{"name": "Nobody"})
	if err != nil || none == nil || len(none) != 0 {
		t.Errorf("Find of nothing: %v, %v", none, err)
	}
	tom, err := cats.FindOne(ctx, bson.M{"_id": one.InsertedID})
	check("FindOne", err)
	check("FindOne", equal(tom, cat{ID: one.InsertedID, Owner: me, Name: "Tom", Age: 3}))
	_, err = cats.FindOne(ctx, bson.M{"name": "Nobody"})
	want(t, "FindOne of nothing", err, realm.ErrNoDocuments)
	n, err := cats.Count(ctx, bson.M{"age": bson.M{"$gte": 3}})
	check("Count", err)
	check("Count", equal(n, 2))
	n, err = cats.Count(ctx, nil, realm.CountOptions{Limit: 1})
	check("Count with a limit", err)
	check("Count with a limit", equal(n, 1))

	up, err := cats.UpdateOne(ctx, bson.M{"name": "Tom"}, bson.M{"$set": bson.M{"age": 4}})
	check("UpdateOne", err)
	check("UpdateOne", equal(up, realm.UpdateResult{MatchedCount: 1, ModifiedCount: 1}))
	up, err = cats.UpdateOne(ctx, bson.M{"_id": "new"}, bson.M{"$set": bson.M{"owner_id": me, "name": "New"}}, realm.UpdateOptions{Upsert: true})
	check("an upsert", err)
	check("an upsert", equal(up, realm.UpdateResult{UpsertedID: "new"}))
	up, err = cats.UpdateMany(ctx, nil, bson.M{"$inc": bson.M{"age": 1}})
	check("UpdateMany", err)
	check("UpdateMany", equal(up, realm.UpdateResult{MatchedCount: 4, ModifiedCount: 4}))
	_, err = cats.UpdateOne(ctx, bson.M{"_id": 7}, bson.M{"$set": bson.M{"tags.$[x]": 9}}, realm.UpdateOptions{ArrayFilters: []any{bson.M{"x": bson.M{"$gte": 2}}}})
	check("array filters", err)
	kit, err := cats.FindOne(ctx, bson.M{"_id": 7})
	check("array filters", err)
	check("array filters", equal(kit.Tags, []int{1, 9, 9}))

	before, err := cats.FindOneAndUpdate(ctx, bson.M{"_id": 7}, bson.M{"$set": bson.M{"name": "Kitty"}})
	check("FindOneAndUpdate", err)
	check("FindOneAndUpdate", equal(before.Name, "Kit"))
	after, err := cats.FindOneAndUpdate(ctx, nil, bson.M{"$set": bson.M{"name": "Oldest"}}, realm.FindOneAndUpdateOptions{Sort: bson.M{"age": -1}, ReturnNewDocument: true, Projection: bson.M{"name": 1}})
	check("FindOneAndUpdate with options", err)
	check("FindOneAndUpdate with options", equal(after, cat{ID: "felix", Name: "Oldest"}))
	_, err = cats.FindOneAndUpdate(ctx, bson.M{"_id": "nobody"}, bson.M{"$set": bson.M{"a": 1}})
	want(t, "FindOneAndUpdate of nothing", err, realm.ErrNoDocuments)
	replaced, err := cats.FindOneAndReplace(ctx, bson.M{"_id": "felix"}, cat{Owner: me, Name: "Felix II"}, realm.FindOneAndUpdateOptions{ReturnNewDocument: true})
	check("FindOneAndReplace", err)
	check("FindOneAndReplace", equal(replaced, cat{ID: "felix", Owner: me, Name: "Felix II"}))
	up, err = cats.ReplaceOne(ctx, bson.M{"_id": "felix"}, cat{Owner: me, Name: "Felix III", Age: 2})
	check("ReplaceOne", err)
	check("ReplaceOne", equal(up, realm.UpdateResult{MatchedCount: 1, ModifiedCount: 1}))
	gone, err := cats.FindOneAndDelete(ctx, bson.M{"_id": "new"})
	check("FindOneAndDelete", err)
	check("FindOneAndDelete", equal(gone.Name, "New"))

	type total struct {
		Sum int `bson:"sum"`
	}
	totals, err := realm.AggregateAs[total](ctx, cats, bson.A{bson.M{"$group": bson.M{"_id": nil, "sum": bson.M{"$sum": 1}}}})
	check("Aggregate", err)
	check("Aggregate", equal(totals, []total{{3}}))
	values, err := cats.Distinct(ctx, "name", bson.M{"age": bson.M{"$gt": 0}})
	check("Distinct", err)
	check("Distinct", equal(len(values), 3))
	bulk, err := cats.BulkWrite(ctx, []realm.BulkOperation{
		realm.BulkInsertOne{Document: cat{ID: "bulk", Owner: me, Name: "Bulk"}},
		realm.BulkUpdateOne{Filter: bson.M{"_id": "bulk"}, Update: bson.M{"$set": bson.M{"age": 1}}},
		realm.BulkReplaceOne{Filter: bson.M{"_id": "up"}, Replacement: cat{Owner: me, Name: "Up"}, Upsert: true},
		realm.BulkUpdateMany{Filter: bson.M{"age": bson.M{"$gt": 100}}, Update: bson.M{"$set": bson.M{"age": 1}}},
		realm.BulkDeleteOne{Filter: bson.M{"_id": "bulk"}},
		realm.BulkDeleteMany{Filter: bson.M{"_id": "nobody"}},
	})
	check("BulkWrite", err)
	check("BulkWrite", equal(bulk, realm.BulkWriteResult{InsertedCount: 1, MatchedCount: 1, ModifiedCount: 1, DeletedCount: 1, UpsertedCount: 1,
		InsertedIDs: []any{"bulk"}, UpsertedIDs: []realm.BulkUpsert{{Index: 2, ID: "up"}}}))

	// Somebody else sees nothing of it, and cannot pretend.
	eve := register(t, open(t, shopID, s.URL), "eve@example.com")
	hers := realm.CollectionOf[cat](eve.MongoClient("mongodb-atlas").Database("shop"), "cats")
	n, err = hers.Count(ctx, nil)
	check("another user's count", err)
	check("another user's count", equal(n, 0))
	_, err = hers.InsertOne(ctx, cat{Owner: me, Name: "Forged"})
	var e *realm.Error
	if !errors.As(err, &e) || e.StatusCode < 400 || e.StatusCode >= 500 {
		t.Errorf("inserting for somebody else: %v", err)
	}

	del, err := cats.DeleteOne(ctx, bson.M{"name": "Up"})
	check("DeleteOne", err)
	check("DeleteOne", equal(del.DeletedCount, 1))
	del, err = cats.DeleteMany(ctx, nil)
	check("DeleteMany", err)
	check("DeleteMany", equal(del.DeletedCount, 3))

	_, err = user.MongoClient("nonsense").Database("shop").Collection("cats").Find(ctx, nil)
	want(t, "a service that does not exist", err, realm.ErrServiceNotFound)
	_, err = cats.Find(ctx, bson.M{"$who": 1})
	want(t, "an unknown operator", err, realm.ErrMongoDB)
	_, err = user.MongoClient("mongodb-atlas").Database("shop").Collection("secrets").InsertOne(ctx, bson.M{"a": 1})
	if !errors.As(err, &e) || e.StatusCode < 400 || e.StatusCode >= 500 {
		t.Errorf("a collection without rules: %v", err)
	}
}

// TestFunctionValues sends every type through the server's JavaScript and back.
func TestFunctionValues(t *testing.T) {
	s := start(t)
	user := logIn(t, open(t, shopID, s.URL), realm.Anonymous())
	id := bson.NewObjectID()
	decimal, err := bson.ParseDecimal128("1.10")
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"int32": int32(5), "int64": int64(5), "double": 1.5, "whole double": float64(2), "string": "é\n\"%25", "bool": true, "null": nil,
		"ObjectID": id, "date": bson.DateTime(1700000000123), "decimal": decimal, "binary": bson.Binary{Subtype: 0, Data: []byte{1, 2}},
		"uuid": bson.Binary{Subtype: 4, Data: make([]byte, 16)}, "regex": bson.Regex{Pattern: "^a.b$", Options: "i"}, "timestamp": bson.Timestamp{T: 1, I: 2},
		"min key": bson.MinKey{}, "max key": bson.MaxKey{}, "document": bson.M{"a": bson.M{"b": int64(1)}}, "array": bson.A{int32(1), "x", nil, bson.A{}},
	} {
		got, err := user.CallFunction(t.Context(), "echo", v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, errA := bson.Marshal(bson.M{"v": got})
		b, errB := bson.Marshal(bson.M{"v": v})
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s: sent %#v, got %#v", name, v, got)
		}
	}
	nothing, err := user.CallFunction(t.Context(), "echo")
	if err != nil || nothing != nil {
		t.Errorf("undefined: %v, %v", nothing, err)
	}
	sum, err := user.CallFunction(t.Context(), "sum", int64(2), int64(3))
	if err != nil || sum != int64(5) {
		t.Errorf("2L + 3L: %T %v, %v", sum, sum, err)
	}
	_, err = user.CallFunction(t.Context(), "fail")
	want(t, "a function that throws", err, realm.ErrFunctionExecution)
	_, err = user.CallFunction(t.Context(), "nonsense")
	want(t, "a function that does not exist", err, realm.ErrFunctionNotFound)
	if _, err = user.CallFunction(t.Context(), "secretly"); err == nil {
		t.Error("a private function was called")
	}
}
