package match

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/value"
)

func anyValue(t *rapid.T, depth int) any {
	kinds := 7
	if depth <= 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]int32{0, 1, 2}).Draw(t, "int")
	case 1:
		return rapid.SampledFrom([]float64{1, 2.5}).Draw(t, "double")
	case 2:
		return rapid.SampledFrom([]string{"", "x"}).Draw(t, "string")
	case 3:
		return nil
	case 4:
		return true
	case 5:
		return anyDoc(t, depth-1)
	}
	a := bson.A{}
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		a = append(a, anyValue(t, depth-1))
	}
	return a
}

func anyDoc(t *rapid.T, depth int) bson.D {
	d := bson.D{}
	for range rapid.IntRange(0, 4).Draw(t, "members") { // names may repeat
		d = append(d, bson.E{Key: rapid.SampledFrom([]string{"a", "b", "0", "1"}).Draw(t, "name"), Value: anyValue(t, depth)})
	}
	return d
}

func anyFilter(t *rapid.T, depth int) bson.D {
	f := bson.D{}
	for range rapid.IntRange(1, 4).Draw(t, "conditions") {
		path := rapid.SampledFrom([]string{"a", "b", "a.b", "a.0", "b.a.0", "0", "a.b.a"}).Draw(t, "path")
		var cond any
		switch rapid.IntRange(0, 6).Draw(t, "operator") {
		case 0:
			cond = anyValue(t, 1)
			if d, ok := cond.(bson.D); ok && len(d) > 0 && d[0].Key[0] == '$' {
				cond = nil
			}
		case 1:
			cond = bson.D{{Key: rapid.SampledFrom([]string{"$gt", "$gte", "$lt", "$lte", "$ne", "$eq"}).Draw(t, "op"), Value: anyValue(t, 1)}}
		case 2:
			cond = bson.D{{Key: rapid.SampledFrom([]string{"$in", "$nin"}).Draw(t, "op"), Value: bson.A{anyValue(t, 0), anyValue(t, 1)}}}
		case 3:
			cond = bson.D{{Key: "$exists", Value: rapid.Bool().Draw(t, "exists")}}
		case 4:
			cond = bson.D{{Key: "$size", Value: 2}}
		case 5:
			cond = bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: anyValue(t, 0)}}}}
		case 6:
			if depth > 0 {
				f = append(f, bson.E{Key: rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "logic"), Value: bson.A{anyFilter(t, depth-1), anyFilter(t, depth-1)}})
				continue
			}
			cond = bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "a", Value: anyValue(t, 0)}}}}
		}
		f = append(f, bson.E{Key: path, Value: cond})
	}
	return f
}

func raw(t *rapid.T, d bson.D) bson.Raw {
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOnePassAgreesWithOneByOne: Match takes the conditions of a conjunction as their fields come by, MatchPosition one after the
// other; and a filter, its $nor and its parts one by one must fit together.
func TestOnePassAgreesWithOneByOne(t *testing.T) {
	yes, no := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		f, d := raw(t, anyFilter(t, 2)), raw(t, anyDoc(t, 3))
		m, err := Compile(f, Options{})
		if err != nil {
			return // an operator drawn as a value
		}
		got, err := often(t, m, d)
		if err != nil {
			t.Fatal(err)
		}
		slow, _, err := m.MatchPosition(d)
		if err != nil || slow != got {
			t.Fatalf("%s on %s: %t and %t, %v", value.ShowDoc(f), value.ShowDoc(d), got, slow, err)
		}
		all := true
		it := value.Over(f)
		for it.Next() {
			part, err := Compile(value.DocOf(value.Field{Name: it.Key(), Value: it.Value()}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			ok, _ := often(t, part, d)
			all = all && ok
		}
		if all != got {
			t.Fatalf("%s on %s: %t, its parts %t", value.ShowDoc(f), value.ShowDoc(d), got, all)
		}
		nor, err := Compile(raw(t, bson.D{{Key: "$nor", Value: bson.A{f}}}), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := often(t, nor, d); ok == got {
			t.Fatalf("%s on %s: $nor of it is the same", value.ShowDoc(f), value.ShowDoc(d))
		}
		if got {
			yes++
		} else {
			no++
		}
	})
	if yes == 0 || no == 0 {
		t.Errorf("%d matches, %d not", yes, no)
	}
}
