package ejson_test

import (
	"strings"
	"testing"

	"regent/internal/ejson"
)

// TestRoundTrip lists texts and their canonical form.
func TestRoundTrip(t *testing.T) {
	cases := [][2]string{
		{`1`, `{"$numberInt":"1"}`},
		{`4294967296`, `{"$numberLong":"4294967296"}`},
		{`1.5`, `{"$numberDouble":"1.5"}`},
		{`"bonjour"`, `"bonjour"`},
		{`null`, `null`},
		{`true`, `true`},
		{`[]`, `[]`},
		{`{}`, `{}`},
		{`{"$undefined":true}`, `{"$undefined":true}`},
		{`{"$date":"2020-01-01T00:00:00Z"}`, `{"$date":{"$numberLong":"1577836800000"}}`},
		{`{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}`, `{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"}`},
		{`{"$numberDouble":"-0.0"}`, `{"$numberDouble":"-0.0"}`},
		{`{"$numberDouble":"NaN"}`, `{"$numberDouble":"NaN"}`},
		{`{"$minKey":1}`, `{"$minKey":1}`},
		{`{"$symbol":"s"}`, `{"$symbol":"s"}`},
		{`{"$code":"f","$scope":{"a":{"$numberInt":"1"}}}`, `{"$code":"f","$scope":{"a":{"$numberInt":"1"}}}`},
		{`{"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"}`, `{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}`},
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
	for _, text := range []string{``, ` `, `1,"x":2`, `1}`, `{`, `nope`, `[1`, strings.Repeat("[", 300) + strings.Repeat("]", 300)} {
		if v, err := ejson.Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%.20q) = %v; want an error", text, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"$date":0}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ejson.Parse(text)
		if err != nil {
			return
		}
		if _, err := ejson.Append(nil, v); err != nil {
			t.Skip() // values that exist in BSON only
		}
	})
}
