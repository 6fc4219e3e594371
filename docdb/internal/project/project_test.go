package project

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

// TestFind runs testdata/find.txt: a projection, documents and what each becomes, or the error of compiling or applying it.
func TestFind(t *testing.T) {
	f, err := os.Open("testdata/find.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var p *Projection
	var spec string
	var out bson.Raw
	var failure error
	cx := Context{Position: -1}
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		if verb == "" || verb[0] == '#' {
			continue
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("find.txt:%d: %s: "+format, append([]any{n, spec}, args...)...)
		}
		switch verb {
		case "projection":
			spec, cx.Position = arg, -1
			p, failure = Compile(doc(t, arg), Options{})
		case "position":
			cx.Position, _ = strconv.Atoi(arg)
		case "doc":
			if p == nil {
				fail("%v", failure)
				continue
			}
			out, failure = p.Apply(doc(t, arg), cx)
		case "gives":
			if failure != nil {
				fail("%v", failure)
			} else if string(out) != string(doc(t, arg)) {
				fail("gives %s, want %s", value.ShowDoc(out), arg)
			}
		case "error":
			code, text, _ := strings.Cut(arg, " ")
			e := mongoerr.As(failure)
			if e == nil {
				fail("no error, want %s", arg)
			} else if strconv.Itoa(int(e.Code)) != code || text != "" && e.Message != text {
				fail("error %d %s, want %s", e.Code, e.Message, arg)
			}
		default:
			t.Fatalf("find.txt:%d: unknown verb %q", n, verb)
		}
	}
}

// TestGrowthIsBounded names the whole document once for every element of a large array.
func TestGrowthIsBounded(t *testing.T) {
	list := bson.A{}
	for range 20_000 {
		list = append(list, bson.D{})
	}
	d, err := bson.Marshal(bson.D{{Key: "l", Value: list}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(doc(t, `{"l.x": "$$ROOT"}`), Options{Expr: func(bson.RawValue) (func(bson.Raw) (bson.RawValue, error), error) {
		return func(d bson.Raw) (bson.RawValue, error) { return value.Doc(d), nil }, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.Apply(d, Context{}); mongoerr.CodeOf(err) != mongoerr.BSONObjectTooLarge {
		t.Errorf("%d bytes, %v; want BSONObjectTooLarge", len(out), err)
	}
}
