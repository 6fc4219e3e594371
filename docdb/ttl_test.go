package docdb_test

import (
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// TestTimeToLive has documents expire by indexes of every form, and no others: 100 seconds after a date of two minutes ago is over.
func TestTimeToLive(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{TTLInterval: 20 * time.Millisecond, Log: t.Logf})
	must(t, err)
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	t.Cleanup(func() {
		client.Disconnect(t.Context())
		db.Close()
	})
	d := func(e ...bson.E) bson.D { return append(bson.D{}, e...) }
	e := func(k string, v any) bson.E { return bson.E{Key: k, Value: v} }
	old, young, coming := time.Now().Add(-2*time.Minute), time.Now(), time.Now().Add(time.Hour)
	app := client.Database("app")
	for name, c := range map[string]struct {
		key  bson.D
		set  func(*options.IndexOptionsBuilder)
		docs bson.A // those with gone: true have to go
		make *options.CreateCollectionOptionsBuilder
	}{
		"in a capped collection": {key: d(e("at", 1)), make: options.CreateCollection().SetCapped(true).SetSizeInBytes(65536), docs: bson.A{d(e("at", old), e("gone", true)), d(e("at", young))}},
		"ascending": {key: d(e("at", 1)), docs: bson.A{
			d(e("at", old), e("gone", true)), d(e("at", time.Unix(-5, 0)), e("gone", true)), d(e("at", young)), d(e("at", coming)), d(e("at", "long ago")), d(e("at", 1)), d(e("at", nil)), d(), d(e("at", bson.Timestamp{T: 1})),
			d(e("at", bson.A{coming, old}), e("gone", true)), d(e("at", bson.A{coming, young})), d(e("at", bson.A{1, "x"})), d(e("at", bson.A{})), d(e("at", bson.A{"x", old}), e("gone", true)),
		}},
		"descending": {key: d(e("at", -1)), docs: bson.A{d(e("at", old), e("gone", true)), d(e("at", young)), d(e("at", "x")), d(e("at", bson.A{young, old}), e("gone", true))}},
		"a path":     {key: d(e("a.at", 1)), docs: bson.A{d(e("a", d(e("at", old))), e("gone", true)), d(e("a", d(e("at", young)))), d(e("a", bson.A{d(e("at", young)), d(e("at", old))}), e("gone", true)), d(e("a", bson.A{d(), 1}))}},
		"at once":    {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetExpireAfterSeconds(0) }, docs: bson.A{d(e("at", young), e("gone", true)), d(e("at", coming))}},
		"partial": {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetPartialFilterExpression(d(e("done", true))) },
			docs: bson.A{d(e("at", old), e("done", true), e("gone", true)), d(e("at", old), e("done", false)), d(e("at", old))}},
		"sparse": {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetSparse(true) }, docs: bson.A{d(e("at", old), e("gone", true)), d()}},
		"hidden": {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetHidden(true) }, docs: bson.A{d(e("at", old), e("gone", true)), d()}},
		"unique": {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetUnique(true) }, docs: bson.A{d(e("at", old), e("gone", true)), d(e("at", young))}},
		"with a collation": {key: d(e("at", 1)), set: func(o *options.IndexOptionsBuilder) { o.SetCollation(&options.Collation{Locale: "en", Strength: 1}) },
			docs: bson.A{d(e("at", old), e("gone", true)), d(e("at", "x"))}},
	} {
		t.Run(name, func(t *testing.T) {
			coll := app.Collection(name)
			if c.make != nil {
				must(t, app.CreateCollection(t.Context(), name, c.make))
			}
			stream, err := coll.Watch(t.Context(), mongo.Pipeline{})
			must(t, err)
			defer stream.Close(t.Context())
			o := options.Index().SetExpireAfterSeconds(100)
			if c.set != nil {
				c.set(o)
			}
			_, err = coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: c.key, Options: o})
			must(t, err)
			_, err = coll.InsertMany(t.Context(), []any(c.docs))
			must(t, err)
			// Every document that goes is told of as an ordinary deletion.
			goes := 0
			for _, doc := range c.docs {
				if slices.ContainsFunc(doc.(bson.D), func(e bson.E) bool { return e.Key == "gone" }) {
					goes++
				}
			}
			for n := 0; n < goes; {
				if !stream.Next(t.Context()) {
					t.Fatal(stream.Err())
				}
				if stream.Current.Lookup("operationType").StringValue() == "delete" {
					n++
				}
			}
			time.Sleep(60 * time.Millisecond) // another round
			left, err := coll.CountDocuments(t.Context(), d())
			must(t, err)
			wrong, err := coll.CountDocuments(t.Context(), d(e("gone", true)))
			must(t, err)
			if int(left) != len(c.docs)-goes || wrong != 0 {
				t.Errorf("%d documents are left, want %d; %d of them had to go", left, len(c.docs)-goes, wrong)
			}
		})
	}
	t.Run("changed", func(t *testing.T) {
		coll := app.Collection("changed")
		_, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: d(e("at", 1)), Options: options.Index().SetExpireAfterSeconds(100_000)})
		must(t, err)
		_, err = coll.InsertOne(t.Context(), d(e("at", old)))
		must(t, err)
		time.Sleep(60 * time.Millisecond)
		if n, err := coll.CountDocuments(t.Context(), d()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		must(t, app.RunCommand(t.Context(), d(e("collMod", "changed"), e("index", d(e("keyPattern", d(e("at", 1))), e("expireAfterSeconds", 50))))).Err())
		for n := int64(1); n > 0; time.Sleep(5 * time.Millisecond) {
			n, err = coll.CountDocuments(t.Context(), d())
			must(t, err)
		}
	})
}
