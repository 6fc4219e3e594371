package wire

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// MaxDepth is how deep values nest that cross the border: what JavaScript may
// give (200), and the documents of commands around it.
const MaxDepth = 216

// ErrDamaged is returned for values that are cut short or contradict themselves.
var ErrDamaged = errors.New("a value is damaged")

// ErrDeep is returned for values that nest deeper than MaxDepth.
var ErrDeep = fmt.Errorf("a value nests deeper than %d levels", MaxDepth)

// Valid checks a value that comes from the other side through and through, so
// that nothing that reads it later finds a length that lies or runs out of stack.
func Valid(v bson.RawValue) error {
	if v.Type == 0 {
		return nil
	}
	return valid(bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value}, 0)
}

func valid(v bsoncore.Value, depth int) error {
	switch v.Type {
	case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
		return validDocument(v.Data, depth+1)
	case bsoncore.TypeCodeWithScope:
		_, scope, ok := v.CodeWithScopeOK()
		if !ok {
			return ErrDamaged
		}
		return validDocument(scope, depth+1)
	}
	if v.Validate() != nil {
		return ErrDamaged
	}
	return nil
}

func validDocument(b []byte, depth int) error {
	if depth > MaxDepth {
		return ErrDeep
	}
	n, rest, ok := bsoncore.ReadLength(b)
	if !ok || int(n) != len(b) || n < 5 || b[n-1] != 0 {
		return ErrDamaged
	}
	for rest = rest[:len(rest)-1]; len(rest) > 0; {
		var e bsoncore.Element
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return ErrDamaged
		}
		v, err := e.ValueErr()
		if err != nil {
			return ErrDamaged
		}
		if err := valid(v, depth); err != nil {
			return err
		}
	}
	return nil
}
