package docdb_test

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/collation"
	"regent/docdb/internal/command"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/jsonschema"
	"regent/docdb/internal/match"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/update"
)

var updateDocs = flag.Bool("update-docs", false, "write the generated tables into docs/docdb.md")

const docsFile = "../docs/docdb.md"

// TestDocumentedTables compares the tables in docs/docdb.md with those that the engine works from; -update-docs writes them.
func TestDocumentedTables(t *testing.T) {
	old, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(old)
	for name, table := range map[string]string{"commands": commandTable(), "stages": stageTable(), "updates": updateTable(), "queries": queryTable(),
		"expressions": expressionTable(), "accumulators": accumulatorTable(), "windows": windowTable(), "schema": schemaTable(),
		"index kinds": documentedTable("in a key pattern", command.IndexKinds()), "index options": documentedTable("option of an index", command.IndexOptions()),
		"stream options": documentedTable("field of $changeStream", command.StreamOptions()), "collations": table("field of a collation", collation.Options())} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->\n"
		i := strings.Index(text, begin)
		if i < 0 {
			t.Fatalf("%s has no marker %q", docsFile, begin)
		}
		j := strings.Index(text[i:], end)
		if j < 0 {
			t.Fatalf("%s: the table %q has no end", docsFile, name)
		}
		text = text[:i+len(begin)] + table + text[i+j:]
	}
	if text == string(old) {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s is not up to date; run go test ./docdb -run TestDocumentedTables -update-docs", docsFile)
	}
	if err := os.WriteFile(docsFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commandTable() string {
	var b strings.Builder
	b.WriteString("| command | what it does | arguments |\n|---|---|---|\n")
	var refused []string
	list := command.Commands()
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	for _, c := range list {
		if c.Refused {
			refused = append(refused, "`"+c.Name+"`")
			continue
		}
		var args []string
		for _, a := range c.Args {
			args = append(args, "`"+a.Name+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, c.Help, strings.Join(args, " "))
	}
	fmt.Fprintf(&b, "\nRefused by name (115 CommandNotSupported): %s. Any other name is 59 CommandNotFound.\n", strings.Join(refused, " "))
	return b.String()
}

func stageTable() string {
	var b strings.Builder
	b.WriteString("| stage | what it does |\n|---|---|\n")
	for _, o := range stage.Operators() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", o.Name, o.Help)
	}
	return b.String()
}

func updateTable() string {
	var b strings.Builder
	b.WriteString("| operator | what it does |\n|---|---|\n")
	for _, o := range update.OperatorTable() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", o.Name, o.Help)
	}
	return b.String()
}

// table writes rows of a name and what it does.
func table(head string, rows [][2]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | what it does |\n|---|---|\n", head)
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r[0], r[1])
	}
	return b.String()
}

func queryTable() string {
	var rows [][2]string
	for _, o := range match.OperatorTable() {
		rows = append(rows, [2]string{o.Name, o.Help})
	}
	return table("operator", rows)
}

func expressionTable() string {
	var b strings.Builder
	b.WriteString("| expression | family | what it does |\n|---|---|---|\n")
	for _, o := range expr.Operators() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", o.Name, o.Family, o.Help)
	}
	return b.String()
}

func accumulatorTable() string {
	var rows [][2]string
	for _, o := range accum.Operators() {
		rows = append(rows, [2]string{o.Name, o.Help})
	}
	return table("accumulator", rows)
}

func windowTable() string {
	var rows [][2]string
	for _, o := range stage.WindowOperators() {
		rows = append(rows, [2]string{o.Name, o.Help})
	}
	return table("window function", rows)
}

// documentedTable writes a table of what there is, and names what is refused below it.
func documentedTable(head string, list []command.Documented) string {
	var rows [][2]string
	var refused []string
	for _, d := range list {
		if d.Refused {
			refused = append(refused, "`"+d.Name+"`")
			continue
		}
		rows = append(rows, [2]string{d.Name, d.Help})
	}
	text := table(head, rows)
	if len(refused) > 0 {
		text += "\nRefused by name: " + strings.Join(refused, " ") + ".\n"
	}
	return text
}

func schemaTable() string {
	var rows [][2]string
	for _, k := range jsonschema.KeywordTable() {
		rows = append(rows, [2]string{k.Name, k.Help})
	}
	return table("keyword", rows)
}
