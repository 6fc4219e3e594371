package collation

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

func parse(t testing.TB, ejson string) (*Collation, error) {
	t.Helper()
	return Parse(cases.Doc(t, ejson))
}

// TestCases runs testdata/cases.txt.
func TestCases(t *testing.T) {
	type row struct{ word, line string }
	var rows []row
	var c *Collation
	var failure error
	cases.Run(t, "testdata/cases.txt", func(l *cases.Line) {
		switch l.Verb {
		case "collation":
			l.About, rows = l.Arg, nil
			c, failure = Parse(l.Doc())
		case "error":
			l.WantError(failure)
		case "order":
			l.Succeeded(failure)
			for _, w := range words(t, l.Arg) {
				for _, r := range rows {
					want := -1
					if r.line == l.Place() {
						want = 0
					}
					if got := c.CompareStrings([]byte(r.word), []byte(w)); got != want {
						l.Wrong("%q and %q compare %d, want %d", r.word, w, got, want)
					}
				}
				rows = append(rows, row{w, l.Place()})
			}
		default:
			l.Unknown()
		}
	})
}

// words takes the words of a line apart; one with spaces or escapes is quoted.
func words(t *testing.T, line string) []string {
	var out []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			w, rest, _ := strings.Cut(line, " ")
			out, line = append(out, w), rest
			continue
		}
		q, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		w, _ := strconv.Unquote(q)
		out, line = append(out, w), line[len(q):]
	}
	return out
}

func TestSimpleIsNil(t *testing.T) {
	for _, s := range []string{`{}`, `{"locale": "simple"}`} {
		c, err := parse(t, s)
		if c != nil || err != nil || c.Comparer() != nil || c.Doc() != nil {
			t.Error(s, c, err)
		}
	}
}

func TestValuesCompareUnderACollationAtAnyDepth(t *testing.T) {
	c, err := parse(t, `{"locale": "en", "strength": 2}`)
	if err != nil {
		t.Fatal(err)
	}
	a := value.ArrayOf([]bson.RawValue{value.String("Ab"), value.Int32(1)})
	b := value.ArrayOf([]bson.RawValue{value.String("aB"), value.Double(1)})
	if !value.EqualWith(a, b, c) || value.Equal(a, b) {
		t.Error("arrays of strings that differ in case")
	}
	if !bytes.Equal(value.AppendKeyWith(nil, a, c), value.AppendKeyWith(nil, b, c)) {
		t.Error("their keys differ")
	}
}

func TestKeysOrderAsComparisonAndByLevels(t *testing.T) {
	weak, _ := parse(t, `{"locale": "en", "strength": 1}`)
	strong, _ := parse(t, `{"locale": "en", "strength": 3}`)
	spaced, _ := parse(t, `{"locale": "en", "strength": 3, "alternate": "shifted", "maxVariable": "space"}`)
	words := rapid.StringMatching(`[aAbáB1é \-\x{300}\t\x{a0}]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []byte(words.Draw(t, "a")), []byte(words.Draw(t, "b"))
		if d := strong.CompareStrings(bare(a), bare(b)); d != spaced.CompareStrings(a, b) {
			t.Fatalf("%q %q: %d without their spaces", a, b, d)
		}
		for _, c := range []*Collation{weak, strong, spaced} {
			if d := bytes.Compare(c.AppendStringKey(nil, a), c.AppendStringKey(nil, b)); d != c.CompareStrings(a, b) {
				t.Fatalf("%q %q: keys %d", a, b, d)
			}
		}
		if d := weak.CompareStrings(a, b); d != 0 && d != strong.CompareStrings(a, b) {
			t.Fatalf("%q %q: the strong collation turns the weak one's order round", a, b)
		}
	})
}

// bare takes out white space and the accents on it.
func bare(s []byte) []byte {
	return regexp.MustCompile(`[\s\x{a0}]\x{300}*`).ReplaceAll(s, nil)
}
