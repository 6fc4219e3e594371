package function

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/caller"
)

// anyValue draws a BSON value of any type that a document may hold.
func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		top := 14
		if depth > 0 {
			top = 16
		}
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 0:
			return rapid.Int32().Draw(t, "int32")
		case 1:
			return rapid.Int64().Draw(t, "int64")
		case 2:
			return int64(rapid.Int32().Draw(t, "small int64"))
		case 3:
			return rapid.Float64().Draw(t, "double")
		case 4:
			return float64(rapid.Int32().Draw(t, "integral double"))
		case 5:
			return rapid.String().Draw(t, "text")
		case 6:
			return rapid.Bool().Draw(t, "bool")
		case 7:
			return nil
		case 8:
			return bson.DateTime(rapid.Int64Range(-1e14, 1e14).Draw(t, "date"))
		case 9:
			return bson.ObjectID(rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "id"))
		case 10:
			return bson.Binary{Subtype: byte(rapid.SampledFrom([]int{0, 4, 128}).Draw(t, "subtype")), Data: rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")}
		case 11:
			return bson.NewDecimal128(0x3040000000000000, uint64(rapid.Uint32().Draw(t, "decimal")))
		case 12:
			return bson.Timestamp{T: rapid.Uint32().Draw(t, "t"), I: rapid.Uint32().Draw(t, "i")}
		case 13:
			return bson.Undefined{}
		case 14:
			return rapid.SampledFrom([]any{bson.MinKey{}, bson.MaxKey{}, bson.JavaScript("x"), bson.Symbol("s")}).Draw(t, "rare")
		case 15:
			return bson.A(rapid.SliceOfN(anyValue(depth-1), 0, 4).Draw(t, "array"))
		}
		d := bson.D{}
		seen := map[string]bool{}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "__proto__", "constructor", "length", "$x", "then", "x y", "ü"}), 0, 5).Draw(t, "keys") {
			if !seen[k] && k != "then" {
				seen[k] = true
				d = append(d, bson.E{Key: k, Value: anyValue(depth-1).Draw(t, k)})
			}
		}
		return d
	})
}

// TestUntouched sends random values through a function that returns them: every
// value leaves as it came, byte for byte.
func TestUntouched(t *testing.T) {
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, nil, map[string]string{
		"identity": `exports = x => x;`,
		"wrapped":  `exports = async (...args) => ({ args });`,
	})
	rapid.Check(t, func(t *rapid.T) {
		v := value(anyValue(3).Draw(t, "value"))
		got, err := d.Call(context.Background(), caller.Caller{}, "identity", []bson.RawValue{v})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(v) && !sameNumber(got, v) {
			t.Fatalf("sent %s, got %s", v, got)
		}
	})
}

// sameNumber allows for NaN, whose bits JavaScript does not keep.
func sameNumber(a, b bson.RawValue) bool {
	return a.Type == bson.TypeDouble && b.Type == bson.TypeDouble && a.Double() != a.Double() && b.Double() != b.Double()
}
