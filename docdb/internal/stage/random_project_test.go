package stage_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// tree is a set of paths; a leaf has no branches.
type tree map[string]tree

// plant adds a path and reports whether it neither is, begins nor goes on another.
func (tr tree) plant(path []string) bool {
	sub, ok := tr[path[0]]
	if ok && (len(path) == 1 || len(sub) == 0) {
		return false
	}
	if !ok {
		sub = tree{}
		tr[path[0]] = sub
	}
	return len(path) == 1 || sub.plant(path[1:])
}

// included keeps what the tree names; what is no document has no members and goes.
func included(v any, tr tree) (any, bool) {
	switch v := v.(type) {
	case bson.D:
		out := bson.D{}
		for _, e := range v {
			sub, ok := tr[e.Key]
			if !ok {
				continue
			}
			kept, ok := e.Value, true
			if len(sub) > 0 {
				kept, ok = included(e.Value, sub)
			}
			if ok {
				out = append(out, bson.E{Key: e.Key, Value: kept})
			}
		}
		return out, true
	case bson.A:
		out := bson.A{}
		for _, e := range v {
			if kept, ok := included(e, tr); ok {
				out = append(out, kept)
			}
		}
		return out, true
	}
	return nil, false
}

// excluded drops what the tree names.
func excluded(v any, tr tree) any {
	switch v := v.(type) {
	case bson.D:
		out := bson.D{}
		for _, e := range v {
			sub, ok := tr[e.Key]
			switch {
			case !ok:
				out = append(out, e)
			case len(sub) > 0:
				out = append(out, bson.E{Key: e.Key, Value: excluded(e.Value, sub)})
			}
		}
		return out
	case bson.A:
		out := bson.A{}
		for _, e := range v {
			out = append(out, excluded(e, tr))
		}
		return out
	}
	return v
}

// added sets a value at a path: in every element of an array, and in place of what is no document.
func added(v any, path []string, to any) any {
	if len(path) == 0 {
		return to
	}
	switch v := v.(type) {
	case bson.A:
		out := bson.A{}
		for _, e := range v {
			out = append(out, added(e, path, to))
		}
		return out
	case bson.D:
		out := slices.Clone(v)
		for i, e := range out {
			if e.Key == path[0] {
				out[i].Value = added(e.Value, path[1:], to)
				return out
			}
		}
		return append(out, bson.E{Key: path[0], Value: added(nil, path[1:], to)})
	}
	return bson.D{{Key: path[0], Value: added(nil, path[1:], to)}}
}

// nested draws documents in arrays in documents.
func nested(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0, 1:
		if depth > 0 {
			d := bson.D{}
			for _, n := range rapid.Permutation([]string{"a", "b", "c"}).Draw(t, "names")[:rapid.IntRange(0, 3).Draw(t, "members")] {
				d = append(d, bson.E{Key: n, Value: nested(t, depth-1)})
			}
			return d
		}
	case 2:
		if depth > 0 {
			a := bson.A{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				a = append(a, nested(t, depth-1))
			}
			return a
		}
	case 3:
		return "x"
	}
	return rapid.Int32Range(0, 2).Draw(t, "int")
}

// TestProjectionsAgreeWithNaive includes, excludes and adds members on decoded documents.
func TestProjectionsAgreeWithNaive(t *testing.T) {
	env := stage.Env{DB: "db", Collection: "c"}
	rapid.Check(t, func(t *rapid.T) {
		doc := bson.D{{Key: "_id", Value: int32(1)}}
		for _, n := range rapid.Permutation([]string{"a", "b", "c"}).Draw(t, "names") {
			doc = append(doc, bson.E{Key: n, Value: nested(t, 4)})
		}
		op := rapid.SampledFrom([]string{"include", "exclude", "unset", "add"}).Draw(t, "op")
		tr, spec, unset := tree{}, bson.D{}, bson.A{}
		var want any = doc
		for range rapid.IntRange(1, 4).Draw(t, "paths") {
			path := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 4).Draw(t, "path")
			if !tr.plant(path) {
				continue
			}
			name := strings.Join(path, ".")
			unset = append(unset, name)
			e := bson.E{Key: name, Value: 1}
			switch op {
			case "exclude":
				e.Value = false
			case "add":
				e.Value = bson.D{{Key: "$literal", Value: name}}
				want = added(want, path, name)
			}
			spec = append(spec, e)
		}
		var st bson.D
		switch op {
		case "include":
			if rapid.Bool().Draw(t, "no _id") {
				spec = append(spec, bson.E{Key: "_id", Value: 0})
			} else {
				tr["_id"] = tree{}
			}
			want, _ = included(doc, tr)
			st = bson.D{{Key: "$project", Value: spec}}
		case "exclude":
			want = excluded(doc, tr)
			st = bson.D{{Key: "$project", Value: spec}}
		case "unset":
			want = excluded(doc, tr)
			st = bson.D{{Key: "$unset", Value: unset}}
		case "add":
			st = bson.D{{Key: rapid.SampledFrom([]string{"$set", "$addFields"}).Draw(t, "name"), Value: spec}}
		}
		encode := func(v any) bson.Raw {
			b, err := bson.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		out, err := runPipeline([]bson.Raw{encode(st)}, env, []bson.Raw{encode(doc)}, false)
		if err != nil {
			t.Fatalf("%v: %v", st, err)
		}
		if w := encode(want); len(out) != 1 || string(out[0]) != string(w) {
			t.Fatalf("%s of %s:\n got %v\nwant %s", value.ShowDoc(encode(st)), value.ShowDoc(encode(doc)), out, value.ShowDoc(w))
		}
	})
}
