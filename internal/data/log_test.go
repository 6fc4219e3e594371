package data_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"regent/internal/data"
)

// TestTheLogExplains: at level debug the log of an operation tells what Explain tells,
// and counts documents, roles and fields.
func TestTheLogExplains(t *testing.T) {
	w := newWorld(t, engines["docdb"])
	var out bytes.Buffer
	level := slog.LevelDebug
	w.config = func(c *data.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level}))
	}
	w.rules("c", `{"roles": [
		{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true},
		{"name": "shared", "apply_when": {"shared": {"$exists": true}}, "fields": {"title": {"read": true}, "sub": {"fields": {"a": {"read": true}}}}}]}`)
	w.have("c", `{"_id": 1, "owner_id": "u1"}`, `{"_id": 2, "shared": 1, "title": "t", "sub": {"a": 1, "b": 2}}`, `{"_id": 3, "shared": 1, "pin": 1}`, `{"_id": 4, "owner_id": "u2"}`)
	last := func() (line struct {
		Msg, Action, Service, Namespace, User, Explanation, Error, Cause string
		Documents, Hidden                                                int
		FieldsStripped                                                   int `json:"fields_stripped"`
		Roles                                                            map[string]int
	}) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
			t.Fatal(err)
		}
		return line
	}
	if _, err := w.do("u1", "find", "c", `{"sort": {"_id": 1}}`); err != nil {
		t.Fatal(err)
	}
	l := last()
	if l.Msg != "data" || l.Action != "find" || l.Service != "mongodb-atlas" || l.Namespace != w.db+".c" || l.User != "u1" {
		t.Errorf("%+v", l)
	}
	// Document 4 stays in the database; of 3 nothing is left; 2 loses _id, shared and sub.b, 3 _id, shared and pin.
	if l.Documents != 3 || l.Hidden != 1 || l.FieldsStripped != 6 || l.Roles["owner"] != 1 || l.Roles["shared"] != 2 {
		t.Errorf("documents %d, hidden %d, stripped %d, roles %v", l.Documents, l.Hidden, l.FieldsStripped, l.Roles)
	}
	for _, want := range []string{`role "owner": apply_when is true: owner_id = %%user.id`, `field sub.a: read is true by fields.sub.fields.a`, `field sub.b: read is false by fields.sub.fields, which does not list it`} {
		if !strings.Contains(l.Explanation, want) {
			t.Errorf("the log does not say %q:\n%s", want, l.Explanation)
		}
	}
	if _, err := w.do("u1", "updateOne", "c", `{"query": {"_id": 2}, "update": {"$set": {"title": "u"}}}`); err == nil {
		t.Fatal("permitted")
	}
	// The client is told that it is refused, the operator why.
	if l := last(); !strings.Contains(l.Error, "update not permitted") || !strings.Contains(l.Cause, `role "shared"`) || !strings.Contains(l.Explanation, "field title: write is false by fields.title") {
		t.Errorf("%+v", l)
	}
}
