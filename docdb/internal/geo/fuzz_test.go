package geo

import (
	"testing"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// FuzzGeo looks for queries and shapes that break compilation, matching or indexing.
func FuzzGeo(f *testing.F) {
	f.Add("$geoWithin", []byte(cases.Value(f, `{"$geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}`).Value), []byte(cases.Value(f, `{"type": "Point", "coordinates": [0, 0]}`).Value))
	f.Add("$near", []byte(cases.Value(f, `{"$geometry": {"type": "Point", "coordinates": [0, 0]}, "$maxDistance": 5}`).Value), []byte(cases.Value(f, `{"x": 1, "y": 2}`).Value))
	f.Add("$geoWithin", []byte(cases.Value(f, `{"$centerSphere": [[0, 90], 3]}`).Value), []byte(cases.Value(f, `{"type": "LineString", "coordinates": [[0, 0], [180, 0]]}`).Value))
	f.Fuzz(func(t *testing.T, op string, args, stored []byte) {
		v := value.Doc(stored)
		Tokens(v, SphereGrid(), true)
		Tokens(v, PlaneGrid(-10, 10), false)
		q, err := Compile(op, value.Doc(args), args)
		if err != nil {
			return
		}
		q.Matches(v)
		q.Distance(v)
		if n := len(q.Ranges(SphereGrid())); n > 2000 {
			t.Errorf("%d ranges", n)
		}
	})
}
