package ejson_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/ejson"
)

// TestRoundTrip lists texts and their canonical form.
func TestRoundTrip(t *testing.T) {
	cases := [][2]string{
		{`1`, `{"$numberInt":"1"}`},
		{` -0 `, `{"$numberInt":"0"}`},
		{`2147483647`, `{"$numberInt":"2147483647"}`},
		{`2147483648`, `{"$numberLong":"2147483648"}`},
		{`9223372036854775808`, `{"$numberDouble":"9.223372036854776E+18"}`},
		{`1.5`, `{"$numberDouble":"1.5"}`},
		{`1.0`, `{"$numberDouble":"1.0"}`},
		{`1e3`, `{"$numberDouble":"1000.0"}`},
		{`"bonjour"`, `"bonjour"`},
		{`"\u0041\n\"\\\/\ud83d\ude00\u0000"`, `"A\n\"\\/😀\u0000"`},
		{`"\ud83d"`, `"�"`},
		{`null`, `null`},
		{`true`, `true`},
		{`[]`, `[]`},
		{`{}`, `{}`},
		{`{"a":{"b":[1,"x",{}]},"a":2}`, `{"a":{"b":[{"$numberInt":"1"},"x",{}]},"a":{"$numberInt":"2"}}`},
		{`{"$set":{"a":1}}`, `{"$set":{"a":{"$numberInt":"1"}}}`},
		{`{"$undefined":true}`, `{"$undefined":true}`},
		{`{"$date":"2020-01-01T00:00:00Z"}`, `{"$date":{"$numberLong":"1577836800000"}}`},
		{`{"$date":{"$numberLong":"-5"}}`, `{"$date":{"$numberLong":"-5"}}`},
		{`{ "$date" : { "$numberLong" : "5" } }`, `{"$date":{"$numberLong":"5"}}`},
		{`{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}`, `{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}`},
		{`{"$numberDouble":"-0.0"}`, `{"$numberDouble":"-0.0"}`},
		{`{"$numberDouble":"NaN"}`, `{"$numberDouble":"NaN"}`},
		{`{"$numberDouble":"-Infinity"}`, `{"$numberDouble":"-Infinity"}`},
		{`{"$numberDecimal":"1.50"}`, `{"$numberDecimal":"1.50"}`},
		{`{"$minKey":1}`, `{"$minKey":1}`},
		{`{"$minKey":{"$numberInt":"1"}}`, `{"$minKey":1}`},
		{`{"$maxKey": {"$numberLong":"1"} }`, `{"$maxKey":1}`},
		{`{"$timestamp":{"t":{"$numberInt":"7"},"i":{"$numberLong":"4294967295"}}}`, `{"$timestamp":{"t":7,"i":4294967295}}`},
		{`{"$symbol":"s"}`, `{"$symbol":"s"}`},
		{`{"$timestamp":{"t":7,"i":8}}`, `{"$timestamp":{"t":7,"i":8}}`},
		{`{"$regularExpression":{"pattern":"^a\\d","options":"i"}}`, `{"$regularExpression":{"pattern":"^a\\d","options":"i"}}`},
		{`{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}}}`, `{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}}}`},
		{`{"$code":"f","$scope":{"a":{"$numberInt":"1"}}}`, `{"$code":"f","$scope":{"a":{"$numberInt":"1"}}}`},
		{`{"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"}`, `{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}`},
		{`{"$binary":{"base64":"AQID","subType":"02"}}`, `{"$binary":{"base64":"AQID","subType":"02"}}`},
	}
	for _, c := range cases {
		v, err := ejson.Parse([]byte(c[0]))
		if err != nil {
			t.Errorf("Parse(%s): %v", c[0], err)
			continue
		}
		got, err := ejson.Append(nil, v)
		if err != nil || string(got) != c[1] {
			t.Errorf("%s → %s, %v; want %s", c[0], got, err, c[1])
		}
	}
}

