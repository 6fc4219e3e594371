package value

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// seeds are documents with every type, at its edges.
func seeds(t testing.TB) [][]byte {
	var out [][]byte
	for _, v := range []any{
		bson.D{}, bson.A{}, bson.D{{Key: "a", Value: bson.A{1, "x", bson.D{{Key: "b", Value: nil}}}}}, math.NaN(), math.Inf(-1), math.Copysign(0, -1), 5e-324, int32(math.MinInt32), int64(math.MaxInt64),
		"", "a\x00b", "é", true, false, nil, bson.Undefined{}, bson.MinKey{}, bson.MaxKey{}, bson.ObjectID{1}, bson.DateTime(math.MinInt64), bson.Timestamp{T: math.MaxUint32, I: 1},
		bson.Binary{}, bson.Binary{Subtype: 2, Data: []byte{1}}, bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.Regex{Pattern: "^a", Options: "imsx"}, bson.DBPointer{DB: "a", Pointer: bson.ObjectID{1}},
		bson.JavaScript("f"), bson.Symbol("s"), bson.CodeWithScope{Code: "f", Scope: bson.D{{Key: "x", Value: bson.D{}}}}, bson.NewDecimal128(0x7800000000000000, 0), bson.NewDecimal128(0x3040000000000000, 15), bson.NewDecimal128(math.MaxUint64, math.MaxUint64),
	} {
		b, err := bson.Marshal(bson.D{{Key: "v", Value: v}, {Key: "", Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	deep := bson.D{}
	for range 12 {
		deep = bson.D{{Key: "a", Value: bson.A{deep}}}
	}
	b, err := bson.Marshal(deep)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, b, []byte{5, 0, 0, 0, 1}, []byte{5, 0, 0, 0, 0}, nil)
}

// FuzzBSON reads bytes as a document. What Validate accepts is read as the driver reads it, element by element; what the driver
// writes is accepted. (The driver reads more: bytes behind a document, documents without an end.) No reader fails, whatever it
// is given.
func FuzzBSON(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := Doc(b)
		if Compare(v, v) != 0 {
			t.Error("it is not equal to itself")
		}
		if !bytes.Equal(AppendKey(nil, v), AppendKey(nil, v)) {
			t.Error("it has two keys")
		}
		Show(v)
		for _, p := range []string{"v", "a.0.b", "", "v.v.0"} {
			Each(b, ParsePath(p), ElementsAndWhole, func(bson.RawValue, int) bool { return false })
			Get(b, ParsePath(p))
		}
		err := Validate(b, 20)
		if err != nil {
			var d bson.D
			if bson.Unmarshal(b, &d) == nil && !errors.Is(err, ErrTooDeep) {
				if back, e := bson.Marshal(d); e == nil && bytes.Equal(back, b) {
					t.Errorf("refused what the driver writes: %v", err)
				}
			}
			return
		}
		if err := bson.Raw(b).Validate(); err != nil {
			t.Fatalf("accepted what the driver refuses: %v", err)
		}
		sameElements(t, b)
		if n := Depth(b); n > 20 {
			t.Errorf("depth %d", n)
		}
	})
}

func sameElements(t *testing.T, b []byte) {
	els, err := bson.Raw(b).Elements()
	if err != nil {
		t.Fatal(err)
	}
	it := Over(b)
	for _, e := range els {
		if !it.Next() {
			t.Fatalf("it ends before %q", e.Key())
		}
		want := e.Value()
		if it.Key() != e.Key() || it.Value().Type != want.Type || !bytes.Equal(it.Value().Value, want.Value) {
			t.Fatalf("%q is %v, the driver says %q is %v", it.Key(), it.Value(), e.Key(), want)
		}
		if IsDoc(want) || IsArray(want) {
			sameElements(t, want.Value)
		}
	}
	if it.Next() {
		t.Fatalf("more than the driver: %q", it.Key())
	}
}
