package rule

import (
	"encoding/hex"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// conversion turns a value of one type into another; ok is false for input
// that does not convert, which makes the expression false.
type conversion struct {
	name  string
	apply func(bson.RawValue) (bson.RawValue, bool)
}

// conversions is the table of %stringToOid and its kin (app-services.md §5.10).
var conversions = map[string]conversion{
	"stringToOid":  {"%stringToOid", stringToOid},
	"oidToString":  {"%oidToString", oidToString},
	"stringToUuid": {"%stringToUuid", stringToUUID},
	"uuidToString": {"%uuidToString", uuidToString},
}

func stringToOid(v bson.RawValue) (bson.RawValue, bool) {
	s, ok := v.StringValueOK()
	if !ok {
		return bson.RawValue{}, false
	}
	var id bson.ObjectID
	switch len(s) {
	case 12:
		copy(id[:], s)
	case 24:
		if _, err := hex.Decode(id[:], []byte(s)); err != nil {
			return bson.RawValue{}, false
		}
	default:
		return bson.RawValue{}, false
	}
	return bson.RawValue{Type: bson.TypeObjectID, Value: id[:]}, true
}

func oidToString(v bson.RawValue) (bson.RawValue, bool) {
	id, ok := v.ObjectIDOK()
	if !ok {
		return bson.RawValue{}, false
	}
	return stringValue(id.Hex()), true
}

func stringToUUID(v bson.RawValue) (bson.RawValue, bool) {
	s, ok := v.StringValueOK()
	if !ok || len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return bson.RawValue{}, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return bson.RawValue{}, false
	}
	return bson.RawValue{Type: bson.TypeBinary, Value: bsoncore.AppendBinary(nil, bson.TypeBinaryUUID, b)}, true
}

func uuidToString(v bson.RawValue) (bson.RawValue, bool) {
	subtype, b, ok := v.BinaryOK()
	if !ok || len(b) != 16 || (subtype != bson.TypeBinaryUUID && subtype != bson.TypeBinaryUUIDOld) {
		return bson.RawValue{}, false
	}
	h := hex.EncodeToString(b)
	return stringValue(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), true
}
