package endpoint

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
)

// maxDepth bounds AppendJSON.
const maxDepth = ejson.MaxDepth

// AppendJSON writes a value as the plain JSON of endpoints and the Data API
// (app-services.md §10.5): ids and decimals are strings, dates ISO texts, types
// that JSON has no word for small objects.
func AppendJSON(dst []byte, v bson.RawValue) ([]byte, error) { return appendJSON(dst, v, 0) }

func appendJSON(dst []byte, v bson.RawValue, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, ejson.ErrTooDeep
	}
	quote := func(s string) ([]byte, error) { return ejson.AppendString(dst, s), nil }
	object := func(m any) ([]byte, error) {
		text, err := json.Marshal(m)
		return append(dst, text...), err
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return appendMembers(dst, v, depth)
	case bson.TypeString:
		s, _ := v.StringValueOK()
		return quote(s)
	case bson.TypeSymbol:
		s, _ := v.SymbolOK()
		return quote(s)
	case bson.TypeJavaScript:
		s, _ := v.JavaScriptOK()
		return quote(s)
	case bson.TypeBoolean:
		b, _ := v.BooleanOK()
		return strconv.AppendBool(dst, b), nil
	case bson.TypeInt32, bson.TypeInt64:
		n, _ := v.AsInt64OK()
		return strconv.AppendInt(dst, n, 10), nil
	case bson.TypeDouble:
		f, _ := v.DoubleOK()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(dst, "null"...), nil // as JSON.stringify
		}
		return object(f)
	case bson.TypeDecimal128:
		d, _ := v.Decimal128OK()
		return quote(d.String())
	case bson.TypeObjectID:
		id, _ := v.ObjectIDOK()
		return quote(id.Hex())
	case bson.TypeDateTime:
		ms, _ := v.DateTimeOK()
		return quote(time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
	case bson.TypeBinary:
		subtype, data, _ := v.BinaryOK()
		return object(struct {
			Subtype byte
			Data    string
		}{subtype, base64.StdEncoding.EncodeToString(data)})
	case bson.TypeRegex:
		pattern, options, _ := v.RegexOK()
		return object(struct{ Pattern, Options string }{pattern, options})
	case bson.TypeTimestamp:
		t, i, _ := v.TimestampOK()
		return object(struct{ T, I uint32 }{t, i})
	case bson.TypeMinKey, bson.TypeMaxKey:
		return append(dst, "{}"...), nil
	}
	return append(dst, "null"...), nil
}

func appendMembers(dst []byte, v bson.RawValue, depth int) ([]byte, error) {
	open, closing := byte('{'), byte('}')
	if v.Type == bson.TypeArray {
		open, closing = '[', ']'
	}
	elements, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return dst, errors.New("malformed BSON")
	}
	dst = append(dst, open)
	first := true
	for _, e := range elements {
		value := e.Value()
		if value.Type == bson.TypeUndefined && open == '{' {
			continue // as JSON.stringify
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if open == '{' {
			dst = append(ejson.AppendString(dst, e.Key()), ':')
		}
		if dst, err = appendJSON(dst, value, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, closing), nil
}
