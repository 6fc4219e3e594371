package regent_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"regent"
)

// files are the places of an app directory whose content a fuzzer replaces.
var files = []string{
	"realm_config.json", "root_config.json", "auth/providers.json", "auth/custom_user_data.json",
	"data_sources/mongodb-atlas/config.json", "data_sources/mongodb-atlas/todo/items/rules.json", "data_sources/mongodb-atlas/todo/items/schema.json",
	"data_sources/mongodb-atlas/todo/items/relationships.json", "data_sources/mongodb-atlas/default_rule.json", "functions/config.json", "functions/summary.js", "functions/package.json",
	"values/greeting.json", "environments/production.json", "hosting/config.json", "hosting/metadata.json", "regent.json",
	"http_endpoints/config.json", "triggers/t.json", "services/gcm/config.json", "services/gcm/rules/r.json", "sync/config.json", "graphql/config.json",
}

// FuzzCheck: whatever any file of a directory holds, check reports and never
// panics.
func FuzzCheck(f *testing.F) {
	for i, name := range files {
		text, err := os.ReadFile(filepath.Join("examples", "todo", name))
		if err != nil {
			text = []byte(`{"name":"x","roles":[{"apply_when":{"%or":[{"%%user.id":{"$in":[1]}}]}}]}`)
		}
		f.Add(uint8(i), text)
		if len(text) > 10 {
			f.Add(uint8(i), text[:len(text)/2])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, content []byte) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", "todo"))); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, files[int(which)%len(files)])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
		problems, _, err := regent.Check(dir, "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if p.Message == "" || p.File == "" {
				t.Errorf("a problem without words or file: %+v", p)
			}
		}
	})
}

// What the reader of the files and the compiler of rules both see is told by one
// of them.
func TestCheckSaysThingsOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("examples", "todo"))); err != nil {
		t.Fatal(err)
	}
	text := `{"database": "todo", "collection": "profiles", "roles": [
		{"name": "self", "read": true, "additional_fields": {"read": true, "raed": true}},
		{"name": "other", "apply_when": null, "read": true, "fields": {"a": {"raed": true}}, "aply_when": {}}]}`
	if err := os.WriteFile(filepath.Join(dir, "data_sources/mongodb-atlas/todo/profiles/rules.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data_sources/mongodb-atlas/todo/items/rules.json"), []byte(`{"database": "todo", "collection": "items"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	problems, _, err := regent.Check(dir, "", "")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, p := range problems {
		told[p.Path]++
	}
	want := map[string]int{"$": 1, "$.roles[0]": 1, "$.roles[0].additional_fields.raed": 1, "$.roles[1]": 1, "$.roles[1].fields.a.raed": 1, "$.roles[1].aply_when": 1}
	if !maps.Equal(told, want) {
		t.Errorf("told %v, want %v: %v", told, want, problems)
	}
}

// TestCheckExamples: the examples have no problems.
func TestCheckExamples(t *testing.T) {
	for _, dir := range []string{"examples/todo", "test/e2e/testdata/providers"} {
		t.Setenv("REGENT_SECRET_jwtKey", "0123456789012345678901234567890123456789")
		t.Setenv("REGENT_SECRET_shopCode", "x")
		problems, _, err := regent.Check(dir, "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", dir, p)
		}
	}
}
