package match

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/value"
)

// TestFinderAgrees: a Finder decides as Match does, and finds what looking up one name after the other does.
func TestFinderAgrees(t *testing.T) {
	yes := 0
	rapid.Check(t, func(t *rapid.T) {
		f := raw(t, anyFilter(t, 2))
		m, err := Compile(f, Options{})
		if err != nil {
			return // an operator drawn as a value
		}
		fields := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "longer than a word", ""}), 0, 4, rapid.ID[string]).Draw(t, "fields")
		finder := m.Finder(fields)
		found := make([]value.Found, len(fields))
		var layout value.Layout
		var d bson.Raw
		for range 12 {
			if d == nil || rapid.Bool().Draw(t, "another") {
				d = raw(t, anyDoc(t, 3))
			}
			for i := range found {
				found[i] = value.Found{Type: bson.TypeNull} // of the document before
			}
			want, wantErr := m.Match(d)
			got, err := finder.Match(d, found, &layout)
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s on %s: %t, %v, want %t, %v", value.ShowDoc(f), value.ShowDoc(d), got, err, want, wantErr)
			}
			if !got {
				continue
			}
			yes++
			for i, name := range fields {
				v := value.Lookup(d, name)
				if v.Type != found[i].Type || string(v.Value) != string(found[i].Value) {
					t.Fatalf("%q of %s: %v, want %v", name, value.ShowDoc(d), found[i], v)
				}
			}
		}
	})
	if yes == 0 {
		t.Error("no document matched")
	}
}
