package value

import (
	"encoding/binary"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Shared values that need no bytes of their own.
var (
	// Missing stands for no value.
	Missing = bson.RawValue{}
	// Null is BSON null.
	Null = bson.RawValue{Type: bson.TypeNull}
	// True and False are the booleans.
	True  = bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}}
	False = bson.RawValue{Type: bson.TypeBoolean, Value: []byte{0}}
	// EmptyArray and EmptyDoc have no members.
	EmptyArray = bson.RawValue{Type: bson.TypeArray, Value: []byte{5, 0, 0, 0, 0}}
	EmptyDoc   = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: []byte{5, 0, 0, 0, 0}}
)

// Int32 returns n as an int32 value.
func Int32(n int32) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt32, Value: binary.LittleEndian.AppendUint32(make([]byte, 0, 4), uint32(n))}
}

// Int64 returns n as an int64 value.
func Int64(n int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: binary.LittleEndian.AppendUint64(make([]byte, 0, 8), uint64(n))}
}

// Int returns n as an int32 value when it fits, else as an int64 value.
func Int(n int64) bson.RawValue {
	if n == int64(int32(n)) {
		return Int32(int32(n))
	}
	return Int64(n)
}

// Double returns f as a double value.
func Double(f float64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDouble, Value: bsoncore.AppendDouble(make([]byte, 0, 8), f)}
}

// String returns s as a string value.
func String(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(make([]byte, 0, len(s)+5), s)}
}

// Boolean returns b as a boolean value, without allocating.
func Boolean(b bool) bson.RawValue {
	if b {
		return True
	}
	return False
}

// Date returns milliseconds since 1970 as a date value.
func Date(ms int64) bson.RawValue {
	v := Int64(ms)
	v.Type = bson.TypeDateTime
	return v
}

// Time returns t as a date value, cut to milliseconds.
func Time(t time.Time) bson.RawValue { return Date(t.UnixMilli()) }

// Timestamp returns a timestamp value.
func Timestamp(t, i uint32) bson.RawValue {
	return bson.RawValue{Type: bson.TypeTimestamp, Value: bsoncore.AppendTimestamp(make([]byte, 0, 8), t, i)}
}

// ObjectID returns id as a value.
func ObjectID(id bson.ObjectID) bson.RawValue {
	return bson.RawValue{Type: bson.TypeObjectID, Value: append(make([]byte, 0, 12), id[:]...)}
}

// Regex returns a regular expression value.
func Regex(pattern, options string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeRegex, Value: bsoncore.AppendRegex(nil, pattern, options)}
}

// Binary returns a binary value.
func Binary(subtype byte, data []byte) bson.RawValue {
	return bson.RawValue{Type: bson.TypeBinary, Value: bsoncore.AppendBinary(nil, subtype, data)}
}

// Doc returns a raw document as a value.
func Doc(d []byte) bson.RawValue { return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d} }

// Array returns raw array bytes as a value.
func Array(a []byte) bson.RawValue { return bson.RawValue{Type: bson.TypeArray, Value: a} }

// Append appends an element to a document under construction.
func Append(dst []byte, key string, v bson.RawValue) []byte {
	dst = append(dst, byte(v.Type))
	dst = append(dst, key...)
	dst = append(dst, 0)
	return append(dst, v.Value...)
}

// AppendIndexed appends an element whose key is an array index.
func AppendIndexed(dst []byte, i int, v bson.RawValue) []byte {
	dst = append(dst, byte(v.Type))
	dst = strconv.AppendInt(dst, int64(i), 10)
	dst = append(dst, 0)
	return append(dst, v.Value...)
}

// Begin opens a document or array in dst; End with the returned start closes it.
func Begin(dst []byte) (start int, out []byte) {
	return len(dst), append(dst, 0, 0, 0, 0)
}

// BeginElement opens a document or array as an element of another.
func BeginElement(dst []byte, t bson.Type, key string) (start int, out []byte) {
	dst = append(dst, byte(t))
	dst = append(dst, key...)
	dst = append(dst, 0)
	return Begin(dst)
}

// BeginIndexed opens a document or array as an element of an array.
func BeginIndexed(dst []byte, t bson.Type, i int) (start int, out []byte) {
	dst = append(dst, byte(t))
	dst = strconv.AppendInt(dst, int64(i), 10)
	dst = append(dst, 0)
	return Begin(dst)
}

// End closes what Begin opened.
func End(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// ArrayOf builds an array value.
func ArrayOf(vals []bson.RawValue) bson.RawValue {
	n := 5
	for _, v := range vals {
		n += len(v.Value) + 4
	}
	start, dst := Begin(make([]byte, 0, n))
	for i, v := range vals {
		dst = AppendIndexed(dst, i, v)
	}
	return Array(End(dst, start))
}

// Field is a named value, a member of a document being built.
type Field struct {
	Name  string
	Value bson.RawValue
}

// DocOf builds a document from fields; fields with a missing value are left out.
func DocOf(fields ...Field) bson.Raw {
	start, dst := Begin(nil)
	for _, f := range fields {
		if f.Value.Type != 0 {
			dst = Append(dst, f.Name, f.Value)
		}
	}
	return bson.Raw(End(dst, start))
}

// Clone returns a copy of v with its own bytes.
func Clone(v bson.RawValue) bson.RawValue {
	return bson.RawValue{Type: v.Type, Value: append([]byte(nil), v.Value...)}
}
