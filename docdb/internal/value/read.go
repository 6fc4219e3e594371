package value

import (
	"bytes"
	"encoding/binary"
	"math"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// IsMissing reports whether v stands for no value.
func IsMissing(v bson.RawValue) bool { return v.Type == 0 }

// IsNullish reports whether v is missing, null or undefined.
func IsNullish(v bson.RawValue) bool {
	return v.Type == 0 || v.Type == bson.TypeNull || v.Type == bson.TypeUndefined
}

// IsNumber reports whether v is an int32, int64, double or decimal.
func IsNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return ok(v)
	}
	return false
}

// IsDoc reports whether v is a document.
func IsDoc(v bson.RawValue) bool { return v.Type == bson.TypeEmbeddedDocument }

// IsArray reports whether v is an array.
func IsArray(v bson.RawValue) bool { return v.Type == bson.TypeArray }

// Text returns the text of a string, symbol or code value without copying; ok is false for any other type.
func Text(v bson.RawValue) (s string, isText bool) {
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		b := textBytes(v)
		return unsafe.String(unsafe.SliceData(b), len(b)), true
	}
	return "", false
}

// textBytes returns the bytes of a string, symbol or code value.
func textBytes(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	return v.Value[4 : len(v.Value)-1]
}

// Bool returns a boolean's value; ok is false for any other type.
func Bool(v bson.RawValue) (b, isBool bool) {
	if v.Type != bson.TypeBoolean || len(v.Value) != 1 {
		return false, false
	}
	return v.Value[0] != 0, true
}

// Truthy is MongoDB's reading of a value as a condition: false, null, undefined, missing and zero are false, all else is true.
func Truthy(v bson.RawValue) bool {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean:
		b, _ := Bool(v)
		return b
	case bson.TypeInt32:
		return int32Of(v) != 0
	case bson.TypeInt64:
		return int64Of(v) != 0
	case bson.TypeDouble:
		return doubleOf(v) != 0
	case bson.TypeDecimal128:
		return !decimalOf(v).IsZero()
	}
	return true
}

// Millis returns a date's milliseconds since 1970; ok is false for any other type.
func Millis(v bson.RawValue) (ms int64, isDate bool) {
	if v.Type != bson.TypeDateTime || len(v.Value) != 8 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(v.Value)), true
}

// RegexParts returns a regular expression's pattern and options without copying.
func RegexParts(v bson.RawValue) (pattern, options string, isRegex bool) {
	if v.Type != bson.TypeRegex {
		return "", "", false
	}
	p := bytes.IndexByte(v.Value, 0)
	if p < 0 || p+1 >= len(v.Value) {
		return "", "", false
	}
	o := v.Value[p+1 : len(v.Value)-1]
	return unsafe.String(unsafe.SliceData(v.Value), p), unsafe.String(unsafe.SliceData(o), len(o)), true
}

// BinaryParts returns a binary value's subtype and bytes without copying. For the old subtype 2 the inner length is left out.
func BinaryParts(v bson.RawValue) (subtype byte, data []byte, isBinary bool) {
	if v.Type != bson.TypeBinary || len(v.Value) < 5 {
		return 0, nil, false
	}
	subtype, data = v.Value[4], v.Value[5:]
	if subtype == 2 && len(data) >= 4 {
		data = data[4:]
	}
	return subtype, data, true
}

func codeParts(v bson.RawValue) (code, scope []byte) {
	if len(v.Value) < 14 {
		return nil, nil
	}
	n := int(int32(binary.LittleEndian.Uint32(v.Value[4:])))
	if n < 1 || 8+n > len(v.Value) {
		return nil, nil
	}
	return v.Value[8 : 8+n-1], v.Value[8+n:]
}

func int32Of(v bson.RawValue) int32 {
	if len(v.Value) < 4 {
		return 0
	}
	return int32(binary.LittleEndian.Uint32(v.Value))
}

func int64Of(v bson.RawValue) int64 {
	if len(v.Value) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(v.Value))
}

func doubleOf(v bson.RawValue) float64 {
	if len(v.Value) < 8 {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
}
