package expr

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

const noOnError = " in $convert with no onError value"

func unconvertible(v bson.RawValue, to bson.Type) error {
	return mongoerr.New(mongoerr.ConversionFailure, "Unsupported conversion from %s to %s%s", typeName(v), typeName(bson.RawValue{Type: to}), noOnError)
}

func unparsable(v bson.RawValue, why string) error {
	return mongoerr.New(mongoerr.ConversionFailure, "Failed to parse number '%s'%s: %s", stringBytes(v), noOnError, why)
}

func outOfRange(v bson.RawValue) error {
	return mongoerr.New(mongoerr.ConversionFailure, "Conversion would overflow target type%s: %s", noOnError, show(v))
}

// convert converts a value that is not null (mongo-engine.md §2.6, §3.4).
func convert(env *Env, v bson.RawValue, to target) (bson.RawValue, error) {
	if v.Type == to.t && to.t != bson.TypeBinary {
		switch to.t {
		case bson.TypeDouble, bson.TypeString, bson.TypeObjectID, bson.TypeBoolean, bson.TypeDateTime, bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128:
			return v, nil
		}
	}
	switch to.t {
	case bson.TypeBoolean:
		switch {
		case isNumber(v):
			return Bool(Truthy(v)), nil
		default:
			return Bool(true), nil
		}
	case bson.TypeDouble, bson.TypeDecimal128:
		return toFraction(env, v, to)
	case bson.TypeInt32, bson.TypeInt64:
		return toInteger(env, v, to)
	case bson.TypeDateTime:
		return toDate(env, v)
	case bson.TypeString:
		return toText(env, v, to)
	case bson.TypeObjectID:
		if v.Type != bson.TypeString {
			return Null, unconvertible(v, to.t)
		}
		b, err := hex.DecodeString(string(stringBytes(v)))
		if err != nil || len(b) != 12 {
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Failed to parse objectId '%s'%s: Invalid string length for parsing to OID, expected 24 but found %d", stringBytes(v), noOnError, len(stringBytes(v)))
		}
		return bson.RawValue{Type: bson.TypeObjectID, Value: b}, nil
	case bson.TypeBinary:
		return toBinary(env, v, to)
	}
	return Null, unconvertible(v, to.t)
}

func toFraction(env *Env, v bson.RawValue, to target) (bson.RawValue, error) {
	var n number
	switch v.Type {
	case bson.TypeBoolean:
		n = number{t: bson.TypeInt32}
		if Truthy(v) {
			n.i = 1
		}
	case bson.TypeDateTime:
		n = number{t: bson.TypeInt64, i: int64(le.Uint64(v.Value))}
	case bson.TypeString:
		s := string(stringBytes(v))
		if to.t == bson.TypeDecimal128 {
			d, ok := value.ParseDecimal(s)
			if !ok || !plainNumber(s) {
				return Null, unparsable(v, "Failed to parse string to decimal")
			}
			return env.Decimal(d), nil
		}
		f, err := strconv.ParseFloat(s, 64)
		switch {
		case !plainNumber(s):
			return Null, unparsable(v, "Did not consume whole string.")
		case err != nil && math.IsInf(f, 0):
			return Null, unparsable(v, "Out of range")
		case err != nil:
			return Null, unparsable(v, "Did not consume whole string.")
		}
		return env.Double(f), nil
	case bson.TypeBinary:
		if to.t != bson.TypeDouble {
			return Null, unconvertible(v, to.t)
		}
		b, order := binaryBytes(v), byteOrder(to)
		switch len(b) {
		case 4:
			return env.Double(float64(math.Float32frombits(order.Uint32(b)))), nil
		case 8:
			return env.Double(math.Float64frombits(order.Uint64(b))), nil
		}
		return Null, binaryLength(v, to.t)
	default:
		var ok bool
		if n, ok = numberOf(v); !ok {
			return Null, unconvertible(v, to.t)
		}
	}
	if to.t == bson.TypeDecimal128 {
		return env.Decimal(n.decimal()), nil
	}
	f := n.double()
	if n.t == bson.TypeDecimal128 && math.IsInf(f, 0) && !n.d.IsInf() {
		return Null, outOfRange(v)
	}
	return env.Double(f), nil
}

// plainNumber refuses what Go parses as a number and MongoDB does not: underscores, hexadecimal.
func plainNumber(s string) bool {
	if s == "" || s != strings.TrimSpace(s) {
		return false
	}
	return !strings.ContainsAny(s, "_xXpP")
}

