package data_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/data"
)

// BenchmarkFindOne compares findOne by _id under an owner rule with the same
// through the driver alone.
func BenchmarkFindOne(b *testing.B) {
	w := newWorld(b, engines["docdb"])
	w.rules("c", ownerRules)
	docs := make([]any, 10_000)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "owner_id", Value: "u1"}, {Key: "title", Value: "a title of some length"}, {Key: "done", Value: false}}
	}
	coll := w.client.Database(w.db).Collection("c")
	if _, err := coll.InsertMany(b.Context(), docs); err != nil {
		b.Fatal(err)
	}
	s, c := w.start(), w.caller("u1")
	arg := w.argument("c", `{"query": {"_id": 5000}}`)
	filter := parse(b, `{"_id": 5000}`).Document()
	b.Run("driver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := coll.FindOne(b.Context(), filter).Raw(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v, err := s.Do(b.Context(), c, "mongodb-atlas", "findOne", arg); err != nil || v.Type != bson.TypeEmbeddedDocument {
				b.Fatal(v, err)
			}
		}
	})
}

func benchService(b *testing.B, rules, schema string) (*world, *data.Service) {
	w := newWorld(b, engines["docdb"])
	w.rules("c", rules)
	if schema != "" {
		w.schema("c", schema)
	}
	return w, w.start()
}

// BenchmarkFind100 finds 100 documents under field permissions.
func BenchmarkFind100(b *testing.B) {
	w, s := benchService(b, `{"roles": [{"name": "r", "apply_when": {}, "fields": {"_id": {"read": true}, "title": {"read": true}, "sub": {"fields": {"a": {"read": true}}}}}]}`, "")
	for i := range 100 {
		w.have("c", fmt.Sprintf(`{"_id": %d, "title": "a title", "pin": 5, "sub": {"a": 1, "b": 2}, "text": "some more text that nobody sees"}`, i))
	}
	c, arg := w.caller("u1"), w.argument("c", "{}")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Do(b.Context(), c, "mongodb-atlas", "find", arg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInsertOne inserts under rules and a schema.
func BenchmarkInsertOne(b *testing.B) {
	w, s := benchService(b, ownerRules, `{"bsonType": "object", "required": ["owner_id"], "properties": {"owner_id": {"bsonType": "string"}, "title": {"bsonType": "string", "maxLength": 100}, "n": {"bsonType": "int"}}}`)
	c, arg := w.caller("u1"), w.argument("c", `{"document": {"owner_id": "u1", "title": "a title", "n": 5}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Do(b.Context(), c, "mongodb-atlas", "insertOne", arg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdateOne changes a document: in one command where the roles allow
// any change, and with the documents before and after judged in a transaction.
func BenchmarkUpdateOne(b *testing.B) {
	for name, rules := range map[string]string{
		"direct": ownerRules,
		"judged": `{"roles": [{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": {"%%prevRoot.owner_id": "%%root.owner_id"}}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			w, s := benchService(b, rules, "")
			w.have("c", `{"_id": 1, "owner_id": "u1", "n": 0}`)
			c, arg := w.caller("u1"), w.argument("c", `{"query": {"_id": 1}, "update": {"$inc": {"n": 1}}}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Do(context.Background(), c, "mongodb-atlas", "updateOne", arg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMillion finds the ten documents of one owner among a million, by the
// owner rule alone, with an index on owner_id.
func BenchmarkMillion(b *testing.B) {
	w, s := benchService(b, ownerRules, "")
	coll := w.collection("c")
	const batch = 10_000
	for n := 0; n < 1_000_000; n += batch {
		docs := make([]any, batch)
		for i := range docs {
			docs[i] = bson.D{{Key: "_id", Value: n + i}, {Key: "owner_id", Value: fmt.Sprintf("u%d", (n+i)%100_000)}, {Key: "title", Value: "a title of some length"}}
		}
		if _, err := coll.InsertMany(b.Context(), docs); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := coll.Indexes().CreateOne(b.Context(), mongo.IndexModel{Keys: bson.D{{Key: "owner_id", Value: 1}}}); err != nil {
		b.Fatal(err)
	}
	c := w.caller("u500")
	for _, action := range []string{"find", "count"} {
		b.Run(action, func(b *testing.B) {
			arg := w.argument("c", "{}")
			for b.Loop() {
				v, err := s.Do(b.Context(), c, "mongodb-atlas", action, arg)
				if err != nil || action == "find" && len(mustValues(b, v)) != 10 {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// TestOwnerRuleUsesTheIndex: what the rules add to a query is answered by an
// index on the field that they compare.
func TestOwnerRuleUsesTheIndex(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", ownerRules)
		docs := make([]any, 3000)
		for i := range docs {
			docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "owner_id", Value: fmt.Sprintf("u%d", i%1000)}}
		}
		if _, err := w.collection("c").InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		if _, err := w.collection("c").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "owner_id", Value: 1}}}); err != nil {
			t.Fatal(err)
		}
		w.start()
		x, err := w.service.Explain(t.Context(), w.caller("u7"), data.ExplainRequest{Service: "mongodb-atlas", Database: w.db, Collection: "c", Operation: "find"})
		if err != nil {
			t.Fatal(err)
		}
		command := bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: parse(t, x.Filter)}}}, {Key: "verbosity", Value: "executionStats"}}
		plan, err := client.Database(w.db).RunCommand(t.Context(), command).Raw()
		if err != nil {
			t.Fatal(err)
		}
		examined, ok := plan.Lookup("executionStats", "totalDocsExamined").AsInt64OK()
		if !ok || examined > 3 || !strings.Contains(plan.String(), "IXSCAN") {
			t.Errorf("%d documents examined by %s", examined, plan)
		}
	})
}
