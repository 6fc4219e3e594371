package sortkey

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
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

// TestCases runs testdata/sort.txt.
func TestCases(t *testing.T) {
	f, err := os.Open("testdata/sort.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s *Sort
	var failure error
	type row struct {
		d    bson.Raw
		line int
	}
	var rows []row
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		if verb == "" || verb[0] == '#' {
			continue
		}
		switch verb {
		case "sort":
			s, failure = Compile(doc(t, arg), Options{})
			rows = nil
		case "order":
			dec := json.NewDecoder(strings.NewReader(arg))
			for dec.More() {
				var m json.RawMessage
				if err := dec.Decode(&m); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				d := doc(t, string(m))
				for _, r := range rows {
					want := -1
					if r.line == n {
						want = 0
					}
					got, err := s.CompareDocs(r.d, d)
					back, _ := s.CompareDocs(d, r.d)
					if err != nil || min(max(got, -1), 1) != want || back != -got {
						t.Errorf("line %d: %s and %s compare %d, want %d (%v)", n, value.ShowDoc(r.d), value.ShowDoc(d), got, want, err)
					}
				}
				rows = append(rows, row{d, n})
			}
		case "natural":
			if failure != nil || strconv.Itoa(s.Natural) != arg {
				t.Errorf("line %d: %v %v", n, s, failure)
			}
		case "fails":
			code, d, _ := strings.Cut(arg, " ")
			if _, err := s.Key(doc(t, d), nil); strconv.Itoa(int(mongoerr.CodeOf(err))) != code {
				t.Errorf("line %d: %v", n, err)
			}
		case "error":
			if strconv.Itoa(int(mongoerr.CodeOf(failure))) != arg {
				t.Errorf("line %d: %v, want %s", n, failure, arg)
			}
		default:
			t.Fatalf("line %d: unknown verb %q", n, verb)
		}
	}
}
