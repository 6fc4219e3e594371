package value

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxDepth is the deepest nesting that Validate accepts in a message (mongo-engine.md §3.6).
const MaxDepth = 200

// MaxStoredDepth is the deepest nesting of a stored document.
const MaxStoredDepth = 100

// ErrTooDeep is returned by Validate for a document nested deeper than allowed.
var ErrTooDeep = errors.New("document is nested too deeply")

// Validate checks that doc is well-formed BSON at every level and nested at most maxDepth deep.
func Validate(doc []byte, maxDepth int) error {
	if n, ok := length(doc); !ok || n != len(doc) || n < 5 || doc[n-1] != 0 {
		return errors.New("invalid BSON: the length of a document does not match its bytes")
	}
	if maxDepth <= 0 {
		return ErrTooDeep
	}
	it := Over(doc)
	for it.Next() {
		v := it.val
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if err := Validate(v.Value, maxDepth-1); err != nil {
				return err
			}
		case bson.TypeCodeWithScope:
			_, scope := codeParts(v)
			if err := Validate(scope, maxDepth-1); err != nil {
				return err
			}
		case bson.TypeBoolean:
			if v.Value[0] > 1 {
				return fmt.Errorf("invalid BSON: a boolean with value %d", v.Value[0])
			}
		}
	}
	if it.bad {
		return errors.New("invalid BSON: a malformed element")
	}
	return nil
}

// Depth returns how deeply documents and arrays are nested in doc, 1 for a flat document.
func Depth(doc []byte) int {
	d := 0
	it := Over(doc)
	for it.Next() {
		if it.val.Type == bson.TypeEmbeddedDocument || it.val.Type == bson.TypeArray {
			d = max(d, Depth(it.val.Value))
		}
	}
	return d + 1
}
