// Package ejson reads and writes single values of MongoDB Extended JSON. The
// protocol sends bare values of any type (client-api.md §1.16), the driver
// converts documents only.
package ejson

import (
	"bytes"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxDepth is the deepest nesting that Parse accepts.
const MaxDepth = 200

// ErrTooDeep is returned for text that nests deeper than MaxDepth.
var ErrTooDeep = errors.New("nested too deeply: at most 200 levels are allowed")

// Parse reads one value of canonical or relaxed Extended JSON. Plain integers
// become int32 where they fit, else int64; fractions become double.
func Parse(text []byte) (bson.RawValue, error) {
	if err := checkDepth(text); err != nil {
		return bson.RawValue{}, err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return bson.RawValue{}, errors.New("no value: the text is empty")
	}
	wrapped := make([]byte, 0, len(text)+6)
	wrapped = append(wrapped, `{"v":`...)
	wrapped = append(wrapped, text...)
	wrapped = append(wrapped, '}')
	var d bson.Raw
	if err := bson.UnmarshalExtJSON(wrapped, false, &d); err != nil {
		return bson.RawValue{}, err
	}
	elems, err := d.Elements()
	if err != nil {
		return bson.RawValue{}, err
	}
	// `1,"x":2` inside the wrapper would be a second member, not a value.
	if len(elems) != 1 {
		return bson.RawValue{}, errors.New("more than one value")
	}
	return elems[0].Value(), nil
}

// ParseDocument reads a document of Extended JSON.
func ParseDocument(text []byte) (bson.Raw, error) {
	v, err := Parse(text)
	if err != nil {
		return nil, err
	}
	d, ok := v.DocumentOK()
	if !ok {
		return nil, fmt.Errorf("expected an object, found %s", v.Type)
	}
	return d, nil
}

// Append appends v as canonical Extended JSON.
func Append(dst []byte, v bson.RawValue) ([]byte, error) {
	return appendValue(dst, v, true)
}

// AppendRelaxed appends v as relaxed Extended JSON.
func AppendRelaxed(dst []byte, v bson.RawValue) ([]byte, error) {
	return appendValue(dst, v, false)
}

func appendValue(dst []byte, v bson.RawValue, canonical bool) ([]byte, error) {
	if v.Type == bson.TypeEmbeddedDocument {
		t, err := bson.MarshalExtJSON(bson.Raw(v.Value), canonical, false)
		return append(dst, t...), err
	}
	t, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, canonical, false)
	if err != nil {
		return dst, err
	}
	// {"v":…}
	return append(dst, t[5:len(t)-1]...), nil
}

// checkDepth bounds the recursion of the reader before it starts.
func checkDepth(text []byte) error {
	depth := 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrTooDeep
			}
		case c == '}' || c == ']':
			// A closing bracket too many would end Parse's wrapper early.
			if depth--; depth < 0 {
				return errors.New("unexpected closing bracket")
			}
		}
	}
	return nil
}
