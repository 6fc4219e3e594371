package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regent/internal/app"
)

// TestRecipes loads every recipe of docs/rules.md as the rules of a collection: none of
// them is to give a warning.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(text), "\n## Recipes\n")
	recipes, _, _ = strings.Cut(recipes, "\n## ")
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("root_config.json", `{"app_id": "recipes-abcde", "config_version": 20210101, "name": "recipes"}`)
	write("data_sources/mongodb-atlas/config.json", `{"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {}}`)
	write("functions/config.json", `[{"name": "mayEdit", "private": true}]`)
	write("functions/mayEdit.js", `exports = () => true;`)
	n := 0
	for i, block := range strings.Split(recipes, "```json\n") {
		if i == 0 {
			continue
		}
		block, _, _ = strings.Cut(block, "```")
		block = strings.TrimSpace(block)
		n++
		roles, filters := "", ""
		switch {
		case strings.HasPrefix(block, "["):
			roles = block
		case strings.HasPrefix(block, `{"filters"`):
			roles = `[{"name": "r", "apply_when": {}, "read": true}]`
			filters = ", " + block[1:len(block)-1]
		case !strings.Contains(block, `"apply_when"`): // a part of a role
			roles = `[{"name": "r", "apply_when": {}, ` + block[1:] + `]`
		default:
			roles = "[" + block + "]"
		}
		write(fmt.Sprintf("data_sources/mongodb-atlas/d/c%d/rules.json", n), fmt.Sprintf(`{"database": "d", "collection": "c%d", "roles": %s%s}`, n, roles, filters))
	}
	if n < 10 {
		t.Fatalf("only %d recipes were found", n)
	}
	a, problems, err := app.Load(dir, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, found := Compile(a)
	for _, p := range append(problems, found...) {
		t.Error(a.Locate(p))
	}
}
