package data

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"pgregory.net/rapid"

	"regent/docdb"
)

// TestImage makes the documents after random updates of those before them and of
// what their events tell.
func TestImage(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	unjournaled := false
	client, err := mongo.Connect(db.ClientOptions().SetWriteConcern(&writeconcern.WriteConcern{W: 1, Journal: &unjournaled}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	c := &collection{Collection: client.Database("d").Collection("c"), key: collectionKey{"s", "d", "c"}}
	c.keepPreImages(t.Context())
	stream, err := c.upstream(t.Context(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(context.Background())
	next := func(t *rapid.T) *changeEvent {
		if !stream.Next(context.Background()) {
			t.Fatal(stream.Err())
		}
		return readEvent(append(bson.Raw(nil), stream.Current...))
	}
	id := 0
	rapid.Check(t, func(t *rapid.T) {
		id++
		document := func(what string) bson.D {
			d := bson.D{{Key: "_id", Value: id}, {Key: "more", Value: "a text that makes the document so long that a change of the rest is told as an update"}}
			return append(d, drawn(t, what, 3).(bson.D)...)
		}
		if _, err := c.InsertOne(context.Background(), document("before")); err != nil {
			t.Fatal(err)
		}
		next(t)
		after := document("after")
		res, err := c.UpdateOne(context.Background(), bson.D{{Key: "_id", Value: id}}, mongo.Pipeline{{{Key: "$replaceWith", Value: bson.D{{Key: "$literal", Value: after}}}}}, options.UpdateOne())
		if err != nil {
			t.Fatal(err)
		}
		if res.ModifiedCount == 0 {
			return
		}
		e := next(t)
		if e.op != "update" {
			return
		}
		// The order of fields is that of the document before; values count.
		var got bson.M
		if err := bson.Unmarshal(e.image(), &got); err != nil {
			t.Fatalf("%s\nand %s: %v", e.before, e.description, err)
		}
		text, _ := bson.Marshal(after)
		if !sameFields(e.image(), text) {
			t.Fatalf("%s\nand %s\ngive %s\nwant %s", e.before, e.description, e.image(), bson.Raw(text))
		}
	})
}

// drawn draws a document at the top, any value below.
func drawn(t *rapid.T, what string, depth int) any {
	kind := 0
	if depth < 3 {
		kind = rapid.IntRange(0, 3).Draw(t, what+" kind")
	}
	switch {
	case kind == 0 && depth > 0:
		d := bson.D{}
		for _, name := range []string{"a", "b", "0", "1"} {
			if rapid.Bool().Draw(t, what+" has") {
				d = append(d, bson.E{Key: name, Value: drawn(t, what, depth-1)})
			}
		}
		return d
	case kind == 1 && depth > 0:
		a := bson.A{}
		for range rapid.IntRange(0, 4).Draw(t, what+" elements") {
			a = append(a, drawn(t, what, depth-1))
		}
		return a
	}
	return int32(rapid.IntRange(0, 2).Draw(t, what))
}

// sameFields compares documents without regard to the order of fields.
func sameFields(a, b bson.Raw) bool {
	x, errA := a.Elements()
	y, errB := b.Elements()
	if errA != nil || errB != nil || len(x) != len(y) {
		return false
	}
	for _, e := range x {
		v, w := e.Value(), b.Lookup(e.Key())
		nested := v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray
		if v.Type != w.Type || nested && !sameFields(v.Value, w.Value) || !nested && !v.Equal(w) {
			return false
		}
	}
	return true
}

// TestImageOfAnotherDocument: changes that do not fit say so.
func TestImageOfAnotherDocument(t *testing.T) {
	marshal := func(d bson.D) bson.Raw {
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	doc := marshal(bson.D{{Key: "a", Value: 1}, {Key: "l", Value: bson.A{1}}})
	for _, d := range []bson.D{
		{{Key: "updatedFields", Value: bson.D{{Key: "a.b", Value: 1}}}},
		{{Key: "updatedFields", Value: bson.D{{Key: "x.b", Value: 1}}}},
		{{Key: "updatedFields", Value: bson.D{{Key: "l.3", Value: 1}}}},
		{{Key: "updatedFields", Value: bson.D{{Key: "l.x", Value: 1}}}},
		{{Key: "truncatedArrays", Value: bson.A{bson.D{{Key: "field", Value: "a"}, {Key: "newSize", Value: 1}}}}},
	} {
		c, err := readChanges(marshal(d))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.applyTo(doc); !errors.Is(err, errElsewhere) {
			t.Errorf("%v gives %s, %v", d, got, err)
		}
	}
	if _, err := readChanges(marshal(bson.D{{Key: "truncatedArrays", Value: bson.A{bson.D{{Key: "field", Value: "a"}, {Key: "newSize", Value: -1}}}}})); err == nil {
		t.Error("a negative size is read")
	}
}