func toInteger(env *Env, v bson.RawValue, to target) (bson.RawValue, error) {
	var i int64
	switch v.Type {
	case bson.TypeBoolean:
		if Truthy(v) {
			i = 1
		}
	case bson.TypeDateTime:
		if to.t == bson.TypeInt32 {
			return Null, unconvertible(v, to.t)
		}
		i = int64(le.Uint64(v.Value))
	case bson.TypeString:
		s := string(stringBytes(v))
		bits := 64
		if to.t == bson.TypeInt32 {
			bits = 32
		}
		var err error
		if i, err = strconv.ParseInt(s, 10, bits); err != nil {
			switch e, _ := err.(*strconv.NumError); {
			case e != nil && e.Err == strconv.ErrRange:
				return Null, unparsable(v, "Overflow")
			case s == "":
				return Null, unparsable(v, "No digits")
			case s[0] == '0' && len(s) > 1 && (s[1] == 'x' || s[1] == 'X'):
				return Null, mongoerr.New(mongoerr.ConversionFailure, "Illegal hexadecimal input%s: %s", noOnError, s)
			}
			return Null, unparsable(v, "Did not consume whole string.")
		}
	case bson.TypeDouble, bson.TypeDecimal128, bson.TypeInt32, bson.TypeInt64:
		n, _ := numberOf(v)
		if n.isInt() {
			i = n.i
			break
		}
		f := n.double()
		switch {
		case math.IsNaN(f):
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Attempt to convert NaN value to integer type%s", noOnError)
		case math.IsInf(f, 0) && (n.t == bson.TypeDouble || n.d.IsInf()):
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Attempt to convert infinity value to integer type%s", noOnError)
		}
		if n.t == bson.TypeDecimal128 {
			n.d = n.d.Trunc()
		} else {
			n.f = math.Trunc(n.f)
		}
		var ok bool
		if i, ok = n.integer(); !ok {
			return Null, outOfRange(v)
		}
	case bson.TypeBinary:
		b, order := binaryBytes(v), byteOrder(to)
		switch {
		case len(b) == 1:
			i = int64(int8(b[0]))
		case len(b) == 2:
			i = int64(int16(order.Uint16(b)))
		case len(b) == 4:
			i = int64(int32(order.Uint32(b)))
		case len(b) == 8 && to.t == bson.TypeInt64:
			i = int64(order.Uint64(b))
		default:
			return Null, binaryLength(v, to.t)
		}
	default:
		return Null, unconvertible(v, to.t)
	}
	if to.t == bson.TypeInt64 {
		return env.Int64(i), nil
	}
	if i != int64(int32(i)) {
		return Null, outOfRange(v)
	}
	return env.Int32(int32(i)), nil
}

func toDate(env *Env, v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		n, err := toInteger(env, v, target{t: bson.TypeInt64})
		if err != nil {
			return n, err
		}
		return bson.RawValue{Type: bson.TypeDateTime, Value: n.Value}, nil
	case bson.TypeObjectID:
		return env.Date(int64(binary.BigEndian.Uint32(v.Value)) * 1000), nil
	case bson.TypeTimestamp:
		return env.Date(int64(le.Uint32(v.Value[4:])) * 1000), nil
	case bson.TypeString:
		ms, err := parseDate(string(stringBytes(v)), nil)
		if err != nil {
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Error parsing date string '%s'%s; %s", stringBytes(v), noOnError, err.Error())
		}
		return env.Date(ms), nil
	}
	return Null, unconvertible(v, bson.TypeDateTime)
}

