package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regent/internal/app"
)

// FuzzLoad puts random bytes into one file of a whole directory.
func FuzzLoad(f *testing.F) {
	for i := range 60 {
		f.Add(uint16(i), []byte(`{"name": "x", "type": 5, "roles": [{}]}`))
		f.Add(uint16(i), []byte(`[{"name": null, "config": [[]]}, 1]`))
		f.Add(uint16(i), []byte("\xFF\xFE\x00 exports = "))
	}
	bases := readCases(f, "layout_current", "layout_20180301", "trap15_webhooks_beside_endpoints")
	f.Fuzz(func(t *testing.T, which uint16, data []byte) {
		c := bases[int(which)%len(bases)]
		files := c.files()
		c.change(t, files[int(which)/len(bases)%len(files)], func([]byte) []byte { return data })
		defer c.restore(t)
		loadAnything(t, c)
	})
}

// TestAnyValueAnywhere replaces values in a directory's JSON files by values of
// other types: whatever stands where, loading reports and goes on.
func TestAnyValueAnywhere(t *testing.T) {
	bases := readCases(t, "layout_current", "layout_20180301", "sync_permissions", "trap14_names")
	rapid.Check(t, func(rt *rapid.T) {
		c := bases[rapid.IntRange(0, len(bases)-1).Draw(rt, "base")]
		defer c.restore(rt)
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			c.change(rt, rapid.SampledFrom(c.files()).Draw(rt, "file"), func(text []byte) []byte {
				var v any
				if json.Unmarshal(text, &v) != nil {
					return text
				}
				changed, _ := json.Marshal(replaceOne(rt, v))
				return changed
			})
		}
		loadAnything(rt, c)
	})
}

func readCases(t testing.TB, names ...string) []*testCase {
	t.Helper()
	var cases []*testCase
	for _, name := range names {
		cases = append(cases, readCase(t, filepath.Join("testdata", "load", name+".txtar")))
	}
	return cases
}

// change rewrites a file until restore.
func (c *testCase) change(t failer, name string, f func([]byte) []byte) {
	t.Helper()
	full := filepath.Join(c.dir, filepath.FromSlash(name))
	text, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, again := c.changed[full]; !again {
		c.changed[full] = text
	}
	if err := os.WriteFile(full, f(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *testCase) restore(t failer) {
	t.Helper()
	for name, text := range c.changed {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	clear(c.changed)
}

// replaceOne walks down a random way and puts another value at its end.
func replaceOne(t *rapid.T, v any) any {
	if rapid.IntRange(0, 3).Draw(t, "here") == 0 {
		return rapid.SampledFrom([]any{
			nil, true, "", "text", "true", 0.0, -1.5, 1e300, []any{}, []any{nil}, []any{"a", 1.0}, map[string]any{},
			map[string]any{"name": []any{}}, map[string]any{"$oid": 5.0}, map[string]any{"": map[string]any{}},
			"%(%%environment.values.base)", map[string]any{"$numberLong": "7"},
		}).Draw(t, "value")
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			// Map order is random; the drawn key must not be.
			key := rapid.SampledFrom(sorted(keys)).Draw(t, "key")
			v[key] = replaceOne(t, v[key])
		}
	case []any:
		if len(v) > 0 {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
			v[i] = replaceOne(t, v[i])
		}
	}
	return v
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// loadAnything loads a directory and checks what must hold for any content.
func loadAnything(t failer, c *testCase) {
	t.Helper()
	a, problems, err := app.Load(c.dir, c.opts)
	if err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, p := range problems {
		failed = failed || p.Severity == app.SeverityError
		if p.File == "" || p.Message == "" || p.Path != "" && strings.HasSuffix(p.File, ".json") && p.Line == 0 {
			t.Errorf("a problem without place: %+v", p)
		}
	}
	if a == nil {
		if !failed {
			t.Errorf("no app and no error")
		}
		return
	}
	a.Unserved()
	a.LocateAll(problems)
	for _, d := range a.DataSources {
		for _, col := range d.Collections {
			if col.Schema != nil && col.Schema.Validate() != nil {
				t.Errorf("the schema of %s is no BSON", col.Name)
			}
			if col.Rules == nil {
				continue
			}
			for _, r := range col.Rules.Roles {
				if r.ApplyWhen.Type != 0 && r.ApplyWhen.Validate() != nil {
					t.Errorf("apply_when of %s is no BSON", r.Name)
				}
			}
		}
	}
	for _, p := range a.Providers {
		if p.Config == nil || p.Config.Validate() != nil {
			t.Errorf("the config of %s is no BSON", p.Name)
		}
	}
	for _, tr := range a.Triggers {
		if tr.Config == nil || tr.Config.Validate() != nil {
			t.Errorf("the config of %s is no BSON", tr.Name)
		}
	}
}
