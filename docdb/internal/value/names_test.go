package value_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/value"
)

// TestFindNames compares a walk by names with a walk over all members, for names of every length around a word's and values of
// every kind of size, whole documents and such as are cut off or overwritten.
func TestFindNames(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	all := []string{"", "a", "b", "ab", "abc", "abcdef", "abcdefg", "abcdefh", "abcdefgh", "abcdefgi", "abcdefghi", "abcdefghijklmnop", "abcdefghijklmnoq", "é", "on", "v"}
	values := []any{int32(7), int64(-1), 1.5, true, bson.Null{}, "", "text", strings.Repeat("long", 40), bson.NewObjectID(), bson.D{{Key: "a", Value: 1}}, bson.A{1, "b"},
		bson.Binary{Data: []byte{1, 2, 3}}, bson.Regex{Pattern: "a", Options: "i"}, bson.MinKey{}, bson.Timestamp{T: 1}}
	for round := range 20_000 {
		_, doc := bsoncore.AppendDocumentStart(nil)
		for range r.IntN(9) {
			typ, b, err := bson.MarshalValue(values[r.IntN(len(values))])
			if err != nil {
				t.Fatal(err)
			}
			doc = value.Append(doc, all[r.IntN(len(all))], bson.RawValue{Type: typ, Value: b})
		}
		doc, _ = bsoncore.AppendDocumentEnd(doc, 0)
		switch round % 4 {
		case 1:
			doc = doc[:r.IntN(len(doc)+1)]
		case 2:
			doc[r.IntN(len(doc))] = byte(r.Uint32())
		case 3: // a shorter document, with more bytes behind it
			binary.LittleEndian.PutUint32(doc, uint32(r.IntN(len(doc)+1)))
		}
		wanted := map[string]int{}
		var list []string
		for range 1 + r.IntN(4) {
			n := all[r.IntN(len(all))]
			if _, twice := wanted[n]; !twice {
				wanted[n] = len(list)
				list = append(list, n)
			}
		}
		var want, got []string
		for it := value.Over(doc); it.Next(); {
			if i, ok := wanted[it.Key()]; ok {
				want = append(want, fmt.Sprint(i, it.Value().Type, it.Value().Value))
			}
		}
		names := value.NewNames(list...)
		for m := value.Members(doc); ; {
			i, typ, v := m.Find(names)
			if i < 0 {
				break
			}
			got = append(got, fmt.Sprint(i, typ, v))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("names %q in %x:\n got %v\nwant %v", list, doc, got, want)
		}
	}
}
