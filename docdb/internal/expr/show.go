package expr

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// show prints a value for an error message, cut to a readable length.
func show(v bson.RawValue) string {
	const most = 150
	var s string
	switch v.Type {
	case 0:
		return "MISSING"
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return formatNumber(v)
	case bson.TypeString:
		s = strconv.Quote(string(stringBytes(v)))
	case bson.TypeDateTime:
		return formatISO(int64(le.Uint64(v.Value)))
	case bson.TypeNull:
		return "null"
	case bson.TypeBoolean:
		return strconv.FormatBool(Truthy(v))
	case bson.TypeObjectID:
		return "ObjectId('" + hex.EncodeToString(v.Value) + "')"
	default:
		s = v.String()
	}
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// formatNumber prints a number as $toString does.
func formatNumber(v bson.RawValue) string {
	n, ok := numberOf(v)
	switch {
	case !ok:
		return ""
	case n.t == bson.TypeDouble:
		return formatDouble(n.f)
	case n.t == bson.TypeDecimal128:
		return n.d.String()
	}
	return strconv.FormatInt(n.i, 10)
}

// formatDouble prints the shortest text that reads back as f; exponents from 1e+21 and below 1e-6, as JavaScript does.
func formatDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 && math.Signbit(f):
		return "-0"
	}
	if a := math.Abs(f); f != 0 && (a >= 1e21 || a < 1e-6) {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		// Go pads the exponent to two digits.
		if i := strings.LastIndexByte(s, 'e'); i >= 0 && len(s) == i+4 && s[i+2] == '0' {
			s = s[:i+2] + s[i+3:]
		}
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// formatISO prints a date as 2018-03-27T16:58:51.538Z.
func formatISO(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	y := t.Year()
	if y >= 0 && y <= 9999 {
		return t.Format("2006-01-02T15:04:05.000Z")
	}
	sign := ""
	if y < 0 {
		sign, y = "-", -y
	}
	return fmt.Sprintf("%s%04d-%s", sign, y, t.Format("01-02T15:04:05.000Z"))
}

func formatTimestamp(v bson.RawValue) string {
	if len(v.Value) < 8 {
		return ""
	}
	return time.Unix(int64(le.Uint32(v.Value[4:])), 0).UTC().Format("Jan _2 15:04:05") + ":" + strconv.Itoa(int(le.Uint32(v.Value)))
}
