package update

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// TestCases runs testdata/*.txt. "update U" begins a case; "filters", "position" and "now" set what it runs with; "doc D" and
// "upsert FILTER" run it, and the next line says what it gives: "gives D", "same" or "error CODE TEXT". An error without a run
// is one of the compilation.
func TestCases(t *testing.T) {
	var u bson.RawValue
	var opts Options
	cx := Context{Position: -1}
	var out bson.Raw
	var modified bool
	var failure error
	cases.Run(t, "testdata/*.txt", func(l *cases.Line) {
		switch l.Verb {
		case "update":
			l.About = l.Arg
			u, opts, cx.Position = l.Value(), Options{}, -1
			_, failure = Compile(u, opts)
		case "filters":
			opts.ArrayFilters = nil
			for _, v := range value.Elements(l.Value().Value) {
				opts.ArrayFilters = append(opts.ArrayFilters, v.Value)
			}
			_, failure = Compile(u, opts)
		case "position":
			cx.Position = int(l.Number())
		case "now":
			var err error
			cx.Now, err = time.Parse(time.RFC3339Nano, l.Arg)
			l.Succeeded(err)
		case "doc", "upsert":
			var c *Update
			if c, failure = Compile(u, opts); failure != nil {
				l.Wrong("%v", failure)
				return
			}
			d := l.Doc()
			before := string(d)
			if l.Verb == "upsert" {
				id, _ := bson.ObjectIDFromHex("00000000000000000000abcd")
				out, failure = c.Upsert(d, cx, func() bson.ObjectID { return id })
				modified = true
			} else {
				var r Result
				r, failure = c.Apply(d, cx)
				out, modified = r.Doc, r.Modified
			}
			if string(d) != before {
				l.Wrong("the document was changed in place")
			}
			if failure == nil {
				if err := value.Validate(out, 100); err != nil {
					l.Wrong("%v", err)
				}
				if l.Verb == "doc" && modified != (string(out) != before) {
					l.Wrong("modified is %t, of %s comes %s", modified, l.Arg, value.ShowDoc(out))
				}
			}
		case "gives", "same":
			if failure != nil {
				l.Wrong("%v", failure)
				return
			}
			if l.Verb == "same" {
				if modified {
					l.Wrong("modified to %s", value.ShowDoc(out))
				}
				return
			}
			if string(out) != string(l.Doc()) {
				l.Wrong("gives %s, want %s", value.ShowDoc(out), l.Arg)
			}
		case "error":
			l.WantError(failure)
		default:
			l.Unknown()
		}
	})
}

func BenchmarkApply(b *testing.B) {
	var sb strings.Builder
	sb.WriteString(`{"_id": 1`)
	for i := range 20 {
		sb.WriteString(`, "field` + strconv.Itoa(i) + `": "` + strings.Repeat("x", 35) + `"`)
	}
	sb.WriteString(`, "n": 1, "l": [1, 2, 3]}`)
	d := cases.Doc(b, sb.String())
	for _, u := range []string{`{"$inc": {"n": 1}}`, `{"$set": {"field3": "y", "new": 1}}`, `{"$push": {"l": 4}}`} {
		b.Run(u[2:6], func(b *testing.B) {
			c, err := Compile(value.Doc(cases.Doc(b, u)), Options{})
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
		u := value.Doc(cases.Doc(b, `{"$set": {"field3": "y"}, "$inc": {"n": 1}}`))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Compile(u, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
