package ejson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var errMalformed = errors.New("malformed BSON")

// appendValue writes one value. Malformed BSON is an error, never a panic.
func appendValue(dst []byte, t bson.Type, b []byte, canonical bool, depth int) ([]byte, error) {
	if depth > MaxDepth+8 {
		return dst, ErrTooDeep
	}
	need := func(n int) bool { return len(b) >= n }
	switch t {
	case bson.TypeEmbeddedDocument:
		return appendDocument(dst, b, '{', canonical, depth+1)
	case bson.TypeArray:
		return appendDocument(dst, b, '[', canonical, depth+1)
	case bson.TypeString:
		s, _, ok := readString(b)
		if !ok {
			return dst, errMalformed
		}
		return appendQuoted(dst, s), nil
	case bson.TypeNull:
		return append(dst, "null"...), nil
	case bson.TypeUndefined:
		return append(dst, `{"$undefined":true}`...), nil
	case bson.TypeBoolean:
		if !need(1) {
			return dst, errMalformed
		}
		return strconv.AppendBool(dst, b[0] != 0), nil
	case bson.TypeInt32:
		if !need(4) {
			return dst, errMalformed
		}
		return appendInteger(dst, "$numberInt", int64(int32(binary.LittleEndian.Uint32(b))), canonical), nil
	case bson.TypeInt64:
		if !need(8) {
			return dst, errMalformed
		}
		return appendInteger(dst, "$numberLong", int64(binary.LittleEndian.Uint64(b)), canonical), nil
	case bson.TypeDouble:
		if !need(8) {
			return dst, errMalformed
		}
		return appendDouble(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), canonical), nil
	case bson.TypeObjectID:
		if !need(12) {
			return dst, errMalformed
		}
		dst = append(dst, `{"$oid":"`...)
		dst = hex.AppendEncode(dst, b[:12])
		return append(dst, `"}`...), nil
	case bson.TypeDateTime:
		if !need(8) {
			return dst, errMalformed
		}
		return appendDate(dst, int64(binary.LittleEndian.Uint64(b)), canonical), nil
	case bson.TypeTimestamp:
		if !need(8) {
			return dst, errMalformed
		}
		dst = append(dst, `{"$timestamp":{"t":`...)
		dst = strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(b[4:])), 10)
		dst = append(dst, `,"i":`...)
		dst = strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(b)), 10)
		return append(dst, `}}`...), nil
	case bson.TypeBinary:
		return appendBinary(dst, b)
	case bson.TypeMinKey:
		return append(dst, `{"$minKey":1}`...), nil
	case bson.TypeMaxKey:
		return append(dst, `{"$maxKey":1}`...), nil
	case bson.TypeDecimal128:
		if !need(16) {
			return dst, errMalformed
		}
		d := bson.NewDecimal128(binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b))
		dst = append(dst, `{"$numberDecimal":"`...)
		dst = append(dst, d.String()...)
		return append(dst, `"}`...), nil
	case bson.TypeRegex:
		pattern, rest, ok := readCString(b)
		if !ok {
			return dst, errMalformed
		}
		options, _, ok := readCString(rest)
		if !ok {
			return dst, errMalformed
		}
		dst = append(dst, `{"$regularExpression":{"pattern":`...)
		dst = appendQuoted(dst, pattern)
		dst = append(dst, `,"options":`...)
		dst = appendQuoted(dst, options)
		return append(dst, `}}`...), nil
	case bson.TypeSymbol, bson.TypeJavaScript:
		s, _, ok := readString(b)
		if !ok {
			return dst, errMalformed
		}
		name := `{"$symbol":`
		if t == bson.TypeJavaScript {
			name = `{"$code":`
		}
		return append(appendQuoted(append(dst, name...), s), '}'), nil
	case bson.TypeCodeWithScope:
		if !need(4) {
			return dst, errMalformed
		}
		code, scope, ok := readString(b[4:])
		if !ok {
			return dst, errMalformed
		}
		dst = appendQuoted(append(dst, `{"$code":`...), code)
		dst = append(dst, `,"$scope":`...)
		dst, err := appendDocument(dst, scope, '{', canonical, depth+1)
		return append(dst, '}'), err
	case bson.TypeDBPointer:
		ns, id, ok := readString(b)
		if !ok || len(id) < 12 {
			return dst, errMalformed
		}
		dst = appendQuoted(append(dst, `{"$dbPointer":{"$ref":`...), ns)
		dst = append(dst, `,"$id":{"$oid":"`...)
		dst = hex.AppendEncode(dst, id[:12])
		return append(dst, `"}}}`...), nil
	}
	return dst, errMalformed
}

