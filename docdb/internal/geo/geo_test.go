package geo

import (
	"math"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// TestCases runs testdata/cases.txt. What a query takes must also be found by its ranges of index tokens.
func TestCases(t *testing.T) {
	var q *Query
	var failure error
	cases.Run(t, "testdata/cases.txt", func(l *cases.Line) {
		switch l.Verb {
		case "query":
			l.About = l.Arg
			op, a := l.Word(), l.Arg
			siblings := bson.Raw(value.EmptyDoc.Value)
			if i := strings.Index(a, "] {"); i >= 0 {
				siblings = cases.Doc(t, a[i+2:])
				a = a[:i+1]
			}
			q, failure = Compile(op, cases.Value(t, a), siblings)
			return
		case "error":
			if e := mongoerr.As(failure); e == nil || e.Code != mongoerr.BadValue || e.Message != l.Arg {
				l.Wrong("%v, want %s", failure, l.Arg)
			}
			return
		}
		l.Succeeded(failure)
		want, d := l.Verb != "no", 0.0
		if l.Verb == "distance" {
			d = l.Number()
		}
		v := l.Value()
		if got := q.Matches(v); got != want {
			l.Wrong("%s gives %t", l.Arg, got)
		}
		if l.Verb == "distance" {
			if got, _, _ := q.Distance(v); math.Abs(got-d) > 1e-6*math.Max(d, 1) {
				l.Wrong("%s is %v away, want %v", l.Arg, got, d)
			}
		}
		if want && !found(t, q, v, SphereGrid(), true) {
			l.Wrong("%s is not in the ranges of the index", l.Arg)
		}
	})
}

func TestVerticesAreBounded(t *testing.T) {
	var pts []bson.RawValue
	for i := range MaxVertices + 2 {
		pts = append(pts, value.ArrayOf([]bson.RawValue{value.Double(float64(i%100) / 10), value.Double(float64(i) / 1000)}))
	}
	line := value.Doc(value.DocOf(value.Field{Name: "type", Value: value.String("LineString")}, value.Field{Name: "coordinates", Value: value.ArrayOf(pts)}))
	if _, err := parse(line); mongoerr.CodeOf(err) != mongoerr.BadValue {
		t.Error(err)
	}
}

func found(t testing.TB, q *Query, v bson.RawValue, g Grid, sphere bool) bool {
	tokens, err := Tokens(v, g, sphere)
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range tokens {
		for _, r := range q.Ranges(g) {
			if string(tok) >= string(r.Lo) && string(tok) < string(r.Hi) {
				return true
			}
		}
	}
	return false
}

func TestRangesFindWhatMatches(t *testing.T) {
	coord := rapid.Custom(func(t *rapid.T) bson.RawValue {
		x := rapid.SampledFrom([]float64{-180, -179.99, -90, 0, 0.001, 45, 89.5, 179.99, 180}).Draw(t, "x") + rapid.Float64Range(-1, 1).Draw(t, "dx")
		y := rapid.SampledFrom([]float64{-90, -89.9, -45, 0, 1, 60, 89.99, 90}).Draw(t, "y") + rapid.Float64Range(-1, 1).Draw(t, "dy")
		x, y = min(max(x, -180), 180), min(max(y, -90), 90)
		return value.ArrayOf([]bson.RawValue{value.Double(x), value.Double(y)})
	})
	line := func(t *rapid.T, name string) bson.RawValue {
		return value.Doc(value.DocOf(value.Field{Name: "type", Value: value.String("LineString")},
			value.Field{Name: "coordinates", Value: value.ArrayOf([]bson.RawValue{coord.Draw(t, name+"0"), coord.Draw(t, name+"1")})}))
	}
	matches := 0
	rapid.Check(t, func(t *rapid.T) {
		center := coord.Draw(t, "center")
		r := rapid.SampledFrom([]float64{0.0001, 0.01, 0.3, 1.2, 2}).Draw(t, "r")
		args := value.Doc(value.DocOf(value.Field{Name: "$centerSphere", Value: value.ArrayOf([]bson.RawValue{center, value.Double(r)})}))
		q, err := Compile("$geoWithin", args, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := coord.Draw(t, "stored")
		if rapid.Bool().Draw(t, "line") {
			v = line(t, "stored")
			if g := line(t, "query"); rapid.Bool().Draw(t, "intersects") {
				if x, err := Compile("$geoIntersects", value.Doc(value.DocOf(value.Field{Name: "$geometry", Value: g})), nil); err == nil {
					q = x
				}
			}
		}
		if _, err := parse(v); err == nil && q.Matches(v) {
			matches++
			tokens, err := Tokens(v, SphereGrid(), true)
			if err != nil {
				t.Fatal(err)
			}
			for _, tok := range tokens {
				for _, rg := range q.Ranges(SphereGrid()) {
					if string(tok) >= string(rg.Lo) && string(tok) < string(rg.Hi) {
						return
					}
				}
			}
			t.Fatalf("%s matches but has no token in the ranges", value.Show(v))
		}
	})
	if matches == 0 {
		t.Error("nothing ever matched")
	}
}
