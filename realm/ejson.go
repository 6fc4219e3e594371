package realm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// encode returns doc, a document, as canonical extended JSON: what realm-web
// sends, and what every server reads without guessing a number's type.
func encode(doc any) ([]byte, error) {
	out, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil {
		return nil, fmt.Errorf("realm: cannot encode the arguments: %w", err)
	}
	return out, nil
}

// boxed lets a value of any JSON type stand at the top, where BSON only knows
// documents.
type boxed[T any] struct {
	V T `bson:"v"`
}

var (
	boxHead = []byte(`{"v":`)
	boxTail = []byte(`}`)
)

// decode reads one value of canonical or relaxed extended JSON into T. Null
// and undefined give T's zero value. Untyped documents become bson.M, arrays
// bson.A, unless T is a bson.D or bson.Raw, which keep the order of fields.
func decode[T any](body []byte) (T, error) { return decodeOrdered[T](body, keepsOrder[T]()) }

// decodeOrdered is decode for a T that may contain the caller's type: with
// ordered, untyped documents stay bson.D.
func decodeOrdered[T any](body []byte, ordered bool) (T, error) {
	var box boxed[T]
	// The check keeps text such as `1, "v": 2` from reaching outside the box,
	// and bounds the nesting before the driver's reader sees it.
	if !json.Valid(body) {
		return box.V, fmt.Errorf("%w: %q", ErrMalformedJSON, snippet(body))
	}
	text := make([]byte, 0, len(boxHead)+len(body)+len(boxTail))
	text = append(append(append(text, boxHead...), body...), boxTail...)
	r, err := bson.NewExtJSONValueReader(bytes.NewReader(text), false)
	if err != nil {
		return box.V, fmt.Errorf("%w: %w", ErrBadBSON, err)
	}
	d := bson.NewDecoder(r)
	if !ordered {
		d.DefaultDocumentM()
	}
	if err := d.Decode(&box); err != nil {
		var zero T
		return zero, fmt.Errorf("%w as %T: %w", ErrBadBSON, zero, err)
	}
	if _, ok := any(box.V).(bson.Undefined); ok {
		var zero T
		return zero, nil
	}
	return box.V, nil
}

// keepsOrder reports whether T asks for documents with their order of fields.
func keepsOrder[T any]() bool {
	switch any((*T)(nil)).(type) {
	case *bson.D, *[]bson.D, **bson.D:
		return true
	}
	return false
}

// decodeRaw reads a document of extended JSON as BSON bytes.
func decodeRaw(body []byte) (bson.Raw, error) {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	return decode[bson.Raw](body)
}

// rawAs decodes a BSON document into T; an absent one gives the zero value.
func rawAs[T any](doc bson.Raw) (T, error) {
	var out T
	if doc == nil {
		return out, nil
	}
	d := bson.NewDecoder(bson.NewDocumentReader(bytes.NewReader(doc)))
	if !keepsOrder[T]() {
		d.DefaultDocumentM()
	}
	if err := d.Decode(&out); err != nil {
		var zero T
		return zero, fmt.Errorf("%w as %T: %w", ErrBadBSON, zero, err)
	}
	return out, nil
}

// snippet is the start of an answer, for an error message.
func snippet(body []byte) string {
	const limit = 120
	if len(body) > limit {
		return string(bytes.ToValidUTF8(body[:limit], nil)) + "…"
	}
	return string(bytes.ToValidUTF8(body, nil))
}
