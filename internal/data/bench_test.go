package data_test

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

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
