package jsonschema

import (
	"bufio"
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

// TestCases runs testdata/cases.txt: a schema, documents that it takes (yes) or not (no), the explanation of the last refusal (why),
// or the error of compiling it.
func TestCases(t *testing.T) {
	f, err := os.Open("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s *Schema
	var failure error
	var spec string
	var details bson.Raw
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		switch verb {
		case "", "#":
		case "schema":
			spec = arg
			s, failure = Compile(doc(t, arg))
		case "error":
			code, text, _ := strings.Cut(arg, " ")
			if e := mongoerr.As(failure); e == nil || strconv.Itoa(int(e.Code)) != code || text != "" && e.Message != text {
				t.Errorf("line %d: %s: %v", n, spec, failure)
			}
		case "yes", "no":
			if failure != nil {
				t.Fatalf("line %d: %s: %v", n, spec, failure)
			}
			var ok bool
			ok, details = s.Validate(doc(t, arg))
			if ok != (verb == "yes") {
				t.Errorf("line %d: %s: %s gives %t", n, spec, arg, ok)
			}
		case "why":
			if string(details) != string(doc(t, arg)) {
				t.Errorf("line %d: %s:\n got %s\nwant %s", n, spec, value.ShowDoc(details), arg)
			}
		default:
			t.Fatalf("line %d: unknown verb %q", n, verb)
		}
	}
}
