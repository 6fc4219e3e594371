package update

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Upsert makes the document that an upsert inserts: the equalities of the filter, then the update on top, with an _id from
// newID when neither gives one (mongo-engine.md §3.5).
func (u *Update) Upsert(filter bson.Raw, cx Context, newID func() bson.ObjectID) (bson.Raw, error) {
	base, err := UpsertBase(filter, u.kind == Replacement)
	if err != nil {
		return nil, err
	}
	cx.Insert, cx.Position = true, -1
	res, err := u.Apply(base, cx)
	if err != nil {
		return nil, err
	}
	id := value.Lookup(res.Doc, "_id")
	switch id.Type {
	case 0:
		id = value.ObjectID(newID())
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
		return nil, mongoerr.New(mongoerr.InvalidIdField, "The '_id' value cannot be of type %s", value.TypeName(id.Type))
	}
	return idFirst(res.Doc, id), nil
}

// equality is a field that a filter fixes to one value.
type equality struct {
	path value.Path
	v    rawValue
}

// UpsertBase makes the document of a filter's equalities. For a replacement only _id counts.
func UpsertBase(filter bson.Raw, replacement bool) (bson.Raw, error) {
	var eqs []equality
	if err := equalities(filter, &eqs, 0); err != nil {
		return nil, err
	}
	root := &node{}
	for i, e := range eqs {
		if replacement && e.path.String() != "_id" {
			if e.path[0] == "_id" {
				return nil, mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, path '_id' is only given in part")
			}
			continue
		}
		for _, f := range eqs[:i] {
			if e.path.HasPrefix(f.path) || f.path.HasPrefix(e.path) {
				if e.path.String() == f.path.String() {
					return nil, mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, path '%s' is matched twice", e.path)
				}
				short, long := e.path, f.path
				if len(short) > len(long) {
					short, long = long, short
				}
				return nil, mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, both paths '%s' and '%s' are matched", long, short)
			}
		}
		if err := root.insert(e.path, &setOp{v: e.v}, nil); err != nil {
			return nil, err
		}
	}
	r := run{doc: value.EmptyDoc.Value}
	// In the order of the filter, not of the names: a base document per equality would do, one tree keeps nested ones together.
	order := make([]child, 0, len(root.children))
	for _, e := range eqs {
		if n := root.child(e.path[0]); n != nil && !hasChild(order, e.path[0]) {
			order = append(order, child{e.path[0], n})
		}
	}
	root.children = order
	return r.apply(root)
}

func hasChild(list []child, name string) bool {
	for _, c := range list {
		if c.name == name {
			return true
		}
	}
	return false
}

// equalities collects what a filter fixes: plain values and $eq, under $and, in a $or of one branch, in $in and $all of one
// element. Regular expressions fix nothing.
func equalities(filter bson.Raw, out *[]equality, depth int) error {
	if depth > MaxPathParts {
		return mongoerr.New(mongoerr.BadValue, "the filter is nested too deeply")
	}
	it := value.Over(filter)
	for it.Next() {
		name, v := it.Key(), it.Value()
		switch {
		case name == "$and" || name == "$or" && value.Count(v.Value) == 1:
			list := value.OverValue(v)
			for list.Next() {
				if value.IsDoc(list.Value()) {
					if err := equalities(list.Value().Value, out, depth+1); err != nil {
						return err
					}
				}
			}
		case strings.HasPrefix(name, "$"):
		case v.Type == bson.TypeRegex:
		case isOperatorDoc(v):
			ops := value.Over(v.Value)
			for ops.Next() {
				o := ops.Value()
				switch ops.Key() {
				case "$eq":
					addEquality(out, name, o)
				case "$in", "$all":
					if o.Type == bson.TypeArray && value.Count(o.Value) == 1 {
						only := value.Index(o.Value, 0)
						if only.Type != bson.TypeRegex && !isOperatorDoc(only) {
							addEquality(out, name, only)
						}
					}
				}
			}
		default:
			addEquality(out, name, v)
		}
	}
	return nil
}

func isOperatorDoc(v rawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument {
		return false
	}
	it := value.Over(v.Value)
	return it.Next() && strings.HasPrefix(it.Key(), "$") && it.Key() != "$ref" && it.Key() != "$id" && it.Key() != "$db"
}

func addEquality(out *[]equality, name string, v rawValue) {
	if name == "" || v.Type == bson.TypeUndefined {
		return
	}
	path := value.ParsePath(strings.Clone(name))
	for _, part := range path {
		if part == "" || part[0] == '$' && part != "$ref" && part != "$id" && part != "$db" {
			return
		}
	}
	*out = append(*out, equality{path, v})
}
