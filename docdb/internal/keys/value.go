package keys

import (
	"encoding/binary"
	"math"
	"math/big"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Type bytes; see the package documentation.
const (
	byteMinKey    = 10
	byteUndefined = 15
	byteNull      = 20
	byteNaN       = 30
	byteNumber    = 31
	byteString    = 60
	byteObject    = 70
	byteArray     = 80
	byteBinary    = 90
	byteObjectID  = 100
	byteFalse     = 110
	byteTrue      = 111
	byteDate      = 120
	byteTimestamp = 130
	byteRegex     = 140
	byteDBPointer = 150
	byteCode      = 160
	byteCodeScope = 170
	byteMaxKey    = 240
)

// Collator gives the sort key of a string under a collation. Equal strings have equal keys.
type Collator interface {
	AppendStringKey(dst []byte, s []byte) []byte
}

// AppendValue appends the ascending encoding of v; a zero v (missing) is written as null. A nil collator compares bytes.
func AppendValue(dst []byte, v bson.RawValue, c Collator) []byte {
	switch v.Type {
	case 0, bson.TypeNull:
		return append(dst, byteNull)
	case bson.TypeUndefined:
		return append(dst, byteUndefined)
	case bson.TypeMinKey:
		return append(dst, byteMinKey)
	case bson.TypeMaxKey:
		return append(dst, byteMaxKey)
	case bson.TypeInt32:
		if len(v.Value) < 4 {
			return append(dst, byteNull)
		}
		return appendDouble(dst, float64(int32(binary.LittleEndian.Uint32(v.Value))))
	case bson.TypeInt64:
		if len(v.Value) < 8 {
			return append(dst, byteNull)
		}
		return appendInt64(dst, int64(binary.LittleEndian.Uint64(v.Value)))
	case bson.TypeDouble:
		if len(v.Value) < 8 {
			return append(dst, byteNull)
		}
		return appendDouble(dst, math.Float64frombits(binary.LittleEndian.Uint64(v.Value)))
	case bson.TypeDecimal128:
		if len(v.Value) < 16 {
			return append(dst, byteNull)
		}
		return appendDecimal(dst, bson.NewDecimal128(binary.LittleEndian.Uint64(v.Value[8:]), binary.LittleEndian.Uint64(v.Value)))
	case bson.TypeString, bson.TypeSymbol:
		s := text(v.Value)
		dst = append(dst, byteString)
		if c != nil {
			s = c.AppendStringKey(nil, s)
		}
		return appendEscaped(dst, unsafe.String(unsafe.SliceData(s), len(s)))
	case bson.TypeEmbeddedDocument:
		return appendObject(append(dst, byteObject), v.Value, c)
	case bson.TypeArray:
		return appendArray(append(dst, byteArray), v.Value, c)
	case bson.TypeBinary:
		sub, b, _, _ := bsoncore.ReadBinary(v.Value)
		dst = append(dst, byteBinary)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
		dst = append(dst, sub)
		return append(dst, b...)
	case bson.TypeObjectID:
		if len(v.Value) < 12 {
			return append(dst, byteNull)
		}
		return append(append(dst, byteObjectID), v.Value[:12]...)
	case bson.TypeBoolean:
		if len(v.Value) > 0 && v.Value[0] != 0 {
			return append(dst, byteTrue)
		}
		return append(dst, byteFalse)
	case bson.TypeDateTime:
		if len(v.Value) < 8 {
			return append(dst, byteNull)
		}
		return binary.BigEndian.AppendUint64(append(dst, byteDate), binary.LittleEndian.Uint64(v.Value)^(1<<63))
	case bson.TypeTimestamp:
		if len(v.Value) < 8 {
			return append(dst, byteNull)
		}
		return binary.BigEndian.AppendUint64(append(dst, byteTimestamp), binary.LittleEndian.Uint64(v.Value))
	case bson.TypeRegex:
		p, o, _, _ := bsoncore.ReadRegex(v.Value)
		return appendEscaped(appendEscaped(append(dst, byteRegex), p), o)
	case bson.TypeDBPointer:
		ns, id, _, _ := bsoncore.ReadDBPointer(v.Value)
		return append(appendEscaped(append(dst, byteDBPointer), ns), id[:]...)
	case bson.TypeJavaScript:
		s, _, _ := bsoncore.ReadJavaScript(v.Value)
		return appendEscaped(append(dst, byteCode), s)
	case bson.TypeCodeWithScope:
		code, scope, _, _ := bsoncore.ReadCodeWithScope(v.Value)
		return appendObject(appendEscaped(append(dst, byteCodeScope), code), scope, c)
	}
	return append(dst, byteNull)
}

// AppendField appends v as a field of an index key, inverted when the field is descending.
func AppendField(dst []byte, v bson.RawValue, desc bool, c Collator) []byte {
	n := len(dst)
	dst = AppendValue(dst, v, c)
	if desc {
		Invert(dst[n:])
	}
	return dst
}

// AppendUndefined appends the key of an empty array on an indexed path, which sorts before null.
func AppendUndefined(dst []byte, desc bool) []byte {
	if desc {
		return append(dst, 255-byteUndefined)
	}
	return append(dst, byteUndefined)
}

// Invert turns an ascending encoding into a descending one, in place.
func Invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// text is the text of a string value: a length, the bytes, a zero.
func text(v []byte) []byte {
	if len(v) < 5 {
		return nil
	}
	return v[4 : len(v)-1]
}

func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, 0x00, 0xFF)
			start = i + 1
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, 0x00, 0x01)
}

