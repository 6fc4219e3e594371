package rule_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"regent/internal/app"
	"regent/internal/rule"
)

// TestChoicesAreDocumented compares docs/rules.md with the table of choices,
// and the settings that it names with those that exist. UPDATE=1 writes it anew.
func TestChoicesAreDocumented(t *testing.T) {
	const file, mark = "../../docs/rules.md", "<!-- from the table in internal/rule/choices.go -->\n"
	var b strings.Builder
	b.WriteString("| question | setting | Regent | the other reading |\n|---|---|---|---|\n")
	for _, c := range rule.ChoiceTable {
		setting := ""
		if c.Setting != "" {
			setting = "`" + c.Setting + "`"
			if !known(c.Setting) {
				t.Errorf("there is no setting %q", c.Setting)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.Name, setting, c.Reading, c.Other)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, table, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no place for the table", file)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(before+mark+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != b.String() {
		t.Errorf("the table in %s is not the one in the code; UPDATE=1 go test ./internal/rule writes it anew", file)
	}
}

func known(setting string) bool {
	for _, s := range app.SettingsTable().Settings {
		if s.Name == setting {
			return true
		}
	}
	return false
}
