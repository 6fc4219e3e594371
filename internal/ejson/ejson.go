// Package ejson reads and writes MongoDB Extended JSON: bare values of any type,
// as the protocol sends them (client-api.md §1.16), straight from text to BSON
// bytes and back.
//
// The driver's reader and writer convert whole documents through reflection at
// about ten times the cost; every request passes here twice. They remain the
// oracle in the tests, and the reader hands rare wrappers ($binary, $code …) to
// them.
package ejson

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxDepth is the deepest nesting that Parse accepts.
const MaxDepth = 200

// ErrTooDeep is returned for text that nests deeper than MaxDepth.
var ErrTooDeep = errors.New("nested too deeply: at most 200 levels are allowed")

// Parse reads one value of canonical or relaxed Extended JSON. Plain integers
// become int32 where they fit, else int64; fractions become double.
func Parse(text []byte) (bson.RawValue, error) {
	if !utf8.Valid(text) {
		return bson.RawValue{}, errors.New("the text is not UTF-8")
	}
	p := parser{text: text}
	p.space()
	if p.pos == len(text) {
		return bson.RawValue{}, errors.New("no value: the text is empty")
	}
	dst := make([]byte, 0, len(text))
	t, dst, err := p.value(dst, 0)
	if err != nil {
		return bson.RawValue{}, err
	}
	p.space()
	if p.pos != len(text) {
		return bson.RawValue{}, p.errorf("unexpected %q after the value", text[p.pos])
	}
	return bson.RawValue{Type: t, Value: dst}, nil
}

// ParseDocument reads a document of Extended JSON.
func ParseDocument(text []byte) (bson.Raw, error) {
	v, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, fmt.Errorf("expected an object, found %s", v.Type)
	}
	return bson.Raw(v.Value), nil
}

// Append appends v as canonical Extended JSON.
func Append(dst []byte, v bson.RawValue) ([]byte, error) {
	return appendValue(dst, v.Type, v.Value, true, 0)
}

// AppendRelaxed appends v as relaxed Extended JSON.
func AppendRelaxed(dst []byte, v bson.RawValue) ([]byte, error) {
	return appendValue(dst, v.Type, v.Value, false, 0)
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte { return appendQuoted(dst, []byte(s)) }
