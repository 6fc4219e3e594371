package docdb_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/command"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/jsonschema"
	"regent/docdb/internal/match"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/update"
)

// fewest is the number of cases that a name must have behind it.
const fewest = 3

// caseFiles are where the cases of a kind of name are; scripts go through whole commands and count for every kind.
var caseFiles = map[string]string{
	"command": "command", "field": "command", "error": "*", "stream": "command", "event": "command", "option": "command", "index": "{command,text,geo}",
	"query": "{match,geo,text,command,jsonschema,stage}", "update": "update", "modifier": "update", "projection": "project", "sort": "{sortkey,command}", "collation": "collation",
	"stage": "{stage,command}", "window": "stage", "accumulator": "stage", "expression": "{expr,stage}", "variable": "{expr,stage}", "schema": "jsonschema",
}

// headers begin a group of cases: what follows is said of them.
var headers = []string{"filter ", "update ", "projection ", "schema ", "sort ", "collation ", "query ", "search ", "index ", "> ", "on: ", "mode "}

// asides are lines that say what a case runs with, and are no cases.
var asides = []string{"doc ", "filters ", "position ", "now ", "== ", "upsert ", "nothing"}

// expectations reads a file of cases: each is one text that has what is done and what comes of it.
func expectations(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	has := func(list []string, l string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(l, p) })
	}
	var out []string
	head, answered := "", true
	for _, l := range strings.Split(string(raw), "\n") {
		switch {
		case strings.TrimSpace(l) == "" || l[0] == '#':
		case l[0] == ' ' || l[0] == '\t':
			if len(out) > 0 {
				out[len(out)-1] += l
			}
		case strings.HasPrefix(l, "> "):
			// A command that must succeed is a case, too.
			if !answered {
				out = append(out, head)
			}
			head, answered = l, false
		case has(headers, l):
			head = l
			if strings.HasPrefix(l, "search ") || strings.HasPrefix(l, "query ") {
				answered = true
			}
		case has(asides, l):
			head += "\x00"
			head = head[:strings.IndexByte(head, 0)] + "\x00" + l
		default:
			answered = true
			if strings.HasPrefix(head, "on: ") {
				for range strings.Count(l, "|") + 1 {
					out = append(out, l)
				}
				continue
			}
			out = append(out, head+" "+l)
		}
	}
	return out
}

// cases are the cases of a family of files, by folder under internal.
func cases(t *testing.T) map[string][]string {
	files, err := filepath.Glob("internal/*/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	out := map[string][]string{}
	for _, f := range files {
		dir := strings.Split(f, string(filepath.Separator))[1]
		out[dir] = append(out[dir], expectations(t, f)...)
	}
	return out
}

// known says whether the engine's tables have a name.
func known(kind, of, name string) bool {
	switch kind {
	case "command":
		for _, c := range command.Commands() {
			if c.Name == name || slices.Contains(c.Aliases, name) {
				return true
			}
		}
		return false
	case "query":
		return slices.ContainsFunc(match.OperatorTable(), func(o match.Operator) bool { return o.Name == name })
	case "update":
		return slices.ContainsFunc(update.OperatorTable(), func(o update.Operator) bool { return o.Name == name })
	case "stage":
		return slices.ContainsFunc(stage.Operators(), func(o stage.Operator) bool { return o.Name == name })
	case "accumulator":
		return accum.Is(name)
	case "window":
		return slices.ContainsFunc(stage.WindowOperators(), func(o stage.Operator) bool { return o.Name == name })
	case "expression":
		return expr.IsOperator(name)
	case "schema":
		return slices.ContainsFunc(jsonschema.KeywordTable(), func(k jsonschema.Keyword) bool { return k.Name == name })
	}
	return true
}

// mention is how a name stands in a case.
func mention(kind, of, name string) *regexp.Regexp {
	q := regexp.QuoteMeta(name)
	switch kind {
	case "command":
		return regexp.MustCompile(`^> \{(explain: \{)?` + q + `:`)
	case "field":
		return regexp.MustCompile(`(?s)^> \{` + of + `:.*[{ "]` + q + `"?:`)
	case "error":
		return regexp.MustCompile(`(!! |!w \d+ |error |code: |!)` + q + `\b`)
	case "event":
		return regexp.MustCompile(`operationType: "` + q + `"`)
	case "modifier", "projection", "index":
		return regexp.MustCompile(q)
	case "window":
		return regexp.MustCompile(`(?s)\$setWindowFields.*` + q + `\b`)
	case "accumulator":
		return regexp.MustCompile(`(?s)\$(group|bucket|bucketAuto|setWindowFields)\b.*` + q + `\b`)
	case "stage":
		return regexp.MustCompile(`\{` + q + `\b`)
	}
	return regexp.MustCompile(q + `\b`)
}

// TestFacts holds what was promised (testdata/facts.txt) against the engine and against its cases.
func TestFacts(t *testing.T) {
	raw, err := os.ReadFile("testdata/facts.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := cases(t)
	total := 0
	for dir, list := range all {
		t.Logf("%-12s %5d cases", dir, len(list))
		total += len(list)
	}
	t.Logf("%-12s %5d cases", "together", total)
	for _, l := range strings.Split(string(raw), "\n") {
		f := strings.Fields(l)
		if len(f) == 0 || f[0] == "#" || l[0] == '#' {
			continue
		}
		section, tag, kind, names, of := f[0], f[1], f[2], f[3:], ""
		if kind == "field" {
			of, names = names[0], names[1:]
		}
		if caseFiles[kind] == "" {
			t.Fatalf("unknown kind %q", kind)
		}
		for _, name := range names {
			if (tag == "must" || tag == "should") && !known(kind, of, name) {
				t.Errorf("§%s %s %s %s %s: the engine does not have it", section, tag, kind, of, name)
			}
			if tag == "could" {
				continue
			}
			re, want := mention(kind, of, name), fewest
			if tag == "no" || kind == "error" || kind == "field" || kind == "event" {
				want = 1
			}
			n := 0
			for dir, list := range all {
				if p := caseFiles[kind]; p != "*" && !slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return strings.ContainsRune("{},", r) }), dir) {
					continue
				}
				for _, c := range list {
					if !strings.Contains(c, name) || !re.MatchString(c) {
						continue
					}
					if tag == "no" && !strings.Contains(c, "!!") && !strings.Contains(c, " error ") {
						continue
					}
					n++
				}
			}
			if n < want {
				t.Errorf("§%s %s %s %s %s has %d cases, want %d", section, tag, kind, of, name, n, want)
			}
		}
	}
}
