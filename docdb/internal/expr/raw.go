package expr

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// le reads and writes BSON's byte order.
var le = binary.LittleEndian

// sizeOf returns the number of bytes that a value of type t at the start of b occupies, or -1 when b is too short or the type
// is unknown.
func sizeOf(t bson.Type, b []byte) int {
	n := -1
	switch t {
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		n = 8
	case bson.TypeInt32:
		n = 4
	case bson.TypeBoolean:
		n = 1
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		n = 0
	case bson.TypeObjectID:
		n = 12
	case bson.TypeDecimal128:
		n = 16
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		n = prefixed(b, 4, 1)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		n = prefixed(b, 0, 5)
	case bson.TypeCodeWithScope:
		n = prefixed(b, 0, 14)
	case bson.TypeBinary:
		n = prefixed(b, 5, 0)
	case bson.TypeDBPointer:
		if n = prefixed(b, 4, 1); n >= 0 {
			n += 12
		}
	case bson.TypeRegex:
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return -1
		}
		j := bytes.IndexByte(b[i+1:], 0)
		if j < 0 {
			return -1
		}
		n = i + j + 2
	}
	if n > len(b) {
		return -1
	}
	return n
}

// prefixed reads a length prefix at b, checks that it is at least least, and returns it plus extra.
func prefixed(b []byte, extra, least int) int {
	if len(b) < 4 {
		return -1
	}
	l := int(int32(le.Uint32(b)))
	if l < least || l > len(b) {
		return -1
	}
	return l + extra
}

// Lookup returns the first member of doc with the given name; missing when there is none or doc is malformed before it.
func Lookup(doc []byte, name string) bson.RawValue {
	if len(doc) < 5 {
		return bson.RawValue{}
	}
	b := doc[4:]
	for len(b) > 1 && b[0] != 0 {
		t := bson.Type(b[0])
		b = b[1:]
		var end int
		hit := len(b) > len(name) && b[len(name)] == 0 && string(b[:len(name)]) == name
		if hit {
			end = len(name)
		} else if end = bytes.IndexByte(b, 0); end < 0 {
			break
		}
		b = b[end+1:]
		n := sizeOf(t, b)
		if n < 0 {
			break
		}
		if hit {
			return bson.RawValue{Type: t, Value: b[:n:n]}
		}
		b = b[n:]
	}
	return bson.RawValue{}
}

// Members walks the members of a document or the elements of an array without allocating. It ends early on malformed bytes.
type Members struct{ rest []byte }

// Each returns a walk over the members of doc (a document or an array, raw).
func Each(doc []byte) Members {
	if len(doc) < 5 {
		return Members{}
	}
	return Members{rest: doc[4:]}
}

// Next returns the next member's name and value; ok is false at the end. The name aliases the document.
func (m *Members) Next() (name []byte, v bson.RawValue, ok bool) {
	b := m.rest
	if len(b) < 2 || b[0] == 0 {
		return nil, bson.RawValue{}, false
	}
	t := bson.Type(b[0])
	end := bytes.IndexByte(b[1:], 0)
	if end < 0 {
		m.rest = nil
		return nil, bson.RawValue{}, false
	}
	name = b[1 : 1+end]
	b = b[end+2:]
	n := sizeOf(t, b)
	if n < 0 {
		m.rest = nil
		return nil, bson.RawValue{}, false
	}
	m.rest = b[n:]
	return name, bson.RawValue{Type: t, Value: b[:n:n]}, true
}

// count returns the number of members of doc.
func count(doc []byte) int {
	n := 0
	for it := Each(doc); ; n++ {
		if _, _, ok := it.Next(); !ok {
			return n
		}
	}
}

// elementAt returns the element of an array at index i (from 0), missing when out of range.
func elementAt(arr []byte, i int) bson.RawValue {
	it := Each(arr)
	for {
		_, v, ok := it.Next()
		if !ok {
			return bson.RawValue{}
		}
		if i == 0 {
			return v
		}
		i--
	}
}

// Missing reports whether v is "no such field".
func Missing(v bson.RawValue) bool { return v.Type == 0 }

// Nullish reports whether v is missing, null or undefined: what most expressions answer with null.
func Nullish(v bson.RawValue) bool {
	return v.Type == 0 || v.Type == bson.TypeNull || v.Type == bson.TypeUndefined
}

// isNumber reports whether v is one of the four numeric types.
func isNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// stringBytes returns the bytes of a string, symbol or code value.
func stringBytes(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	return v.Value[4 : len(v.Value)-1]
}

// Clone copies v's bytes so that it outlives the document and the arena.
func Clone(v bson.RawValue) bson.RawValue {
	return bson.RawValue{Type: v.Type, Value: bytes.Clone(v.Value)}
}
