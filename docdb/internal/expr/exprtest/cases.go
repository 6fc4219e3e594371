package exprtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Case is one line of a file of cases: an expression or pipeline, what it runs on, and what comes of it.
type Case struct {
	File           string
	Line           int
	Text           string
	Input, On, Out string
	// Code is the error that is expected instead of Out; 0 for none.
	Code int
}

// Read reads the files of cases that match a pattern, those left out that a test reads by itself.
func Read(t testing.TB, pattern string, without ...string) []Case {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	var out []Case
	for _, name := range files {
		base := filepath.Base(name)
		if slices.Contains(without, base) {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range list {
			list[i].File = base
		}
		out = append(out, list...)
	}
	return out
}

// Fail says what is wrong with a case.
func (c Case) Fail(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Errorf("%s:%d: %s\n\t"+format, append([]any{c.File, c.Line, c.Text}, args...)...)
}

// parse reads the text of a file of cases. A case is "input on value => output" or "input on value !! code"; "on value" may be left out. Lines
// that begin with white space continue the one before; "#" begins a comment line.
func parse(text string) ([]Case, error) {
	var out []Case
	var cur string
	line := 0
	flush := func() error {
		t := strings.TrimSpace(cur)
		cur = ""
		if t == "" {
			return nil
		}
		c := Case{Line: line, Text: t}
		left, right, ok := strings.Cut(t, " => ")
		if ok {
			c.Out = strings.TrimSpace(right)
		} else if left, right, ok = strings.Cut(t, " !! "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(right))
			if err != nil {
				return fmt.Errorf("line %d: bad code %q", line, right)
			}
			c.Code = n
		} else {
			return fmt.Errorf("line %d has neither a result nor an error code", line)
		}
		c.Input, c.On, _ = strings.Cut(left, " on ")
		out = append(out, c)
		return nil
	}
	for i, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "#") || strings.TrimSpace(l) == "" {
			continue
		}
		if l[0] == ' ' || l[0] == '\t' {
			cur += "\n" + l
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		cur, line = l, i+1
	}
	err := flush()
	return out, err
}
