package update

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

func val(t testing.TB, ejson string) bson.RawValue {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v": `+ejson+`}`), false, &d); err != nil {
		t.Fatalf("%s: %v", ejson, err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return value.Lookup(b, "v")
}

func doc(t testing.TB, ejson string) bson.Raw { return bson.Raw(val(t, ejson).Value) }

// TestCases runs testdata/*.txt. "update U" begins a case; "filters", "position" and "now" set what it runs with; "doc D" and
// "upsert FILTER" run it, and the next line says what it gives: "gives D", "same" or "error CODE TEXT". An error without a run
// is one of the compilation.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range files {
		runFile(t, name)
	}
}

func runFile(t *testing.T, name string) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var u bson.RawValue
	var opts Options
	cx := Context{Position: -1}
	var out bson.Raw
	var modified bool
	var failure error
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		verb, arg, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		if verb == "" || verb[0] == '#' {
			continue
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("%s:%d: %s: "+format, append([]any{name, n, value.Show(u)}, args...)...)
		}
		switch verb {
		case "update":
			u, opts, cx.Position = val(t, arg), Options{}, -1
			_, failure = Compile(u, opts)
		case "filters":
			opts.ArrayFilters = nil
			for _, v := range value.Elements(val(t, arg).Value) {
				opts.ArrayFilters = append(opts.ArrayFilters, v.Value)
			}
			_, failure = Compile(u, opts)
		case "position":
			cx.Position, _ = strconv.Atoi(arg)
		case "now":
			cx.Now, _ = time.Parse(time.RFC3339Nano, arg)
		case "doc", "upsert":
			var c *Update
			if c, failure = Compile(u, opts); failure != nil {
				fail("%v", failure)
				continue
			}
			d := doc(t, arg)
			before := string(d)
			if verb == "upsert" {
				id, _ := bson.ObjectIDFromHex("00000000000000000000abcd")
				out, failure = c.Upsert(d, cx, func() bson.ObjectID { return id })
				modified = true
			} else {
				var r Result
				r, failure = c.Apply(d, cx)
				out, modified = r.Doc, r.Modified
			}
			if string(d) != before {
				fail("the document was changed in place")
			}
			if failure == nil {
				if err := value.Validate(out, 100); err != nil {
					fail("%v", err)
				}
			}
		case "gives", "same":
			if failure != nil {
				fail("%v", failure)
				continue
			}
			if modified != (verb == "gives") && arg != "" && !modified && string(out) != string(doc(t, arg)) {
				fail("modified = %t", modified)
			}
			if verb == "same" && modified {
				fail("modified to %s", value.ShowDoc(out))
			}
			if verb == "gives" && string(out) != string(doc(t, arg)) {
				fail("gives %s, want %s", value.ShowDoc(out), arg)
			}
		case "error":
			code, text, _ := strings.Cut(arg, " ")
			e := mongoerr.As(failure)
			if e == nil {
				fail("no error, want %s; gives %s", arg, value.ShowDoc(out))
			} else if strconv.Itoa(int(e.Code)) != code || (text != "" && e.Message != text) {
				fail("error %d %s, want %s", e.Code, e.Message, arg)
			}
		default:
			t.Fatalf("%s:%d: unknown verb %q", name, n, verb)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	var sb strings.Builder
	sb.WriteString(`{"_id": 1`)
	for i := range 20 {
		sb.WriteString(`, "field` + strconv.Itoa(i) + `": "` + strings.Repeat("x", 35) + `"`)
	}
	sb.WriteString(`, "n": 1, "l": [1, 2, 3]}`)
	d := doc(b, sb.String())
	for _, u := range []string{`{"$inc": {"n": 1}}`, `{"$set": {"field3": "y", "new": 1}}`, `{"$push": {"l": 4}}`} {
		b.Run(u[2:6], func(b *testing.B) {
			c, err := Compile(value.Doc(doc(b, u)), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Apply(d, Context{Position: -1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("compile", func(b *testing.B) {
		u := value.Doc(doc(b, `{"$set": {"field3": "y"}, "$inc": {"n": 1}}`))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Compile(u, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