// CanonicalByte is the type byte under which a value of type t sorts, the same for all numbers and both booleans.
func CanonicalByte(t bson.Type) byte {
	switch t {
	case bson.TypeUndefined:
		return byteUndefined
	case bson.TypeMinKey:
		return byteMinKey
	case bson.TypeMaxKey:
		return byteMaxKey
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return byteNaN
	case bson.TypeString, bson.TypeSymbol:
		return byteString
	case bson.TypeEmbeddedDocument:
		return byteObject
	case bson.TypeArray:
		return byteArray
	case bson.TypeBinary:
		return byteBinary
	case bson.TypeObjectID:
		return byteObjectID
	case bson.TypeBoolean:
		return byteFalse
	case bson.TypeDateTime:
		return byteDate
	case bson.TypeTimestamp:
		return byteTimestamp
	case bson.TypeRegex:
		return byteRegex
	case bson.TypeDBPointer:
		return byteDBPointer
	case bson.TypeJavaScript:
		return byteCode
	case bson.TypeCodeWithScope:
		return byteCodeScope
	}
	return byteNull
}

// TypeRange is the range of ascending encodings of all values that compare with a value of type t: [low, high).
func TypeRange(t bson.Type) (low, high byte) {
	switch b := CanonicalByte(t); b {
	case byteNaN:
		return byteNaN, byteNumber + 1
	case byteFalse:
		return byteFalse, byteTrue + 1
	default:
		return b, b + 1
	}
}

func appendObject(dst, doc []byte, c Collator) []byte {
	rem := elements(doc)
	for len(rem) > 0 {
		e, rest, ok := bsoncore.ReadElement(rem)
		if !ok {
			break
		}
		rem = rest
		v := e.Value()
		dst = append(dst, CanonicalByte(bson.Type(v.Type)))
		dst = appendEscaped(dst, e.Key())
		dst = AppendValue(dst, bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}, c)
	}
	return append(dst, 0x00)
}

func appendArray(dst, arr []byte, c Collator) []byte {
	rem := elements(arr)
	for len(rem) > 0 {
		e, rest, ok := bsoncore.ReadElement(rem)
		if !ok {
			break
		}
		rem = rest
		v := e.Value()
		dst = AppendValue(dst, bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}, c)
	}
	return append(dst, 0x00)
}

// elements is the part of a document between its length and its terminator.
func elements(doc []byte) []byte {
	if len(doc) < 5 {
		return nil
	}
	return doc[4 : len(doc)-1]
}

func orderedBits(f float64) uint64 {
	b := math.Float64bits(f)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func appendDouble(dst []byte, f float64) []byte {
	if f != f {
		return append(dst, byteNaN)
	}
	if f == 0 {
		f = 0 // -0 and 0 are one value
	}
	dst = append(dst, byteNumber)
	dst = binary.BigEndian.AppendUint64(dst, orderedBits(f))
	return append(dst, 0x00)
}

func appendInt64(dst []byte, i int64) []byte {
	f := float64(i)
	if -1<<53 <= i && i <= 1<<53 {
		return appendDouble(dst, f)
	}
	// f may have been rounded; 2^63 itself does not fit an int64.
	if f < 1<<63 && int64(f) == i {
		return appendDouble(dst, f)
	}
	if f >= 1<<63 || int64(f) > i {
		f = math.Nextafter(f, math.Inf(-1))
	}
	neg := i < 0
	return appendInexact(dst, f, neg, new(big.Int).Abs(big.NewInt(i)), 0)
}

func appendDecimal(dst []byte, d bson.Decimal128) []byte {
	if d.IsNaN() {
		return append(dst, byteNaN)
	}
	if s := d.IsInf(); s != 0 {
		return appendDouble(dst, math.Inf(s))
	}
	n, exp, err := d.BigInt()
	if err != nil {
		return append(dst, byteNaN)
	}
	if n.Sign() == 0 {
		return appendDouble(dst, 0)
	}
	// A value is compared with its floor exactly, as rationals; 10^6176 has 20,000 bits at most.
	r := new(big.Rat).SetInt(n)
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(exp))), nil)
	if exp >= 0 {
		r.Mul(r, new(big.Rat).SetInt(p))
	} else {
		r.Quo(r, new(big.Rat).SetInt(p))
	}
	f, exact := r.Float64()
	if exact {
		return appendDouble(dst, f)
	}
	switch {
	case math.IsInf(f, 1):
		f = math.MaxFloat64
	case math.IsInf(f, -1): // already the floor
	case new(big.Rat).SetFloat64(f).Cmp(r) > 0:
		f = math.Nextafter(f, math.Inf(-1))
	}
	if f == 0 {
		f = 0
	}
	return appendInexact(dst, f, n.Sign() < 0, new(big.Int).Abs(n), exp)
}

// appendInexact writes a number that is no double: its floor and then the number itself as digits × 10^exp, normalised to 34
// digits so that equal numbers have equal bytes.
func appendInexact(dst []byte, floor float64, neg bool, digits *big.Int, exp int) []byte {
	const width = 34
	s := digits.String()
	if len(s) < width {
		k := width - len(s)
		digits.Mul(digits, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(k)), nil))
		exp -= k
	}
	dst = append(dst, byteNumber)
	dst = binary.BigEndian.AppendUint64(dst, orderedBits(floor))
	dst = append(dst, 0x01)
	n := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exp+20000))
	var b [16]byte
	digits.FillBytes(b[:])
	dst = append(dst, b[:]...)
	if neg {
		Invert(dst[n:])
	}
	return dst
}

func abs(i int) int {
	if i < 0 {
		return -i
	}
	return i
}
