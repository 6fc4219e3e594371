package text

import (
	"bufio"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func doc(t testing.TB, ejson string) bson.Raw {
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

// TestCases runs testdata/cases.txt. What a search takes must share a token with it.
func TestCases(t *testing.T) {
	f, err := os.Open("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var x *Index
	var s *Search
	var failure error
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		switch verb {
		case "", "#":
		case "index":
			if x, err = ParseIndex(doc(t, arg)); err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
		case "search":
			s, failure = x.Compile(doc(t, arg))
		case "error":
			if strconv.Itoa(int(mongoerr.CodeOf(failure))) != arg {
				t.Errorf("line %d: %v", n, failure)
			}
		case "yes", "no", "score":
			if failure != nil {
				t.Fatalf("line %d: %v", n, failure)
			}
			want := 0.0
			if verb == "score" {
				var num string
				num, arg, _ = strings.Cut(arg, " ")
				want, _ = strconv.ParseFloat(num, 64)
			}
			d := doc(t, arg)
			score, ok, err := s.Score(d)
			if err != nil || ok != (verb != "no") {
				t.Errorf("line %d: %s gives %t, %v", n, arg, ok, err)
			}
			if verb == "score" && math.Abs(score-want) > 1e-9 {
				t.Errorf("line %d: %s scores %v, want %v", n, arg, score, want)
			}
			if ok {
				tokens, err := x.Tokens(d)
				shared := slices.ContainsFunc(s.Tokens(), func(a []byte) bool {
					return slices.ContainsFunc(tokens, func(b []byte) bool { return string(a) == string(b) })
				})
				if err != nil || !shared {
					t.Errorf("line %d: %s has none of the tokens searched for (%v)", n, arg, err)
				}
			}
		default:
			t.Fatalf("line %d: unknown verb %q", n, verb)
		}
	}
}

func TestUnsupportedLanguages(t *testing.T) {
	if _, err := ParseIndex(doc(t, `{"key": {"a": "text"}, "default_language": "klingon"}`)); mongoerr.CodeOf(err) != mongoerr.CannotCreateIndex {
		t.Error(err)
	}
	x, err := ParseIndex(doc(t, `{"key": {"a": "text"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Tokens(doc(t, `{"a": "x", "language": "klingon"}`)); mongoerr.CodeOf(err) != 17262 {
		t.Error(err)
	}
}