// appendDocument writes a document ('{') or an array ('[').
func appendDocument(dst, b []byte, open byte, canonical bool, depth int) ([]byte, error) {
	if len(b) < 5 || int(binary.LittleEndian.Uint32(b)) > len(b) {
		return dst, errMalformed
	}
	b = b[:binary.LittleEndian.Uint32(b)]
	if len(b) < 5 {
		return dst, errMalformed
	}
	dst = append(dst, open)
	b = b[4:]
	for first := true; ; first = false {
		if len(b) == 0 {
			return dst, errMalformed
		}
		t := bson.Type(b[0])
		if t == 0 {
			break
		}
		name, rest, ok := readCString(b[1:])
		if !ok {
			return dst, errMalformed
		}
		n, ok := valueLength(t, rest)
		if !ok {
			return dst, errMalformed
		}
		if !first {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = append(appendQuoted(dst, name), ':')
		}
		var err error
		if dst, err = appendValue(dst, t, rest[:n], canonical, depth); err != nil {
			return dst, err
		}
		b = rest[n:]
	}
	return append(dst, open+2), nil // '{'+2 is '}', '['+2 is ']'
}

// valueLength is the size of a value of type t at the start of b.
func valueLength(t bson.Type, b []byte) (int, bool) {
	prefixed := func(extra int) (int, bool) {
		if len(b) < 4 {
			return 0, false
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		return n + extra, n >= 0 && n+extra <= len(b)
	}
	fixed := func(n int) (int, bool) { return n, n <= len(b) }
	switch t {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0, true
	case bson.TypeBoolean:
		return fixed(1)
	case bson.TypeInt32:
		return fixed(4)
	case bson.TypeInt64, bson.TypeDouble, bson.TypeDateTime, bson.TypeTimestamp:
		return fixed(8)
	case bson.TypeObjectID:
		return fixed(12)
	case bson.TypeDecimal128:
		return fixed(16)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return prefixed(4)
	case bson.TypeBinary:
		return prefixed(5)
	case bson.TypeDBPointer:
		return prefixed(16)
	case bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		return prefixed(0)
	case bson.TypeRegex:
		_, rest, ok := readCString(b)
		if !ok {
			return 0, false
		}
		_, rest, ok = readCString(rest)
		return len(b) - len(rest), ok
	}
	return 0, false
}

func readCString(b []byte) (s, rest []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

func readString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 5 {
		return nil, nil, false
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 1 || n > len(b)-4 {
		return nil, nil, false
	}
	return b[4 : 4+n-1], b[4+n:], true
}

func appendInteger(dst []byte, name string, n int64, canonical bool) []byte {
	if !canonical {
		return strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, `{"`...)
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, `"}`...)
}

func appendDouble(dst []byte, f float64, canonical bool) []byte {
	finite := !math.IsNaN(f) && !math.IsInf(f, 0)
	if !canonical && finite {
		return appendFinite(dst, f)
	}
	dst = append(dst, `{"$numberDouble":"`...)
	switch {
	case finite:
		dst = appendFinite(dst, f)
	case math.IsNaN(f):
		dst = append(dst, "NaN"...)
	case f > 0:
		dst = append(dst, "Infinity"...)
	default:
		dst = append(dst, "-Infinity"...)
	}
	return append(dst, `"}`...)
}

// appendFinite writes a double so that it reads back as one: with a fraction or
// an exponent.
func appendFinite(dst []byte, f float64) []byte {
	at := len(dst)
	dst = strconv.AppendFloat(dst, f, 'G', -1, 64)
	for i, c := range dst[at:] {
		switch c {
		case '.':
			return dst
		case 'E':
			// 1E+21 becomes 1.0E+21.
			tail := string(dst[at+i:])
			dst = append(dst[:at+i], ".0"...)
			return append(dst, tail...)
		}
	}
	return append(dst, ".0"...)
}

// appendDate writes a date; relaxed text uses ISO 8601 for the years that it
// can, as the specification says.
func appendDate(dst []byte, ms int64, canonical bool) []byte {
	const lastISO = 253402300799999 // the end of the year 9999
	if !canonical && ms >= 0 && ms <= lastISO {
		dst = append(dst, `{"$date":"`...)
		dst = time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999Z07:00")
		return append(dst, `"}`...)
	}
	dst = append(dst, `{"$date":{"$numberLong":"`...)
	dst = strconv.AppendInt(dst, ms, 10)
	return append(dst, `"}}`...)
}

func appendBinary(dst, b []byte) ([]byte, error) {
	if len(b) < 5 {
		return dst, errMalformed
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 || n > len(b)-5 {
		return dst, errMalformed
	}
	subtype, data := b[4], b[5:5+n]
	if subtype == bson.TypeBinaryBinaryOld {
		// The old generic subtype repeats the length inside.
		if len(data) < 4 {
			return dst, errMalformed
		}
		data = data[4:]
	}
	dst = append(dst, `{"$binary":{"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	dst = append(dst, `","subType":"`...)
	dst = hex.AppendEncode(dst, []byte{subtype})
	return append(dst, `"}}`...), nil
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
