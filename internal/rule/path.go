package rule

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// iter walks the elements of a raw document without allocating. Malformed bytes
// end it with bad set.
type iter struct {
	rest    []byte
	key     []byte
	value   bson.RawValue
	element []byte // type, key and value as stored
	bad     bool
}

func newIter(doc []byte) iter {
	if len(doc) < 5 || int(binary.LittleEndian.Uint32(doc)) > len(doc) {
		return iter{bad: len(doc) > 0}
	}
	return iter{rest: doc[4:binary.LittleEndian.Uint32(doc)]}
}

func (it *iter) next() bool {
	if len(it.rest) == 0 || it.rest[0] == 0 {
		return false
	}
	t := it.rest[0]
	i := 1
	for i < len(it.rest) && it.rest[i] != 0 {
		i++
	}
	if i >= len(it.rest) {
		it.bad, it.rest = true, nil
		return false
	}
	it.key = it.rest[1:i]
	v, rest, ok := bsoncore.ReadValue(it.rest[i+1:], bsoncore.Type(t))
	if !ok {
		it.bad, it.rest = true, nil
		return false
	}
	it.value = bson.RawValue{Type: bson.Type(t), Value: v.Data}
	it.element = it.rest[:len(it.rest)-len(rest)]
	it.rest = rest
	return true
}

// lookup finds a field of a raw document.
func lookup(doc []byte, key string) (bson.RawValue, bool) {
	it := newIter(doc)
	for it.next() {
		if string(it.key) == key {
			return it.value, true
		}
	}
	return bson.RawValue{}, false
}

// arrayIndex reads a path component as an array index, as MongoDB does: digits
// without a leading zero.
func arrayIndex(s string) (int, bool) {
	if len(s) == 0 || len(s) > 7 || (len(s) > 1 && s[0] == '0') {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// single follows path through documents only. ok is false when an array is in
// the way and the path may therefore reach several values; see gather.
func single(base bson.RawValue, path []string) (v bson.RawValue, ok bool) {
	v = base
	for _, name := range path {
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			v, _ = lookup(v.Value, name)
		case bson.TypeArray:
			return bson.RawValue{}, false
		default:
			return bson.RawValue{}, true
		}
	}
	return v, true
}

// gather collects every value that path reaches below base: documents by name,
// arrays by index and through each of their documents (MongoDB's path rules).
func gather(dst []bson.RawValue, base bson.RawValue, path []string) []bson.RawValue {
	if len(path) == 0 {
		if !isMissing(base) {
			dst = append(dst, base)
		}
		return dst
	}
	switch base.Type {
	case bson.TypeEmbeddedDocument:
		if v, ok := lookup(base.Value, path[0]); ok {
			dst = gather(dst, v, path[1:])
		}
	case bson.TypeArray:
		index, numeric := arrayIndex(path[0])
		n := 0
		for it := newIter(base.Value); it.next(); n++ {
			if numeric && n == index {
				dst = gather(dst, it.value, path[1:])
			}
			// Documents inside the array are entered; arrays inside it are not.
			if it.value.Type == bson.TypeEmbeddedDocument {
				dst = gather(dst, it.value, path)
			}
		}
	}
	return dst
}

// comparison is one test against the values that a path reaches.
type comparison struct {
	op    operator
	right bson.RawValue
}

// any tells whether some value that path reaches below base passes the test.
func (c *comparison) any(base bson.RawValue, path []string) bool {
	if len(path) == 0 {
		return c.test(base)
	}
	switch base.Type {
	case bson.TypeEmbeddedDocument:
		v, ok := lookup(base.Value, path[0])
		return ok && c.any(v, path[1:])
	case bson.TypeArray:
		index, numeric := arrayIndex(path[0])
		n := 0
		for it := newIter(base.Value); it.next(); n++ {
			if numeric && n == index && c.any(it.value, path[1:]) {
				return true
			}
			if it.value.Type == bson.TypeEmbeddedDocument && c.any(it.value, path) {
				return true
			}
		}
	}
	return false
}

// test applies the operator to one value. Negated operators are never asked
// here: their node negates the positive one.
func (c *comparison) test(v bson.RawValue) bool {
	if isMissing(v) {
		return false
	}
	switch c.op {
	case opExists:
		return true
	case opEq:
		return equalOrContains(v, c.right)
	case opIn:
		if c.right.Type != bson.TypeArray {
			return false
		}
		for it := newIter(c.right.Value); it.next(); {
			if equalsIn(v, it.value) {
				return true
			}
		}
		return false
	}
	if c.ordered(v) {
		return true
	}
	if v.Type == bson.TypeArray {
		for it := newIter(v.Value); it.next(); {
			if c.ordered(it.value) {
				return true
			}
		}
	}
	return false
}

func (c *comparison) ordered(v bson.RawValue) bool {
	n, ok := compareScalars(v, c.right)
	if !ok {
		return false
	}
	// A NaN is neither above nor below anything.
	if classOf(v.Type) == classNumber && n != 0 && (isNaN(v) || isNaN(c.right)) {
		return false
	}
	switch c.op {
	case opGt:
		return n > 0
	case opGte:
		return n >= 0
	case opLt:
		return n < 0
	case opLte:
		return n <= 0
	}
	return false
}

func isNaN(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		f := v.Double()
		return f != f
	case bson.TypeDecimal128:
		return v.Decimal128().IsNaN()
	}
	return false
}

// Unfolded gives the values that a dotted path reaches in a document, arrays at
// its end unfolded once.
func Unfolded(doc bson.Raw, path string) []bson.RawValue {
	var out []bson.RawValue
	for _, v := range gather(nil, document(doc), strings.Split(path, ".")) {
		if v.Type != bson.TypeArray {
			out = append(out, v)
			continue
		}
		for it := newIter(v.Value); it.next(); {
			out = append(out, it.value)
		}
	}
	return out
}

// Distinct is a set of values under Equal.
type Distinct struct {
	exact  map[string]struct{}
	others []bson.RawValue // documents, arrays and decimals, compared one by one
}

// Add puts a value into the set and tells whether it is new.
func (s *Distinct) Add(v bson.RawValue) bool {
	if s.exact == nil {
		s.exact = map[string]struct{}{}
	}
	var key string
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		key = "n" + strconv.FormatInt(intOf(v), 10)
	case bson.TypeDouble:
		f := v.Double()
		if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
			key = "n" + strconv.FormatInt(int64(f), 10)
		} else {
			key = "f" + strconv.FormatFloat(f, 'g', -1, 64)
		}
	case bson.TypeDecimal128, bson.TypeEmbeddedDocument, bson.TypeArray:
		for _, o := range s.others {
			if Equal(o, v) {
				return false
			}
		}
		s.others = append(s.others, v)
		if v.Type != bson.TypeDecimal128 {
			return true
		}
		d := exactOf(v)
		if d.kind == finite && d.rat.IsInt() && d.rat.Num().IsInt64() {
			key = "n" + d.rat.Num().String()
		} else {
			key = "d" + v.Decimal128().String()
		}
	default:
		key = string([]byte{byte(v.Type)}) + string(v.Value)
	}
	if _, ok := s.exact[key]; ok {
		return false
	}
	s.exact[key] = struct{}{}
	return true
}
