package realm

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// FuzzDecode: no text makes the reader panic or loop, accept what is not one JSON
// value, or fail with an error of another kind.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `1`, `"a\"b"`, `[1,{"a":"]"}]`, `1, "v": 2`, `1}`, `{"v":1}`, `{"$oid":"5f1a00000000000000000001"}`, `{"$date":{"$numberLong":"1"}}`,
		`{"$numberDecimal":"1e5"}`, `{"$binary":{"base64":"AQ==","subType":"04"}}`, `{"$regularExpression":{"pattern":"a","options":"i"}}`, `{"$undefined":true}`,
		`{"$code":"f","$scope":{}}`, `{"$dbPointer":{"$ref":"a","$id":{"$oid":"5f1a00000000000000000001"}}}`, `{"$timestamp":{"t":1,"i":2}}`, `"\\"`, `"\`, `{"a":1,}`, `[1 2]`, "\"\xff\"",
		`{"$uuid":"00000000-0000-0000-0000-000000000000"}`, `{"$minKey":1}`, `1e400`, `-`, `[[[[`, `]`, `{"":{"":1}}`, `1 "v"`, `tru`, `{"x":{"a":1e999}}`, `{"x":[1e999]}`, `{"x":{"a":99999999999999999999}}`, `{"x":{"a":"\ud800"}}`, `{"x":{"$oid":5}}`, `{"x":{"a":[{"b":[]},{}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decode[any](text)
		_, rawErr := decode[bson.RawValue](text)
		_, _ = decode[[]int](text)
		_, _ = decode[ChangeEvent[bson.D]](text)
		if err != nil {
			if !errors.Is(err, ErrMalformedJSON) && !errors.Is(err, ErrBadBSON) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Errorf("%q is not JSON, but was read as %v", text, v)
		}
		// BSON has no way to write a NUL in a field's name.
		if rawErr != nil && !bytes.Contains(text, []byte{0}) && !bytes.Contains(text, []byte(`\u0000`)) {
			t.Errorf("%q is %v, but as a raw value: %v", text, v, rawErr)
		}
	})
}
