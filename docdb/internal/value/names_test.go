package value_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
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

		// A walk that follows the layout of the document finds the same in it and in others that differ here and there.
		var layout value.Layout
		var m value.Named
		layout.Follow(&m, doc)
		for range 1 + r.IntN(4) {
			if i, _, _ := m.Find(names); i < 0 {
				break
			}
		}
		layout.Learn(&m, names)
		for variant := range 6 {
			d := bytes.Clone(doc)
			for range variant {
				switch at := r.IntN(len(d) + 1); r.IntN(3) {
				case 0:
					d = d[:at]
				case 1:
					d = slices.Insert(d, at, byte(r.IntN(4)))
				default:
					if at < len(d) {
						d[at] ^= 1 << r.IntN(8)
					}
				}
			}
			plain, following := value.Members(d), value.Named{}
			layout.Follow(&following, d)
			for {
				i, typ, v := plain.Find(names)
				j, kind, w := following.Find(names)
				if i != j || typ != kind || !bytes.Equal(v, w) {
					t.Fatalf("names %q in %x after %x: %d %v %x by the layout, not %d %v %x", list, d, doc, j, kind, w, i, typ, v)
				}
				if i < 0 {
					break
				}
			}
		}
	}
}
