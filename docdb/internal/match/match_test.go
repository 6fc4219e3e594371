package match

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// TestCases runs testdata/*.txt. A line "filter F" is followed by documents that it takes (yes) or not (no), by the error that
// its compilation gives (error CODE TEXT), by "position N DOC", or by "why DOC EXPLANATION".
func TestCases(t *testing.T) {
	var m *Matcher
	var failure error
	cases.Run(t, "testdata/*.txt", func(l *cases.Line) {
		switch l.Verb {
		case "filter":
			l.About = l.Arg
			m, failure = Compile(l.Doc(), Options{})
			return
		case "error":
			l.WantError(failure)
			return
		}
		l.Succeeded(failure)
		switch l.Verb {
		case "yes", "no":
			got, err := often(t, m, l.Doc())
			if err != nil || got != (l.Verb == "yes") {
				l.Wrong("%s gives %t, %v", l.Arg, got, err)
			}
		case "why":
			dec := json.NewDecoder(strings.NewReader(l.Arg))
			var d, want json.RawMessage
			if dec.Decode(&d) != nil || dec.Decode(&want) != nil {
				l.Fatalf("%s: not two documents", l.Place())
			}
			if got := Explain(cases.Doc(t, l.About), cases.Doc(t, string(d)), Options{}); string(got) != string(cases.Doc(t, string(want))) {
				l.Wrong("gives %s, want %s", value.ShowDoc(got), want)
			}
		case "position":
			want := int(l.Number())
			ok, i, err := m.MatchPosition(l.Doc())
			if !ok || err != nil || i != want {
				l.Wrong("%s gives %t at %d, %v; want %d", l.Arg, ok, i, err, want)
			}
		default:
			l.Unknown()
		}
	})
}

func TestTheTableIsWhatTheCompilerKnows(t *testing.T) {
	for _, op := range OperatorTable() {
		if op.Field && fieldOps(op.Name) == nil || !op.Field && topLevelOps(op.Name) == nil {
			t.Errorf("%s is in the table but not compiled", op.Name)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	f := `{"a": 1}`
	for range MaxDepth + 1 {
		f = `{"$and": [` + f + `]}`
	}
	if _, err := Compile(cases.Doc(t, f), Options{}); mongoerr.CodeOf(err) != mongoerr.BadValue {
		t.Fatal(err)
	}
}

func TestSimpleFiltersDoNotAllocate(t *testing.T) {
	d := cases.Doc(t, `{"_id": {"$oid": "000000000000000000000001"}, "a": 5, "s": "text", "n": {"b": 3}, "l": [1, 2, 3]}`)
	for _, f := range []string{
		`{"a": 5}`, `{"a": {"$gt": 1, "$lt": 9}}`, `{"s": "text", "a": {"$in": [1, 5]}}`, `{"n.b": 3}`, `{"l": 3}`,
		`{"$or": [{"a": 1}, {"s": {"$ne": "x"}}]}`, `{"s": {"$regularExpression": {"pattern": "^te", "options": ""}}}`,
		`{"_id": {"$oid": "000000000000000000000001"}}`,
	} {
		m, err := Compile(cases.Doc(t, f), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if ok, _ := m.Match(d); !ok {
				t.Fatal(f)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}

// BenchmarkScan matches two conditions on late fields of documents of 1 KB, as a collection scan does.
func BenchmarkScan(b *testing.B) {
	var sb strings.Builder
	sb.WriteString(`{"_id": 1`)
	for i := range 20 {
		sb.WriteString(`, "field` + strconv.Itoa(i) + `": "` + strings.Repeat("x", 35) + `"`)
	}
	sb.WriteString(`, "age": 30, "city": "Berlin"}`)
	d := cases.Doc(b, sb.String())
	m, err := Compile(cases.Doc(b, `{"age": {"$gt": 18}, "city": "Berlin"}`), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(d)))
	b.ReportAllocs()
	for b.Loop() {
		m.Match(d)
	}
}

func BenchmarkMatch(b *testing.B) {
	d := cases.Doc(b, `{"_id": 1, "a": 5, "s": "text", "n": {"b": 3}, "l": [1, 2, 3]}`)
	for name, f := range map[string]string{"equal": `{"a": 5}`, "two": `{"a": {"$gt": 1}, "s": "text"}`, "dotted": `{"n.b": 3}`, "array": `{"l": 3}`} {
		b.Run(name, func(b *testing.B) {
			m, err := Compile(cases.Doc(b, f), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Match(d)
			}
		})
	}
}

// FuzzFilter looks for filters and documents that break Compile or Match.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{`{"a": {"$gt": 1}}`, `{"$or": [{"a.b": {"$elemMatch": {"x": 1}}}]}`, `{"a": {"$in": [1, null]}}`, `{"a": {"$regex": "^x", "$options": "i"}}`, `{"a": {"$all": [1]}}`, `{"a": {"$bitsAllSet": [1]}}`} {
		f.Add([]byte(cases.Doc(f, s)), []byte(cases.Doc(f, `{"a": [1, {"b": [{"x": 1}]}], "c": "text"}`)))
	}
	f.Fuzz(func(t *testing.T, filter, d []byte) {
		m, err := Compile(filter, Options{})
		if err != nil {
			return
		}
		ok, err := often(t, m, d)
		if again, _, err2 := m.MatchPosition(d); again != ok || (err == nil) != (err2 == nil) {
			t.Errorf("Match %t, MatchPosition %t", ok, again)
		}
		Explain(filter, d, Options{})
	})
}

// often matches a document so many times that the filter is evaluated in one pass, which must not change the result.
func often(t fataler, m *Matcher, d bson.Raw) (bool, error) {
	ok, err := m.Match(d)
	for range someCalls {
		again, err2 := m.Match(d)
		if again != ok || (err == nil) != (err2 == nil) {
			t.Fatalf("%s: first %t, %v, then %t, %v", value.ShowDoc(d), ok, err, again, err2)
		}
	}
	return ok, err
}

type fataler interface {
	Fatalf(format string, args ...any)
}
