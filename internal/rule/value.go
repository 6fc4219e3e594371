package rule

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// class groups BSON types that compare with each other, as MongoDB brackets
// types in queries.
type class uint8

const (
	classNone class = iota
	classNumber
	classString
	classBool
	classDate
	classTimestamp
	classObjectID
	classBinary
	classNull
	classOther
)

func classOf(t bson.Type) class {
	switch t {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return classNumber
	case bson.TypeString, bson.TypeSymbol:
		return classString
	case bson.TypeBoolean:
		return classBool
	case bson.TypeDateTime:
		return classDate
	case bson.TypeTimestamp:
		return classTimestamp
	case bson.TypeObjectID:
		return classObjectID
	case bson.TypeBinary:
		return classBinary
	case bson.TypeNull:
		return classNull
	case 0:
		return classNone
	}
	return classOther
}

// isMissing tells a value that is not there: an absent field, or BSON undefined.
func isMissing(v bson.RawValue) bool { return v.Type == 0 || v.Type == bson.TypeUndefined }

// Equal tells whether a and b are the same value as rules understand it:
// numbers by value whatever their type, documents and arrays element by element
// in order, everything else by type and bytes. A missing value equals nothing.
func Equal(a, b bson.RawValue) bool {
	if isMissing(a) || isMissing(b) {
		return false
	}
	ca, cb := classOf(a.Type), classOf(b.Type)
	if ca != cb {
		return false
	}
	switch ca {
	case classNumber:
		if a.Type == b.Type && bytes.Equal(a.Value, b.Value) {
			return true
		}
		c, ok := compareNumbers(a, b)
		return ok && c == 0
	case classString:
		return bytes.Equal(a.Value, b.Value)
	case classOther:
		if a.Type != b.Type {
			return false
		}
		switch a.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			return equalDocuments(a.Value, b.Value, a.Type == bson.TypeArray)
		}
	}
	return a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}

// equalDocuments compares two documents (or arrays) field by field in order.
func equalDocuments(a, b []byte, array bool) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ia, ib := newIter(a), newIter(b)
	for {
		oka, okb := ia.next(), ib.next()
		if oka != okb {
			return false
		}
		if !oka {
			return !ia.bad && !ib.bad
		}
		if !array && !bytes.Equal(ia.key, ib.key) {
			return false
		}
		if !Equal(ia.value, ib.value) {
			return false
		}
	}
}

// compareScalars orders two values of one class; ok is false when they do not
// compare, which makes every ordering operator false.
func compareScalars(a, b bson.RawValue) (c int, ok bool) {
	k := classOf(a.Type)
	if k != classOf(b.Type) {
		return 0, false
	}
	switch k {
	case classNumber:
		return compareNumbers(a, b)
	case classString:
		return bytes.Compare(stringBytes(a), stringBytes(b)), true
	case classBool:
		return bytes.Compare(a.Value, b.Value), true
	case classDate:
		return compareInts(a.DateTime(), b.DateTime()), true
	case classTimestamp:
		ta, ia := a.Timestamp()
		tb, ib := b.Timestamp()
		if ta != tb {
			return compareInts(int64(ta), int64(tb)), true
		}
		return compareInts(int64(ia), int64(ib)), true
	case classObjectID:
		return bytes.Compare(a.Value, b.Value), true
	case classBinary:
		// MongoDB: length, then subtype, then bytes, which is the stored form
		// except for the byte order of the length.
		la, lb := binary.LittleEndian.Uint32(a.Value), binary.LittleEndian.Uint32(b.Value)
		if la != lb {
			return compareInts(int64(la), int64(lb)), true
		}
		return bytes.Compare(a.Value[4:], b.Value[4:]), true
	case classNull:
		return 0, true
	}
	return 0, false
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// stringBytes gives a string's content without copying it.
func stringBytes(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	return v.Value[4 : len(v.Value)-1]
}

// compareNumbers compares numbers of any types exactly. NaN equals NaN and is
// less than every other number, as in MongoDB.
func compareNumbers(a, b bson.RawValue) (int, bool) {
	if a.Type != bson.TypeDecimal128 && b.Type != bson.TypeDecimal128 {
		if a.Type != bson.TypeDouble && b.Type != bson.TypeDouble {
			return compareInts(intOf(a), intOf(b)), true
		}
		if a.Type == bson.TypeDouble && b.Type == bson.TypeDouble {
			return compareFloats(a.Double(), b.Double()), true
		}
		if a.Type == bson.TypeDouble {
			return -compareIntFloat(intOf(b), a.Double()), true
		}
		return compareIntFloat(intOf(a), b.Double()), true
	}
	x, y := exactOf(a), exactOf(b)
	switch {
	case x.kind != y.kind || x.kind != finite:
		return compareInts(int64(x.kind), int64(y.kind)), true
	}
	return x.rat.Cmp(y.rat), true
}

func intOf(v bson.RawValue) int64 {
	if v.Type == bson.TypeInt32 {
		return int64(v.Int32())
	}
	return v.Int64()
}

func compareFloats(a, b float64) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a):
		return -1
	case math.IsNaN(b):
		return 1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareIntFloat compares without the rounding of a conversion.
func compareIntFloat(i int64, f float64) int {
	switch {
	case math.IsNaN(f):
		return 1
	case f >= 1<<63:
		return -1
	case f < -(1 << 63):
		return 1
	}
	t := math.Trunc(f)
	if c := compareInts(i, int64(t)); c != 0 {
		return c
	}
	return compareFloats(0, f-t)
}

type numberKind int8

const (
	notANumber numberKind = iota
	negativeInfinity
	finite
	positiveInfinity
)

// exact is a number without rounding; only decimals need it.
type exact struct {
	kind numberKind
	rat  *big.Rat
}

func exactOf(v bson.RawValue) exact {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return exact{finite, new(big.Rat).SetInt64(intOf(v))}
	case bson.TypeDouble:
		f := v.Double()
		switch {
		case math.IsNaN(f):
			return exact{kind: notANumber}
		case math.IsInf(f, 1):
			return exact{kind: positiveInfinity}
		case math.IsInf(f, -1):
			return exact{kind: negativeInfinity}
		}
		return exact{finite, new(big.Rat).SetFloat64(f)}
	}
	d := v.Decimal128()
	if d.IsNaN() {
		return exact{kind: notANumber}
	}
	switch d.IsInf() {
	case 1:
		return exact{kind: positiveInfinity}
	case -1:
		return exact{kind: negativeInfinity}
	}
	m, exp, err := d.BigInt()
	if err != nil {
		return exact{kind: notANumber}
	}
	r := new(big.Rat).SetInt(m)
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		return exact{finite, r.Mul(r, new(big.Rat).SetInt(p))}
	}
	return exact{finite, r.Quo(r, new(big.Rat).SetInt(p))}
}

// equalOrContains is equality as rules define it (app-services.md §5.10): the
// values are equal, or one is an array that contains the other.
func equalOrContains(a, b bson.RawValue) bool {
	if Equal(a, b) {
		return true
	}
	return contains(a, b) || contains(b, a)
}

// contains tells whether array has an element equal to v; false for anything
// that is not an array.
func contains(array, v bson.RawValue) bool {
	if array.Type != bson.TypeArray {
		return false
	}
	it := newIter(array.Value)
	for it.next() {
		if Equal(it.value, v) {
			return true
		}
	}
	return false
}

// equalsIn is equality with an element of an $in list: equal, or an array that
// contains it. The list's own elements do not unfold.
func equalsIn(v, element bson.RawValue) bool { return Equal(v, element) || contains(v, element) }
