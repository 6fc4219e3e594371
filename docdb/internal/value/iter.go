package value

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Iter walks the elements of a document or array in order without allocating.
//
//	it := value.Over(doc)
//	for it.Next() {
//		use(it.Key(), it.Value())
//	}
//
// It ends at the first malformed element; Bad tells whether it did.
type Iter struct {
	rest []byte
	key  []byte
	val  bson.RawValue
	bad  bool
}

// Over returns an iterator over a document or array.
func Over(doc []byte) Iter {
	if len(doc) < 5 {
		return Iter{bad: len(doc) != 0}
	}
	n := int(int32(binary.LittleEndian.Uint32(doc)))
	if n < 5 || n > len(doc) {
		return Iter{bad: true}
	}
	return Iter{rest: doc[4:n]}
}

// OverValue returns an iterator over the members of a value that is a document or array, over nothing for any other.
func OverValue(v bson.RawValue) Iter {
	if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
		return Over(v.Value)
	}
	return Iter{}
}

// Next moves to the next element and reports whether there is one.
func (it *Iter) Next() bool {
	b := it.rest
	if len(b) == 0 || b[0] == 0 {
		if len(b) != 1 && b != nil {
			it.bad = true
		}
		it.rest = nil
		return false
	}
	// Names are short: a loop beats a call.
	end := 1
	for end < len(b) && b[end] != 0 {
		end++
	}
	if end == len(b) {
		it.bad, it.rest = true, nil
		return false
	}
	t := bson.Type(b[0])
	body := b[end+1:]
	n := size(t, body)
	if n < 0 {
		it.bad, it.rest = true, nil
		return false
	}
	it.key = b[1:end]
	it.val.Type = t
	it.val.Value = body[:n:n]
	it.rest = body[n:]
	return true
}

// Key returns the element's name. It shares the document's memory: copy it (strings.Clone) to keep it longer.
func (it *Iter) Key() string { return unsafe.String(unsafe.SliceData(it.key), len(it.key)) }

// Value returns the element's value, which shares the document's memory.
func (it *Iter) Value() bson.RawValue { return it.val }

// Bad reports whether the walk ended at malformed bytes.
func (it *Iter) Bad() bool { return it.bad }

// fixedSize has one more than the number of bytes of each type whose values are all equally long, 0 for others.
var fixedSize = [256]uint8{
	bson.TypeDouble: 9, bson.TypeDateTime: 9, bson.TypeTimestamp: 9, bson.TypeInt64: 9, bson.TypeInt32: 5, bson.TypeBoolean: 2,
	bson.TypeNull: 1, bson.TypeUndefined: 1, bson.TypeMinKey: 1, bson.TypeMaxKey: 1, bson.TypeObjectID: 13, bson.TypeDecimal128: 17,
}

// size returns the number of bytes that a value of type t takes at the start of b, -1 if it does not fit.
func size(t bson.Type, b []byte) int {
	if n := int(fixedSize[t]) - 1; n >= 0 {
		if n > len(b) {
			return -1
		}
		return n
	}
	return variableSize(t, b)
}

func variableSize(t bson.Type, b []byte) int {
	switch t {
	case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol:
		l, ok := length(b)
		if !ok || l < 1 || l > len(b)-4 || b[4+l-1] != 0 {
			return -1
		}
		return 4 + l
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		l, ok := length(b)
		if !ok || l < 5 || l > len(b) || b[l-1] != 0 {
			return -1
		}
		return l
	case bson.TypeBinary:
		l, ok := length(b)
		if !ok || l < 0 || l > len(b)-5 {
			return -1
		}
		return 5 + l
	case bson.TypeRegex:
		p := bytes.IndexByte(b, 0)
		if p < 0 {
			return -1
		}
		o := bytes.IndexByte(b[p+1:], 0)
		if o < 0 {
			return -1
		}
		return p + 1 + o + 1
	case bson.TypeDBPointer:
		l, ok := length(b)
		if !ok || l < 1 || l > len(b)-16 || b[4+l-1] != 0 {
			return -1
		}
		return 4 + l + 12
	case bson.TypeCodeWithScope:
		l, ok := length(b)
		if !ok || l < 14 || l > len(b) {
			return -1
		}
		s, ok := length(b[4:])
		if !ok || s < 1 || s > l-13 || b[8+s-1] != 0 {
			return -1
		}
		d, ok := length(b[8+s:])
		if !ok || d != l-8-s || d < 5 || b[l-1] != 0 {
			return -1
		}
		return l
	}
	return -1
}

func length(b []byte) (int, bool) {
	if len(b) < 4 {
		return 0, false
	}
	return int(int32(binary.LittleEndian.Uint32(b))), true
}

// Lookup returns the value of the first member called name, a missing value when there is none. It does not look into nested
// documents: name may hold dots.
func Lookup(doc []byte, name string) bson.RawValue {
	if len(doc) < 5 {
		return bson.RawValue{}
	}
	n := int(int32(binary.LittleEndian.Uint32(doc)))
	if n < 5 || n > len(doc) {
		return bson.RawValue{}
	}
	// The name is compared before its end is looked for: most scans are about one field among many, and this is their inner loop.
	b := doc[4:n]
	for len(b) > 1 && b[0] != 0 {
		t := bson.Type(b[0])
		b = b[1:]
		if len(b) > len(name) && b[len(name)] == 0 && string(b[:len(name)]) == name {
			b = b[len(name)+1:]
			k := size(t, b)
			if k < 0 {
				break
			}
			return bson.RawValue{Type: t, Value: b[:k:k]}
		}
		end := 0
		for end < len(b) && b[end] != 0 {
			end++
		}
		if end == len(b) {
			break
		}
		b = b[end+1:]
		k := size(t, b)
		if k < 0 {
			break
		}
		b = b[k:]
	}
	return bson.RawValue{}
}

// Count returns the number of members of a document or array.
func Count(doc []byte) int {
	n := 0
	it := Over(doc)
	for it.Next() {
		n++
	}
	return n
}

// Index returns element i of an array, a missing value beyond its end. Elements are counted, their keys are not read.
func Index(arr []byte, i int) bson.RawValue {
	it := Over(arr)
	for ; it.Next(); i-- {
		if i == 0 {
			return it.val
		}
	}
	return bson.RawValue{}
}

// Elements returns the values of an array.
func Elements(arr []byte) []bson.RawValue {
	var out []bson.RawValue
	it := Over(arr)
	for it.Next() {
		out = append(out, it.val)
	}
	return out
}

// ArrayIndex parses a path part as an array index: digits only, no leading zero, below 2^31.
func ArrayIndex(part string) (int, bool) {
	if part == "" || len(part) > 10 || (part[0] == '0' && len(part) > 1) {
		return 0, false
	}
	for i := 0; i < len(part); i++ {
		if part[i] < '0' || part[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(part)
	if err != nil || n > 1<<31-1 {
		return 0, false
	}
	return n, true
}

// ok reports whether v's bytes are a whole value of its type, so that reading it cannot fail.
func ok(v bson.RawValue) bool { return size(v.Type, v.Value) == len(v.Value) }
