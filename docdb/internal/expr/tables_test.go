package expr_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"regent/docdb/internal/expr/exprtest"
)

// TestTables runs testdata/tables.txt: a line "on: A | B | …" names values, and each line "OPERATOR: R | S | …" below says what
// {OPERATOR: value} is for each of them: a value, missing, or !CODE. A line "mode with ARGUMENT" makes it {OPERATOR: [value, ARGUMENT]}.
func TestTables(t *testing.T) {
	text, err := os.ReadFile("testdata/tables.txt")
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	with := ""
	for n, l := range strings.Split(string(text), "\n") {
		head, rest, ok := strings.Cut(l, ": ")
		switch {
		case strings.TrimSpace(l) == "" || l[0] == '#':
			continue
		case strings.HasPrefix(l, "mode "):
			with = strings.TrimPrefix(strings.TrimPrefix(l, "mode "), "with ")
			if with == "alone" {
				with = ""
			}
			continue
		case !ok:
			t.Fatalf("line %d: what is %q?", n+1, l)
		}
		cells := strings.Split(rest, " | ")
		if head == "on" {
			on = cells
			continue
		}
		if len(cells) != len(on) {
			t.Errorf("tables.txt:%d: %d results for %d values", n+1, len(cells), len(on))
			continue
		}
		for i, cell := range cells {
			in, doc, out := strings.TrimSpace(on[i]), "{}", strings.TrimSpace(cell)
			if in != "missing" {
				doc = "{v: " + in + "}"
			}
			c := exprtest.Case{File: "tables.txt", Line: n + 1, Text: head + " of " + in, Input: `{` + head + `: ["$v"]}`, On: doc, Out: out}
			if with != "" {
				c.Input = `{` + head + `: ["$v", ` + with + `]}`
			}
			if code, ok := strings.CutPrefix(out, "!"); ok {
				if c.Code, err = strconv.Atoi(code); err != nil {
					t.Fatal(err)
				}
				c.Out = ""
			}
			runCase(t, c)
		}
	}
}
