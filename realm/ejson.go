package realm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
)

// Extended JSON is read and written by way of BSON bytes. The driver has a
// reader of its own for it, which takes ten times as long and never ends if a
// field that the Go type lacks holds a value it cannot read, {"$oid": 5} or
// 1e999.

// encode returns doc, a document, as canonical extended JSON: what realm-web
// sends, and what every server reads without guessing a number's type.
func encode(doc any) ([]byte, error) {
	raw, err := bson.Marshal(doc)
	if err == nil {
		raw, err = ejson.Append(make([]byte, 0, 2*len(raw)), bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw})
	}
	if err != nil {
		return nil, fmt.Errorf("realm: cannot encode the arguments: %w", err)
	}
	return raw, nil
}

// boxed lets a value of any type stand at the top, where BSON only knows
// documents.
type boxed[T any] struct {
	V T `bson:"v"`
}

// box returns the document {"v": v}.
func box(v bson.RawValue) bson.Raw {
	size := 4 + 1 + len("v") + 1 + len(v.Value) + 1
	doc := binary.LittleEndian.AppendUint32(make([]byte, 0, size), uint32(size))
	doc = append(doc, byte(v.Type), 'v', 0)
	return append(append(doc, v.Value...), 0)
}

// decode reads one value of canonical or relaxed extended JSON into T. Null
// and undefined give T's zero value. Untyped documents become bson.M, arrays
// bson.A, unless T is a bson.D or bson.Raw, which keep the order of fields.
func decode[T any](body []byte) (T, error) { return decodeOrdered[T](body, keepsOrder[T]()) }

// decodeOrdered is decode for a T that may contain the caller's type: with
// ordered, untyped documents stay bson.D.
func decodeOrdered[T any](body []byte, ordered bool) (T, error) {
	var zero T
	v, err := parse(body)
	if err != nil {
		return zero, err
	}
	if v.Type == bson.TypeUndefined || v.Type == bson.TypeNull {
		return zero, nil
	}
	var out boxed[T]
	if err := decodeBSON(box(v), &out, ordered); err != nil {
		return zero, fmt.Errorf("%w as %T: %w", ErrBadBSON, zero, err)
	}
	return out.V, nil
}

// parse reads one value of extended JSON.
func parse(body []byte) (bson.RawValue, error) {
	v, err := ejson.Parse(body)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, ejson.ErrTooDeep), !json.Valid(body):
		return v, fmt.Errorf("%w: %q: %w", ErrMalformedJSON, snippet(body), err)
	}
	return v, fmt.Errorf("%w: %w", ErrBadBSON, err)
}

// decodeBSON decodes BSON bytes into the value that into points to.
func decodeBSON(doc bson.Raw, into any, ordered bool) error {
	d := bson.NewDecoder(bson.NewDocumentReader(bytes.NewReader(doc)))
	if !ordered {
		d.DefaultDocumentM()
	}
	return d.Decode(into)
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
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	doc, ok := v.DocumentOK()
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return doc, nil
}

// rawAs decodes a BSON document into T; an absent one gives the zero value.
func rawAs[T any](doc bson.Raw) (T, error) {
	var out T
	if doc == nil {
		return out, nil
	}
	if err := decodeBSON(doc, &out, keepsOrder[T]()); err != nil {
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
