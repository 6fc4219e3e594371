// Package cases reads test cases kept as text, as the packages of the query language have them in testdata. A line is a verb and what it
// is about; a "#" begins a comment:
//
//	filter {"a": {"$gt": 3}}
//	yes {"a": 5}
//	no {"a": "x"}
//
// What the verbs mean is up to the test. Documents and values are extended JSON, canonical or relaxed.
package cases

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// Line is one line of a file of cases.
type Line struct {
	*testing.T
	Verb, Arg string
	// About is what the lines are about that follow, as a test sets it: a filter, a pattern, a schema.
	About string

	file string
	n    int
}

// Run reads the files that match a pattern and does a test's step for each line.
func Run(t *testing.T, pattern string, step func(l *Line)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		l := &Line{T: t, file: filepath.Base(name)}
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			l.n++
			l.Verb, l.Arg, _ = strings.Cut(strings.TrimSpace(sc.Text()), " ")
			if l.Verb != "" && l.Verb[0] != '#' {
				step(l)
			}
		}
		if err := sc.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Place tells lines apart.
func (l *Line) Place() string { return fmt.Sprintf("%s:%d", l.file, l.n) }

// Wrong says what is wrong with what a line expects.
func (l *Line) Wrong(format string, args ...any) {
	l.Helper()
	l.Errorf("%s: %s: "+format, append([]any{l.Place(), l.About}, args...)...)
}

// Word takes the first word off the argument.
func (l *Line) Word() string {
	w, rest, _ := strings.Cut(l.Arg, " ")
	l.Arg = rest
	return w
}

// Number takes a number off the argument.
func (l *Line) Number() float64 {
	l.Helper()
	w := l.Word()
	f, err := strconv.ParseFloat(w, 64)
	if err != nil {
		l.Fatalf("%s: %v", l.Place(), err)
	}
	return f
}

// Doc is the argument as a document.
func (l *Line) Doc() bson.Raw { l.Helper(); return Doc(l, l.Arg) }

// Value is the argument as a value.
func (l *Line) Value() bson.RawValue { l.Helper(); return Value(l, l.Arg) }

// Succeeded requires that what the line builds on has no error.
func (l *Line) Succeeded(err error) {
	l.Helper()
	if err != nil {
		l.Fatalf("%s: %s: %v", l.Place(), l.About, err)
	}
}

// WantError compares an error with the argument: the code, and the message if there is one.
func (l *Line) WantError(err error) {
	l.Helper()
	code, text, _ := strings.Cut(l.Arg, " ")
	e := mongoerr.As(err)
	if e == nil {
		l.Wrong("no error (%v), want %s", err, l.Arg)
	} else if strconv.Itoa(int(e.Code)) != code || text != "" && e.Message != text {
		l.Wrong("error %d %s, want %s", e.Code, e.Message, l.Arg)
	}
}

// Unknown is for a verb that the test does not know.
func (l *Line) Unknown() {
	l.Helper()
	l.Fatalf("%s: unknown verb %q", l.Place(), l.Verb)
}

// Doc reads a document.
func Doc(t testing.TB, ejson string) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(ejson), false, &d); err != nil {
		t.Fatalf("%s: %v", ejson, err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Value reads a value.
func Value(t testing.TB, ejson string) bson.RawValue {
	t.Helper()
	return Doc(t, `{"v": `+ejson+`}`).Lookup("v")
}

// Encode gives a Go value, such as naive evaluators work on, as BSON; nil is null.
func Encode(v any) bson.RawValue {
	if v == nil {
		return bson.RawValue{Type: bson.TypeNull}
	}
	t, b, err := bson.MarshalValue(v)
	if err != nil {
		panic(err)
	}
	return bson.RawValue{Type: t, Value: b}
}
