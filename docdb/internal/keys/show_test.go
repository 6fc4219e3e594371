package keys_test

import (
	"encoding/json"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

type reversed struct{}

func (reversed) AppendStringKey(dst, s []byte) []byte {
	for i := len(s) - 1; i >= 0; i-- {
		dst = append(dst, s[i])
	}
	return dst
}

func TestShow(t *testing.T) {
	dec := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{int32(3), "3"}, {int64(-7), "-7"}, {3.0, "3"}, {1.5, "1.5"}, {-0.25, "-0.25"}, {1e300, "1e+300"}, {math.Inf(1), "inf"}, {math.Inf(-1), "-inf"}, {math.NaN(), "nan"}, {math.Copysign(0, -1), "0"},
		{int64(math.MaxInt64), "9223372036854775807"}, {int64(math.MinInt64 + 1), "-9223372036854775807"}, {dec("0.1"), "0.1"}, {dec("-0.1"), "-0.1"}, {dec("0.0012"), "0.0012"}, {dec("1E+6144"), "1E6144"}, {dec("-1E-6176"), "-1E-6176"}, {dec("12.50"), "12.5"}, {dec("12.30"), "12.3"},
		{"a", `"a"`}, {"", `""`}, {"a\x00b", "\"a\x00b\""}, {nil, "null"}, {bson.MinKey{}, "MinKey"}, {bson.MaxKey{}, "MaxKey"}, {bson.Undefined{}, "undefined"},
		{bson.D{}, "{}"}, {bson.D{{Key: "a", Value: 1}, {Key: "b", Value: bson.A{"x", bson.A{}, bson.D{}}}}, `{ a: 1, b: [ "x", [], {} ] }`},
		{bson.Binary{Subtype: 4, Data: []byte{1, 2}}, "BinData(4, AQI=)"}, {bson.ObjectID{1}, "ObjectId('010000000000000000000000')"}, {true, "true"}, {false, "false"},
		{bson.DateTime(-5), "new Date(-5)"}, {bson.Timestamp{T: 7, I: 8}, "Timestamp(7, 8)"}, {bson.Regex{Pattern: "^a", Options: "i"}, "/^a/i"}, {bson.JavaScript("f()"), "f()"},
		{bson.CodeWithScope{Code: "f()", Scope: bson.D{{Key: "a", Value: 1}}}, "CodeWScope( f(), { a: 1 })"},
	} {
		if got := keys.Show(keys.AppendValue(nil, raw(t, c.v), nil), false); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
	if got := keys.Show(keys.AppendValue(nil, raw(t, "ab"), reversed{}), true); got != "CollationKey(0x6261)" {
		t.Errorf("with a collation: %s", got)
	}
	if got := keys.Show([]byte("\x3cab"), false); got != `"ab"` {
		t.Errorf("a prefix: %s", got)
	}
	for _, b := range [][]byte{{}, {1, 2}, {31, 0}, {90, 255, 255, 255, 255, 0}, {70, 60}, {20, 20}} {
		if got := keys.Show(b, false); got == "" || got[0] != 'x' {
			t.Errorf("%x: %s", b, got)
		}
	}
}

// TestShowWhatIsNoKey cuts and changes keys at every byte: they are shown, one way or the other.
func TestShowWhatIsNoKey(t *testing.T) {
	for _, v := range edges(t) {
		k := keys.AppendValue(nil, v, nil)
		for i := range k {
			keys.Show(k[:i], false)
			for _, b := range []byte{0, 1, 70, 80, 255} {
				c := append([]byte(nil), k...)
				c[i] = b
				if _, err := json.Marshal(keys.Show(c, false)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
