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
	"reply": "command", "label": "command",
}

// headers begin a group of cases: what follows is said of them.
var headers = []string{"filter ", "update ", "projection ", "schema ", "sort ", "collation ", "query ", "search ", "index ", "> ", "on: ", "mode ", "pattern "}

// asides are lines that say what a case runs with, and are no cases.
var asides = []string{"doc ", "filters ", "position ", "now ", "== ", "upsert ", "nothing"}

// answer stands between what is done and what comes of it.
const answer = " \x01"

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
	var with []string // the asides, the last of each kind
	for _, l := range strings.Split(string(raw), "\n") {
		switch {
		case strings.TrimSpace(l) == "" || l[0] == '#':
		case l[0] == ' ' || l[0] == '\t':
			if !answered {
				head += l
			} else if len(out) > 0 {
				out[len(out)-1] += l
			}
		case strings.HasPrefix(l, "> "):
			// A command that must succeed is a case, too.
			if !answered {
				out = append(out, head)
			}
			head, answered = l, false
		case has(headers, l):
			head, with = l, nil
			if strings.HasPrefix(l, "search ") || strings.HasPrefix(l, "query ") {
				answered = true
			}
		case has(asides, l):
			kind, _, _ := strings.Cut(l, " ")
			with = append(slices.DeleteFunc(with, func(a string) bool { return strings.HasPrefix(a, kind+" ") }), l)
		default:
			answered = true
			if strings.HasPrefix(head, "on: ") {
				for range strings.Count(l, "|") + 1 {
					out = append(out, l)
				}
				continue
			}
			out = append(out, strings.Join(append([]string{head}, with...), " ")+answer+l)
		}
	}
	if !answered {
		out = append(out, head)
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
	case "reply":
		return regexp.MustCompile(`(?s)^> \{(explain: \{)?` + of + `:.*\x01.*[{ ]` + q + `: ([^a]|a[^b])`)
	case "label":
		return regexp.MustCompile(`\x01.*errorLabels: \[[^\]]*"` + q + `"`)
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
		if kind == "rule" || kind == "test" {
			continue // TestRules
		}
		if kind == "field" || kind == "reply" {
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
			if tag == "no" || kind == "error" || kind == "field" || kind == "event" || kind == "reply" || kind == "label" {
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
					if tag == "no" && !strings.Contains(c, "!!") && !strings.Contains(c, answer+"error ") {
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

// spaceless is a text without spaces and quotation marks, so that extended JSON and the shell's way of writing are alike.
func spaceless(s string) string {
	return strings.NewReplacer(" ", "", `"`, "", "\t", "", "\n", "", "\x01", "").Replace(s)
}

// TestRules holds the rules of testdata/facts.txt against the cases: a rule names the folder, and "|" between what must each stand in some
// case there; "&" is between what must stand in one case together.
func TestRules(t *testing.T) {
	raw, err := os.ReadFile("testdata/facts.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := cases(t)
	for dir, list := range all {
		for i, c := range list {
			all[dir][i] = spaceless(c)
		}
	}
	tests := testNames(t)
	for _, l := range strings.Split(string(raw), "\n") {
		f := strings.Fields(l)
		if len(f) < 4 || l[0] == '#' {
			continue
		}
		switch f[2] {
		case "test":
			for _, name := range f[3:] {
				if !tests[name] {
					t.Errorf("§%s: no test is called %s", f[0], name)
				}
			}
		case "rule":
			dir := f[3]
			if len(all[dir]) == 0 {
				t.Fatalf("no cases in %q", dir)
			}
			_, text, _ := strings.Cut(l, " "+dir+" ")
			for _, want := range strings.Split(text, " | ") {
				var parts []string
				for _, p := range strings.Split(want, " & ") {
					parts = append(parts, spaceless(p))
				}
				if !slices.ContainsFunc(all[dir], func(c string) bool {
					return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(c, p) })
				}) {
					t.Errorf("§%s %s: no case in %s of %s", f[0], f[1], dir, want)
				}
			}
		}
	}
}

// testNames are the tests of docdb.
func testNames(t *testing.T) map[string]bool {
	out := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "../test/drivers/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(raw, -1) {
				out[string(m[1])] = true
			}
		}
	}
	return out
}