// TestRefused lists texts that are no single value.
func TestRefused(t *testing.T) {
	for _, text := range []string{
		``, ` `, `1,"x":2`, `1}`, `{`, `nope`, `nul`, `[1`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `01`, `1.`, `1e`, `-`, `+1`, `.5`,
		`"a`, `"\x"`, `"\u12"`, "\"\n\"", "\"\xff\"", `{"a\u0000b":1}`, `{"$oid":"xyz"}`, `{"$oid":1}`, `{"$numberInt":"99999999999"}`,
		`{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f","x":1}`, `{"$date":`, `{"$code":"`, `{"$binary":{"base64":"AQID\`, `tru`,
		`{"$minKey":2}`, `{"$minKey":{"$numberInt":"2"}}`, `{"$timestamp":{"t":-1,"i":1}}`, `{"$timestamp":{"t":{"$numberInt":"1"}}}`,
		`{"$numberDecimal":"` + strings.Repeat("1", 1<<20) + `"}`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat(`{"a":`, 300), `{"$code":"","$scope":` + strings.Repeat(`{"a":`, 300),
	} {
		if v, err := ejson.Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%.40q) = %v; want an error", text, v)
		}
	}
}

// TestRelaxed lists values in relaxed form.
func TestRelaxed(t *testing.T) {
	for _, c := range [][2]string{
		{`{"$numberLong":"5"}`, `5`},
		{`{"$numberDouble":"2.0"}`, `2.0`},
		{`{"$numberDouble":"NaN"}`, `{"$numberDouble":"NaN"}`},
		{`{"$date":{"$numberLong":"1577836800123"}}`, `{"$date":"2020-01-01T00:00:00.123Z"}`},
		{`{"$date":{"$numberLong":"-1"}}`, `{"$date":{"$numberLong":"-1"}}`},
	} {
		v, err := ejson.Parse([]byte(c[0]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ejson.AppendRelaxed(nil, v); err != nil || string(got) != c[1] {
			t.Errorf("%s → %s, %v; want %s", c[0], got, err, c[1])
		}
	}
}

// anyValue draws a BSON value of any type.
func anyValue(t *rapid.T, depth int) any {
	kinds := 17
	if depth > 3 {
		kinds = 15
	}
	text := rapid.StringMatching(`[a-z"\\\n%é😀$.]{0,6}`)
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.Int32().Draw(t, "int")
	case 1:
		return rapid.Int64().Draw(t, "long")
	case 2:
		f := rapid.Float64().Draw(t, "double")
		if math.IsNaN(f) {
			f = math.NaN()
		}
		return f
	case 3:
		return text.Draw(t, "string")
	case 4:
		return rapid.Bool().Draw(t, "bool")
	case 5:
		return nil
	case 6:
		return bson.NewObjectID()
	case 7:
		return bson.DateTime(rapid.Int64Range(-1e15, 1e15).Draw(t, "date"))
	case 8:
		return bson.Timestamp{T: rapid.Uint32().Draw(t, "t"), I: rapid.Uint32().Draw(t, "i")}
	case 9:
		return bson.Binary{Subtype: rapid.SampledFrom([]byte{0, 2, 4, 5, 128}).Draw(t, "subtype"), Data: rapid.SliceOfN(rapid.Byte(), 1, -1).Draw(t, "data")} // the driver misreads an empty old binary
	case 10:
		return bson.Regex{Pattern: text.Draw(t, "pattern"), Options: rapid.SampledFrom([]string{"", "i", "im"}).Draw(t, "options")}
	case 11:
		return rapid.SampledFrom([]any{bson.MinKey{}, bson.MaxKey{}, bson.Undefined{}}).Draw(t, "constant")
	case 12:
		return bson.NewDecimal128(rapid.Uint64Range(0, 0x3000000000000000).Draw(t, "high"), rapid.Uint64().Draw(t, "low"))
	case 13:
		return rapid.SampledFrom([]any{bson.Symbol("s"), bson.JavaScript("f()"), bson.DBPointer{DB: "a.b", Pointer: bson.NewObjectID()}}).Draw(t, "old")
	case 14:
		return bson.CodeWithScope{Code: bson.JavaScript(text.Draw(t, "code")), Scope: bson.D{{Key: "a", Value: int32(1)}}}
	case 15:
		var a bson.A
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			a = append(a, anyValue(t, depth+1))
		}
		return a
	default:
		d := bson.D{}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			// A first member that starts with $ would make a wrapper.
			d = append(d, bson.E{Key: "k" + text.Draw(t, "key"), Value: anyValue(t, depth+1)})
		}
		return d
	}
}

// TestOracle compares both directions with the driver's.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: anyValue(t, 0)}})
		if err != nil {
			t.Skip(err)
		}
		v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}
		for _, canonical := range []bool{true, false} {
			want, err := bson.MarshalExtJSON(bson.Raw(raw), canonical, false)
			if err != nil {
				t.Skip(err)
			}
			write := ejson.Append
			if !canonical {
				write = ejson.AppendRelaxed
			}
			got, err := write(nil, v)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("wrote %s, %v\nwant  %s", got, err, want)
			}
			var wantBack bson.Raw
			if err := bson.UnmarshalExtJSON(want, false, &wantBack); err != nil {
				t.Skip(err)
			}
			back, err := ejson.ParseDocument(want)
			if err != nil || !bytes.Equal(back, wantBack) {
				t.Fatalf("read %v, %v\nwant %v", back, err, wantBack)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"$date":0}]}`))
	f.Add([]byte(`{"$code":"\u00e9","$scope":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ejson.Parse(text)
		if err != nil {
			return
		}
		if err := v.Validate(); err != nil {
			t.Fatalf("invalid BSON of %q: %v", text, err)
		}
		out, err := ejson.Append(nil, v)
		if err != nil {
			t.Fatalf("could not write what %q gave: %v", text, err)
		}
		again, err := ejson.Parse(out)
		if err != nil || !bytes.Equal(again.Value, v.Value) || again.Type != v.Type {
			t.Fatalf("%q → %s → %v, %v", text, out, again, err)
		}
	})
}

func FuzzAppend(f *testing.F) {
	f.Add(byte(3), []byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		ejson.Append(nil, bson.RawValue{Type: bson.Type(kind), Value: b})
	})
}
