package data_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/data"
	"regent/internal/fault"
)

// TestAttack20SizeAndDepth: much of everything takes bounded time and gives a
// clear error (rules-attacks.md 20).
func TestAttack20SizeAndDepth(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.config = func(c *data.Config) { c.Limits.FindDocuments = 50; c.Limits.WriteDocuments = 40 }
	var roles []string
	for i := range 1000 {
		roles = append(roles, fmt.Sprintf(`{"name": "r%d", "apply_when": {"group": "g%d"}, "read": true, "write": true}`, i, i))
	}
	w.rules("many", `{"roles": [`+strings.Join(roles, ",")+`]}`)
	w.rules("c", `{"roles": [{"name": "r", "apply_when": {}, "read": true, "write": true}]}`)
	// Field permissions make the conditions of 1,000 roles exclude each other.
	w.rules("fields", `{"roles": [`+strings.ReplaceAll(strings.Join(roles, ","), `"read": true, "write": true`, `"fields": {"_id": {"read": true}}`)+`]}`)
	w.have("fields", `{"_id": 1, "group": "g999"}`, `{"_id": 2, "group": "none"}`)
	w.have("many", `{"_id": 1, "group": "g999"}`, `{"_id": 2, "group": "none"}`)
	for i := range 60 {
		w.have("c", fmt.Sprintf(`{"_id": %d}`, i))
	}
	start := time.Now()
	if v, err := w.do("u1", "find", "many", "{}"); err != nil || len(mustValues(t, v)) != 1 {
		t.Error(v, err)
	}
	if v, err := w.do("u1", "find", "fields", "{}"); err != nil || len(mustValues(t, v)) != 1 {
		t.Error(v, err)
	}
	terms := `{"$or": [` + strings.Repeat(`{"_id": -1},`, 10_000) + `{"_id": 3}]}`
	if v, err := w.do("u1", "find", "c", `{"query": `+terms+`}`); err != nil || len(mustValues(t, v)) != 1 {
		t.Error("10,000 terms:", err)
	}
	refused := func(name, want string, err error) {
		t.Helper()
		var f *fault.Error
		if !errors.As(err, &f) || !strings.Contains(f.Message, want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	nest := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	_, err := w.do("u1", "find", "c", `{"limit": 1, "query": `+nest(`{"$and": [`, `{}`, `]}`, 90)+`}`)
	if err != nil && !strings.Contains(err.Error(), "nest") {
		t.Error(err)
	}
	deep := nestedDocument(150, "$and")
	_, err = w.start().Do(t.Context(), w.caller("u1"), "mongodb-atlas", "find", bsonOf(bson.D{{Key: "database", Value: w.db}, {Key: "collection", Value: "c"}, {Key: "query", Value: deep}}))
	refused("a deep query", "nested more than", err)
	_, err = w.start().Do(t.Context(), w.caller("u1"), "mongodb-atlas", "insertOne", bsonOf(bson.D{{Key: "database", Value: w.db}, {Key: "collection", Value: "c"}, {Key: "document", Value: bson.D{{Key: "big", Value: strings.Repeat("x", 17<<20)}}}}))
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("a 17 MB document: %.200v", err)
	}
	_, err = w.do("u1", "find", "c", "{}")
	refused("find", "find_limit", err)
	_, err = w.do("u1", "aggregate", "c", `{"pipeline": []}`)
	refused("aggregate", "find_limit", err)
	_, err = w.do("u1", "updateMany", "c", `{"query": {}, "update": {"a": 1}}`)
	refused("updateMany", "write_max_documents", err)
	docs := strings.TrimSuffix(strings.Repeat("{},", 41), ",")
	_, err = w.do("u1", "insertMany", "c", `{"documents": [`+docs+`]}`)
	refused("insertMany", "write_max_documents", err)
	stages := strings.TrimSuffix(strings.Repeat(`{"$match": {}},`, 101), ",")
	_, err = w.do("u1", "aggregate", "c", `{"pipeline": [`+stages+`]}`)
	refused("aggregate", "user_pipeline_max_stages", err)
	if v, err := w.do("u1", "find", "c", `{"limit": 50}`); err != nil || len(mustValues(t, v)) != 50 {
		t.Error(err)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("took %v", d)
	}
}

func mustValues(t testing.TB, v bson.RawValue) []bson.RawValue {
	t.Helper()
	if v.Type != bson.TypeArray {
		return nil
	}
	values, err := v.Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func nestedDocument(depth int, key string) bson.D {
	d := bson.D{}
	for range depth {
		d = bson.D{{Key: key, Value: bson.A{d}}}
	}
	return d
}

func bsonOf(v any) bson.Raw {
	b, err := bson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// TestReservedNamespacesAreOutOfReach: nobody reads MongoDB's databases or
// Regent's own, whoever asks (rules-attacks.md 6).
func TestReservedNamespacesAreOutOfReach(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.file("data_sources/mongodb-atlas/default_rule.json", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}]}`)
	s := w.start()
	for _, c := range []caller.Caller{w.caller("u1"), w.caller("sys")} {
		for _, ns := range [][2]string{{"admin", "c"}, {"local", "oplog.rs"}, {"config", "transactions"}, {"__regent", "users"}, {"__regent_x", "c"}, {w.db, "system.views"}, {"a.b", "c"}, {"a$b", "c"}, {"", "c"}, {w.db, ""}} {
			for action := range data.Actions() {
				if strings.HasSuffix(action, "Transaction") || action == "getDBNames" || ns[1] == "" && (action == "getCollectionNames" || action == "dbAggregate") {
					continue
				}
				if ns[1] == "system.views" && (action == "getCollectionNames" || action == "dbAggregate") {
					continue
				}
				_, err := s.Do(t.Context(), c, "mongodb-atlas", action, bsonOf(bson.D{{Key: "database", Value: ns[0]}, {Key: "collection", Value: ns[1]}, {Key: "key", Value: "a"},
					{Key: "document", Value: bson.D{}}, {Key: "documents", Value: bson.A{bson.D{}}}, {Key: "update", Value: bson.D{}}, {Key: "pipeline", Value: bson.A{}}, {Key: "keys", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a"}, {Key: "operations", Value: bson.A{bson.D{{Key: "deleteOne", Value: bson.D{}}}}}}))
				if err == nil {
					t.Errorf("%s of %v works for %v", action, ns, c.System)
				}
			}
			if _, err := s.Watch(t.Context(), c, "mongodb-atlas", bsonOf(bson.D{{Key: "database", Value: ns[0]}, {Key: "collection", Value: ns[1]}}), ""); err == nil {
				t.Errorf("watch of %v works", ns)
			}
		}
	}
	if _, err := s.Do(t.Context(), w.caller("sys"), "other", "find", bsonOf(bson.D{})); err == nil || !strings.Contains(err.Error(), "service not found: 'other'") {
		t.Error(err)
	}
	if _, err := s.Do(t.Context(), w.caller("sys"), "mongodb-atlas", "dbAggregate", bsonOf(bson.D{{Key: "database", Value: w.db}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$documents", Value: bson.A{bson.D{{Key: "a", Value: 1}}}}}}}})); err != nil {
		t.Error(err)
	}
}

// FuzzDo sends arbitrary arguments to every action: errors are for clients, and
// nothing panics.
func FuzzDo(f *testing.F) {
	w := newWorld(f, engines["docdb"])
	w.config = func(c *data.Config) { c.Limits.UserTime = 5 * time.Second }
	w.rules("c", `{"roles": [{"name": "r", "apply_when": {"owner_id": "%%user.id"}, "fields": {"a": {"read": true, "write": true}, "owner_id": {"write": true}, "_id": {"write": true}}}]}`)
	w.have("c", `{"_id": 1, "owner_id": "u1", "a": [1, {"b": 2}], "secret": 1}`)
	s, c := w.start(), w.caller("u1")
	names := []string{}
	for name := range data.Actions() {
		names = append(names, name)
	}
	for i, seed := range []string{
		`{"query": {"a": {"$gt": 1}}, "project": {"a.$": 1}, "sort": {"a": 1}}`, `{"document": {"owner_id": "u1"}}`, `{"query": {}, "update": {"$set": {"a.$[x]": 1}}, "arrayFilters": [{"x": 1}]}`,
		`{"pipeline": [{"$group": {"_id": "$a"}}]}`, `{"operations": [{"updateOne": {"filter": {}, "update": [{"$set": {"a": 1}}]}}]}`, `{"key": "a.b"}`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, action uint8, arg []byte) {
		v, err := parseQuietly(arg)
		if err != nil {
			return
		}
		d, ok := v.DocumentOK()
		if !ok {
			return
		}
		elems, err := d.Elements()
		if err != nil {
			return
		}
		full := bson.D{{Key: "database", Value: w.db}, {Key: "collection", Value: "c"}}
		for _, e := range elems {
			full = append(full, bson.E{Key: e.Key(), Value: e.Value()})
		}
		start := time.Now()
		_, err = s.Do(t.Context(), c, "mongodb-atlas", names[int(action)%len(names)], bsonOf(full))
		if d := time.Since(start); d > time.Minute {
			t.Fatalf("%s %s took %v", names[int(action)%len(names)], arg, d)
		}
		var known *fault.Error
		if err != nil && !errors.As(err, &known) {
			t.Fatalf("%s %s: %v is not for clients", names[int(action)%len(names)], arg, err)
		}
	})
}
