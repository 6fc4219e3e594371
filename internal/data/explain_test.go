package data_test

import (
	"os"
	"strings"
	"testing"

	"regent/internal/caller"
	"regent/internal/data"
)

// TestExplain compares explanations with testdata/explain.txt.
func TestExplain(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	w.db = "db"
	w.user("u1", `{"team": "red"}`)
	w.rules("c", `{"roles": [
		{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": {"%%root.n": {"$lt": 10}}, "delete": false},
		{"name": "team", "apply_when": {"team": "%%user.custom_data.team", "%%true": {"%function": {"name": "isTrue"}}}, "fields": {"title": {"read": true}, "sub": {"fields": {"a": {"write": true}, "deep": {"fields": {"x": {"read": true}}}}}, "dot.ted": {"read": true}}, "additional_fields": {}}],
		"filters": [{"name": "live", "apply_when": {}, "query": {"gone": {"$ne": true}}, "projection": {"pin": 0}}]}`)
	w.rules("f", `{"roles": [{"name": "all", "apply_when": {}, "read": true}], "filters": [{"name": "broken", "apply_when": {"%%true": {"%function": {"name": "throws"}}}, "query": {}}]}`)
	w.rules("s", `{"roles": [{"name": "all", "apply_when": {}, "read": true, "write": true}]}`)
	w.schema("s", `{"bsonType": "object", "required": ["a"], "properties": {"a": {"bsonType": "string"}}}`)
	s := w.start()
	var out strings.Builder
	for _, x := range []struct{ collection, op, doc string }{
		{"c", "find", `{"_id": 1, "owner_id": "u1", "n": 1}`},
		{"c", "find", `{"_id": 1, "owner_id": "u2", "team": "red", "title": "t", "sub": {"a": 1, "b": 2}}`},
		{"c", "find", `{"_id": 1, "owner_id": "u2", "team": "red", "sub": [{"a": 1, "b": 2, "deep": {"x": 1, "y": 2}}], "dot": {"ted": 1, "tid": 2}}`},
		{"c", "find", `{"_id": 1, "owner_id": "u2"}`},
		{"c", "insert", `{"_id": 1, "owner_id": "u1", "n": 11}`},
		{"c", "update", `{"_id": 1, "owner_id": "u1", "n": 11}`},
		{"c", "update", `{"_id": 1, "owner_id": "u2", "team": "red", "title": "t"}`},
		{"c", "delete", `{"_id": 1, "owner_id": "u1"}`},
		{"c", "find", `{"_id": 1, "owner_id": "u1", "pin": 5}`},
		{"c", "find", `{"_id": 1, "owner_id": "u1", "gone": true}`},
		{"c", "update", `{"_id": 1, "owner_id": "u1", "gone": true}`},
		{"c", "find", ""},
		{"f", "find", `{"_id": 1}`},
		{"s", "find", ""},
		{"s", "insert", `{"_id": 1}`},
		{"nothing", "find", `{"_id": 1}`},
	} {
		q := data.ExplainRequest{Service: "mongodb-atlas", Database: "db", Collection: x.collection, Operation: x.op}
		if x.doc != "" {
			q.Document = parse(t, x.doc).Document()
		}
		e, err := s.Explain(t.Context(), w.caller("u1"), q)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("# " + x.doc + "\n" + e.String() + "\n")
	}
	e, err := s.Explain(t.Context(), caller.Caller{System: true}, data.ExplainRequest{Service: "mongodb-atlas", Database: "db", Collection: "c", Operation: "find"})
	if err != nil || !e.Allowed {
		t.Fatal(e, err)
	}
	const file = "testdata/explain.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("UPDATE=1 writes the file anew; got\n%s", out.String())
	}
}
