package collation

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func parse(t testing.TB, ejson string) (*Collation, error) {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(ejson), false, &d); err != nil {
		t.Fatalf("%s: %v", ejson, err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(b)
}

// TestCases runs testdata/cases.txt.
func TestCases(t *testing.T) {
	f, err := os.Open("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type row struct {
		word string
		line int
	}
	var rows []row
	var c *Collation
	var failure error
	var spec string
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		switch verb {
		case "", "#":
		case "collation":
			spec, rows = arg, nil
			c, failure = parse(t, arg)
		case "error":
			if strconv.Itoa(int(mongoerr.CodeOf(failure))) != arg {
				t.Errorf("line %d: %s: %v", n, spec, failure)
			}
		case "order":
			if failure != nil {
				t.Fatalf("line %d: %s: %v", n, spec, failure)
			}
			for _, w := range words(t, arg) {
				for _, r := range rows {
					want := -1
					if r.line == n {
						want = 0
					}
					if got := c.CompareStrings([]byte(r.word), []byte(w)); got != want {
						t.Errorf("line %d: %s: %q and %q compare %d, want %d", n, spec, r.word, w, got, want)
					}
				}
				rows = append(rows, row{w, n})
			}
		}
	}
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
