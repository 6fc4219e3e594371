package jsonfile_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/app/jsonfile"
)

// TestAgreesWithEncodingJSON compares with the standard library's reader on
// JSON that it wrote.
func TestAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := value(3).Draw(t, "value")
		text, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonfile.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var again, plain any
		if err := json.Unmarshal(doc.Root.AppendJSON(nil), &again); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, plain) || len(doc.Notes) > 0 {
			t.Fatalf("%s became %v, notes %v", text, again, doc.Notes)
		}
		if raw, bad := doc.Root.BSON(); len(bad) > 0 || raw.Type == 0 {
			t.Fatalf("%s has no BSON: %v", text, bad)
		}
		everyPathIsFound(t, doc, "$", &doc.Root)
	})
}

func value(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Int32().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	key := rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "") })
	return rapid.OneOf(append(scalars,
		rapid.SliceOfN(value(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(key, value(depth-1), 0, 4).AsAny())...)
}

func everyPathIsFound(t *rapid.T, doc *jsonfile.Document, path string, n *jsonfile.Node) {
	offset, ok := doc.Find(path)
	if !ok {
		t.Fatalf("%s is not found", path)
	}
	if path == "$" && offset != n.Offset {
		t.Fatalf("%s is found at %d, not %d", path, offset, n.Offset)
	}
	for i := range n.Items {
		sub := jsonfile.Index(path, i)
		if at, _ := doc.Find(sub); at != n.Items[i].Offset {
			t.Fatalf("%s is found at %d, not %d", sub, at, n.Items[i].Offset)
		}
		everyPathIsFound(t, doc, sub, &n.Items[i])
	}
	for i := range n.Members {
		sub := jsonfile.Key(path, n.Members[i].Key)
		if at, _ := doc.Find(sub); at != n.Members[i].KeyOffset {
			t.Fatalf("%s is found at %d, not %d", sub, at, n.Members[i].KeyOffset)
		}
		everyPathIsFound(t, doc, sub, &n.Members[i].Value)
	}
}

func TestExtendedJSON(t *testing.T) {
	for _, c := range []struct {
		text string
		want bson.Type
		bad  int
	}{
		{`5`, bson.TypeInt32, 0},
		{`5000000000`, bson.TypeInt64, 0},
		{`5.0`, bson.TypeDouble, 0},
		{`99999999999999999999`, bson.TypeDouble, 0},
		{`{"$numberLong": "5"}`, bson.TypeInt64, 0},
		{`{"$numberInt": "5"}`, bson.TypeInt32, 0},
		{`{"$numberDouble": "NaN"}`, bson.TypeDouble, 0},
		{`{"$numberDecimal": "1.5"}`, bson.TypeDecimal128, 0},
		{`{"$oid": "5f0000000000000000000000"}`, bson.TypeObjectID, 0},
		{`{"$date": "2020-01-01T00:00:00Z"}`, bson.TypeDateTime, 0},
		{`{"$date": {"$numberLong": "0"}}`, bson.TypeDateTime, 0},
		{`{"$binary": {"base64": "AA==", "subType": "00"}}`, bson.TypeBinary, 0},
		{`{"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}`, bson.TypeBinary, 0},
		{`{"$regularExpression": {"pattern": "a", "options": "i"}}`, bson.TypeRegex, 0},
		{`{"$regex": "a", "$options": "i"}`, bson.TypeEmbeddedDocument, 0},
		{`{"$ref": "a", "$id": 1}`, bson.TypeEmbeddedDocument, 0},
		{`{"$exists": true}`, bson.TypeEmbeddedDocument, 0},
		{`{"$minKey": 1}`, bson.TypeMinKey, 0},
		{`{"$oid": "x"}`, bson.TypeEmbeddedDocument, 1},
		{`{"$numberLong": 5}`, bson.TypeEmbeddedDocument, 1},
		{`{"$oid": "5f0000000000000000000000", "more": 1}`, bson.TypeEmbeddedDocument, 1},
		{`{"$regularExpression": {"pattern": "\u0000", "options": ""}}`, bson.TypeEmbeddedDocument, 1},
		{`[{"$oid": "x"}, {"$date": "never"}]`, bson.TypeArray, 2},
	} {
		doc, err := jsonfile.Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		raw, bad := doc.Root.BSON()
		if raw.Type != c.want || len(bad) != c.bad {
			t.Errorf("%s is %s with %d complaints %v, want %s with %d", c.text, raw.Type, len(bad), bad, c.want, c.bad)
		}
		if err := raw.Validate(); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

func TestLenientPaths(t *testing.T) {
	doc, err := jsonfile.Parse([]byte(`{"a": {"b": 1, "b.c": 2}, "x y": [3, {"z": 4}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, at string
		ok       bool
	}{
		{"$.a.b", `"b": 1`, true},
		{"$.a.b.c", `"b.c"`, true},
		{`$.a["b.c"]`, `"b.c"`, true},
		{`$["x y"][1].z`, `"z"`, true},
		{`$.x y[0]`, `3`, true},
		{"$.a.nothing.more", `"a"`, false},
		{`$["x y"][7]`, `"x y"`, false},
		{`$["unclosed`, `{`, false},
		{"", "{", true},
	} {
		offset, ok := doc.Find(c.path)
		if ok != c.ok || !strings.HasPrefix(string(doc.Text[offset:]), c.at) {
			t.Errorf("%s leads to %q, %v; want %q, %v", c.path, doc.Text[offset:], ok, c.at, c.ok)
		}
	}
}

func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"deep":   strings.Repeat("[", 1<<20),
		"deeper": strings.Repeat(`{"a":`, 1000),
		"many":   "[" + strings.Repeat("[],", jsonfile.MaxValues) + "1]",
		"number": "1" + strings.Repeat("0", 400),
		"key":    `{"\u0000": 1}`,
		"utf16":  "\xFF\xFE{\x00}\x00",
		"hidden": "{\"a\": \"\x01\"}",
	} {
		if _, err := jsonfile.Parse([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := jsonfile.Parse([]byte(strings.Repeat("[", 200) + "1" + strings.Repeat("]", 200))); err != nil {
		t.Errorf("200 levels: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a": [1, true, null, "x\u00e9\ud83d\ude00"]}`, "\uFEFF{} // c", `{"$oid": "5f0000000000000000000000"}`, `[1,]`, `{"$date": {"$numberLong": "1"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := jsonfile.Parse(text)
		if err != nil {
			return
		}
		raw, _ := doc.Root.BSON()
		if err := raw.Validate(); err != nil {
			t.Errorf("%q has invalid BSON: %v", text, err)
		}
		if json.Valid(text) != true && len(doc.Notes) == 0 && !strings.HasPrefix(string(text), "\uFEFF") {
			t.Errorf("%q is no JSON and was accepted without a note", text)
		}
		doc.Position(len(text) + 1)
		doc.Find(string(text))
	})
}