func toText(env *Env, v bson.RawValue, to target) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeBoolean:
		return env.String(strconv.FormatBool(Truthy(v)))
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return env.String(formatNumber(v))
	case bson.TypeDateTime:
		ms := int64(le.Uint64(v.Value))
		if y := time.UnixMilli(ms).UTC().Year(); y < 0 || y > 9999 {
			return Null, mongoerr.New(18537, "$dateToString is only defined on year 0-9999, tried to use year %d", y)
		}
		return env.String(formatISO(ms))
	case bson.TypeObjectID:
		return env.String(hex.EncodeToString(v.Value))
	case bson.TypeBinary:
		b := binaryBytes(v)
		uuid := v.Value[4] == bson.TypeBinaryUUID && len(b) == 16
		switch to.format {
		case "uuid":
			if !uuid {
				return Null, mongoerr.New(mongoerr.ConversionFailure, "Unable to convert binary data that is no UUID to a UUID string%s", noOnError)
			}
			return env.String(formatUUID(b))
		case "":
			return Null, mongoerr.New(4341115, "$convert from binData to string requires 'format'")
		case "auto":
			if uuid {
				return env.String(formatUUID(b))
			}
			return env.String(base64.StdEncoding.EncodeToString(b))
		case "base64":
			return env.String(base64.StdEncoding.EncodeToString(b))
		case "base64url":
			return env.String(base64.RawURLEncoding.EncodeToString(b))
		case "hex":
			return env.String(strings.ToUpper(hex.EncodeToString(b)))
		}
		if !utf8.Valid(b) {
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Invalid UTF-8%s", noOnError)
		}
		return buildString(env, b)
	}
	return Null, unconvertible(v, bson.TypeString)
}

// binaryBytes returns the payload of binary data (subtype 2 has a second length inside).
func binaryBytes(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	b := v.Value[5:]
	if v.Value[4] == bson.TypeBinaryBinaryOld && len(b) >= 4 {
		b = b[4:]
	}
	return b
}

func byteOrder(to target) binary.ByteOrder {
	if to.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func binaryLength(v bson.RawValue, to bson.Type) error {
	return mongoerr.New(mongoerr.ConversionFailure, "Failed to convert '%s' to %s in $convert because of invalid length: %d", show(v), typeName(bson.RawValue{Type: to}), len(binaryBytes(v)))
}

func formatUUID(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func toBinary(env *Env, v bson.RawValue, to target) (bson.RawValue, error) {
	var b []byte
	switch v.Type {
	case bson.TypeBinary:
		if v.Value[4] == to.subtype {
			return v, nil
		}
		return Null, mongoerr.New(mongoerr.ConversionFailure, "Conversions between different binary subtypes are not supported%s", noOnError)
	case bson.TypeString:
		s := string(stringBytes(v))
		var err error
		if to.format == "" {
			return Null, mongoerr.New(4341115, "$convert from string to binData requires 'format'")
		}
		if (to.subtype == bson.TypeBinaryUUID) != (to.format == "uuid") && to.format != "auto" {
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Only the UUID subtype (4) is allowed with the UUID format%s", noOnError)
		}
		switch to.format {
		case "uuid":
			b, err = hex.DecodeString(strings.ReplaceAll(s, "-", ""))
			if err != nil || len(b) != 16 || formatUUID(b) != strings.ToLower(s) {
				return Null, mongoerr.New(mongoerr.ConversionFailure, "Input is not a valid UUID string: %s", s)
			}
		case "hex":
			b, err = hex.DecodeString(s)
		case "base64":
			b, err = base64.StdEncoding.DecodeString(s)
		case "base64url":
			b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
		case "utf8":
			b = []byte(s)
		case "auto":
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Input is not a valid string of format 'auto'%s", noOnError)
		}
		if err != nil {
			return Null, mongoerr.New(mongoerr.ConversionFailure, "Input is not a valid %s string%s: %s", to.format, noOnError, s)
		}
	case bson.TypeInt32:
		n, _ := numberOf(v)
		b = byteOrder(to).(binary.AppendByteOrder).AppendUint32(nil, uint32(n.i))
	case bson.TypeInt64:
		n, _ := numberOf(v)
		b = byteOrder(to).(binary.AppendByteOrder).AppendUint64(nil, uint64(n.i))
	case bson.TypeDouble:
		n, _ := numberOf(v)
		b = byteOrder(to).(binary.AppendByteOrder).AppendUint64(nil, math.Float64bits(n.f))
	default:
		return Null, unconvertible(v, to.t)
	}
	if to.subtype == bson.TypeBinaryUUID && len(b) != 16 {
		return Null, unconvertible(v, to.t)
	}
	return env.binary(to.subtype, b)
}

// binary builds binary data.
func (e *Env) binary(subtype byte, b []byte) (bson.RawValue, error) {
	if err := e.reserve(len(b) + 5); err != nil {
		return bson.RawValue{}, err
	}
	out := e.alloc(len(b) + 5)
	le.PutUint32(out, uint32(len(b)))
	out[4] = subtype
	copy(out[5:], b)
	return bson.RawValue{Type: bson.TypeBinary, Value: out}, nil
}
