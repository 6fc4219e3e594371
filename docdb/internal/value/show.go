package value

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxShown bounds the text that Show makes of one value: it goes into error messages.
const maxShown = 8 << 10

// Show writes a value in the notation of MongoDB's messages: { a: 1, b: "x", c: ObjectId('…') }. Long values are cut.
func Show(v bson.RawValue) string {
	b := appendShown(nil, v)
	if len(b) > maxShown {
		return strings.ToValidUTF8(string(b[:maxShown]), "") + "..."
	}
	return string(b)
}

// ShowDoc is Show for a document.
func ShowDoc(doc []byte) string { return Show(Doc(doc)) }

// ShowElement writes a named value as {name: value}, the notation of MongoDB's update errors.
func ShowElement(name string, v bson.RawValue) string {
	return "{" + name + ": " + Show(v) + "}"
}

func appendShown(dst []byte, v bson.RawValue) []byte {
	if len(dst) > maxShown {
		return dst
	}
	if v.Type != 0 && !ok(v) {
		return append(dst, "<malformed>"...)
	}
	switch v.Type {
	case 0:
		return append(dst, "MISSING"...)
	case bson.TypeNull:
		return append(dst, "null"...)
	case bson.TypeUndefined:
		return append(dst, "undefined"...)
	case bson.TypeMinKey:
		return append(dst, "MinKey"...)
	case bson.TypeMaxKey:
		return append(dst, "MaxKey"...)
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.AppendInt(dst, intOf(v), 10)
	case bson.TypeDouble:
		return append(dst, ShowDouble(doubleOf(v), true)...)
	case bson.TypeDecimal128:
		return append(dst, decimalOf(v).String()...)
	case bson.TypeString, bson.TypeSymbol:
		dst = append(dst, '"')
		dst = append(dst, textBytes(v)...)
		return append(dst, '"')
	case bson.TypeJavaScript:
		return append(dst, textBytes(v)...)
	case bson.TypeCodeWithScope:
		code, scope := codeParts(v)
		dst = append(append(dst, "CodeWScope( "...), code...)
		dst = append(dst, ", "...)
		return append(appendShown(dst, Doc(scope)), ')')
	case bson.TypeBoolean:
		b, _ := Bool(v)
		return strconv.AppendBool(dst, b)
	case bson.TypeDateTime:
		dst = append(dst, "new Date("...)
		return append(strconv.AppendInt(dst, int64Of(v), 10), ')')
	case bson.TypeTimestamp:
		n := uint64(int64Of(v))
		dst = append(dst, "Timestamp("...)
		dst = strconv.AppendUint(dst, n>>32, 10)
		dst = append(dst, ", "...)
		return append(strconv.AppendUint(dst, n&math.MaxUint32, 10), ')')
	case bson.TypeObjectID:
		dst = append(dst, "ObjectId('"...)
		dst = hex.AppendEncode(dst, v.Value)
		return append(dst, "')"...)
	case bson.TypeRegex:
		p, o, _ := RegexParts(v)
		dst = append(append(dst, '/'), p...)
		return append(append(dst, '/'), o...)
	case bson.TypeBinary:
		sub, data, _ := BinaryParts(v)
		if sub == 4 && len(data) == 16 {
			h := hex.EncodeToString(data)
			return append(dst, `UUID("`+h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:]+`")`...)
		}
		dst = append(dst, "BinData("...)
		dst = strconv.AppendUint(dst, uint64(sub), 10)
		dst = append(dst, `, "`...)
		if len(data) > maxShown {
			data = data[:maxShown]
		}
		dst = base64.StdEncoding.AppendEncode(dst, data)
		return append(dst, `")`...)
	case bson.TypeDBPointer:
		return append(dst, "DBRef"...)
	case bson.TypeArray:
		return appendShownMembers(dst, v.Value, "[", "]", false)
	case bson.TypeEmbeddedDocument:
		return appendShownMembers(dst, v.Value, "{", "}", true)
	}
	return append(dst, "?"...)
}

func appendShownMembers(dst, doc []byte, open, end string, named bool) []byte {
	dst = append(dst, open...)
	it := Over(doc)
	first := true
	for it.Next() && len(dst) <= maxShown {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, ' ')
		if named {
			dst = append(append(dst, it.key...), ": "...)
		}
		dst = appendShown(dst, it.val)
	}
	if !first {
		dst = append(dst, ' ')
	}
	return append(dst, end...)
}

// ShowDouble writes a double with the fewest digits that read back as the same double; point adds ".0" to a whole number.
func ShowDouble(f float64, point bool) string {
	switch {
	case f != f:
		return "nan.0"
	case math.IsInf(f, 1):
		return "inf.0"
	case math.IsInf(f, -1):
		return "-inf.0"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if a := math.Abs(f); a == 0 || (a >= 1e-5 && a < 1e16) {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if point && !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
