package oracle

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/app"
)

// Generators of random rules and documents. Names and values are few, so that
// they meet.

var fieldNames = []string{"owner", "a", "b", "n", "tags", "sub"}

// Scalar draws a scalar value.
func Scalar(t *rapid.T) any {
	return rapid.SampledFrom([]any{"u1", "u2", "x", "", int32(0), int32(1), int64(1), 1.0, 1.5, int32(2), true, false, nil}).Draw(t, "scalar")
}

// Value draws a value: scalars, arrays, documents.
func Value(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case depth > 0 && kind == 0:
		out := bson.A{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			out = append(out, Value(t, depth-1))
		}
		return out
	case depth > 0 && kind == 1:
		out := bson.D{}
		for _, name := range []string{"a", "b", "owner"} {
			if rapid.Bool().Draw(t, "has") {
				out = append(out, bson.E{Key: name, Value: Value(t, depth-1)})
			}
		}
		return out
	}
	return Scalar(t)
}

// Fields draws the fields of a document without _id.
func Fields(t *rapid.T) bson.D {
	d := bson.D{}
	for _, name := range fieldNames {
		if rapid.IntRange(0, 2).Draw(t, "has "+name) > 0 {
			d = append(d, bson.E{Key: name, Value: Value(t, 2)})
		}
	}
	return d
}

func operand(t *rapid.T) any {
	return rapid.SampledFrom([]any{"%%user.id", "%%user.custom_data.team", "%%user.custom_data.teams", "%%user.custom_data.none", "%%root.a", "%%root.owner", "%%prevRoot.owner", "u1", "x", int32(1), true, nil, bson.A{"u1", int32(1)}}).Draw(t, "operand")
}

// Expression draws an expression.
func Expression(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 11).Draw(t, "expression"); {
	case kind == 0:
		return rapid.Bool().Draw(t, "constant")
	case kind == 1:
		return bson.D{}
	case kind == 2 && depth > 0:
		return bson.D{{Key: rapid.SampledFrom([]string{"%and", "%or"}).Draw(t, "junction"), Value: bson.A{Expression(t, depth-1), Expression(t, depth-1)}}}
	case kind == 3 && depth > 0:
		return bson.D{{Key: "%not", Value: Expression(t, depth-1)}}
	case kind == 4:
		return bson.D{{Key: "%%true", Value: bson.D{{Key: "%function", Value: bson.D{{Key: "name", Value: rapid.SampledFrom([]string{"isTrue", "isFalse", "throws"}).Draw(t, "function")}}}}}}
	}
	d := bson.D{}
	for range rapid.IntRange(1, 2).Draw(t, "pairs") {
		key := rapid.SampledFrom([]string{"owner", "a", "b", "n", "tags", "sub.a", "sub.owner", "tags.0", "%%root.owner", "%%prevRoot.owner", "%%user.id", "%%user.custom_data.team", "%%this", "%%prev"}).Draw(t, "key")
		if field(d, key) != (any)(missing{}) {
			continue
		}
		var v any
		switch op := rapid.SampledFrom([]string{"", "", "", "$eq", "$ne", "$gt", "%gte", "$lt", "$lte", "$in", "%nin", "$exists", "%not"}).Draw(t, "op"); op {
		case "":
			v = operand(t)
		case "$in", "%nin":
			v = bson.D{{Key: op, Value: rapid.SampledFrom([]any{bson.A{"u1", int32(1), nil}, bson.A{}, bson.A{"%%user.id", "x"}, "%%user.custom_data.teams", "%%user.custom_data.none"}).Draw(t, "list")}}
		case "$exists":
			v = bson.D{{Key: op, Value: rapid.Bool().Draw(t, "exists")}}
		case "%not":
			v = bson.D{{Key: op, Value: bson.D{{Key: "$eq", Value: operand(t)}}}}
		default:
			v = bson.D{{Key: op, Value: operand(t)}}
		}
		d = append(d, bson.E{Key: key, Value: v})
	}
	return d
}

func raw(v any) bson.RawValue {
	b, err := bson.Marshal(bson.D{{Key: "v", Value: v}}) // alone, nil has no form
	if err != nil {
		panic(err)
	}
	return bson.Raw(b).Lookup("v")
}

// maybe draws a permission, often absent or constant.
func maybe(t *rapid.T, name string) bson.RawValue {
	switch rapid.IntRange(0, 4).Draw(t, name) {
	case 0, 1:
		return bson.RawValue{}
	case 2:
		return raw(true)
	case 3:
		return raw(false)
	}
	return raw(Expression(t, 1))
}

func fieldRules(t *rapid.T, depth int) bson.D {
	out := bson.D{}
	for _, name := range append([]string{"_id"}, fieldNames...) {
		if rapid.IntRange(0, 3).Draw(t, "rule for "+name) > 0 {
			continue
		}
		r := bson.D{}
		for _, what := range []string{"read", "write"} {
			if v := maybe(t, what); v.Type != 0 {
				r = append(r, bson.E{Key: what, Value: v})
			}
		}
		if depth > 0 && rapid.Bool().Draw(t, "nested") {
			r = append(r, bson.E{Key: "fields", Value: fieldRules(t, depth-1)})
		}
		out = append(out, bson.E{Key: name, Value: r})
	}
	return out
}

// Rules draws up to three roles.
func Rules(t *rapid.T) *app.Rules {
	rules := &app.Rules{}
	for i := range rapid.IntRange(1, 3).Draw(t, "roles") {
		r := app.Role{Name: string(rune('A' + i)), ApplyWhen: raw(Expression(t, 2)), Read: maybe(t, "read"), Write: maybe(t, "write"), Insert: maybe(t, "insert"), Delete: maybe(t, "delete")}
		if rapid.IntRange(0, 3).Draw(t, "document filters") == 0 {
			r.HasDocFilters, r.DocFilterRead, r.DocFilterWrite = true, maybe(t, "filter read"), maybe(t, "filter write")
		}
		if rapid.Bool().Draw(t, "fields") {
			r.Fields = raw(fieldRules(t, 1)).Document()
		}
		if rapid.Bool().Draw(t, "additional") {
			add := bson.D{}
			for _, what := range []string{"read", "write"} {
				if v := maybe(t, what); v.Type != 0 {
					add = append(add, bson.E{Key: what, Value: v})
				}
			}
			r.AdditionalFields = raw(add).Document()
		}
		rules.Roles = append(rules.Roles, r)
	}
	return rules
}

// Filters draws up to two filters.
func Filters(t *rapid.T) []app.Filter {
	var out []app.Filter
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "filters") {
		f := app.Filter{
			Name: "f",
			ApplyWhen: raw(rapid.SampledFrom([]any{
				bson.D{}, true, bson.D{{Key: "%%user.id", Value: "u1"}}, bson.D{{Key: "%%user.id", Value: "u2"}}, bson.D{{Key: "%%user.custom_data.none", Value: bson.D{{Key: "%exists", Value: true}}}},
				bson.D{{Key: "%%true", Value: bson.D{{Key: "%function", Value: bson.D{{Key: "name", Value: "isFalse"}}}}}},
				bson.D{{Key: "%%true", Value: bson.D{{Key: "%function", Value: bson.D{{Key: "name", Value: "throws"}}}}}},
			}).Draw(t, "filter applies")),
		}
		if q := rapid.SampledFrom([]any{
			nil, bson.D{{Key: "owner", Value: "%%user.id"}}, bson.D{{Key: "a", Value: "%%user.custom_data.team"}}, bson.D{{Key: "b", Value: "%%user.custom_data.none"}},
			bson.D{{Key: "n", Value: bson.D{{Key: "$exists", Value: true}}}}, bson.D{{Key: "n", Value: bson.D{{Key: "$ne", Value: int32(1)}}}},
			bson.D{{Key: "tags", Value: bson.D{{Key: "$in", Value: bson.A{"%%user.id", "x"}}}}},
		}).Draw(t, "filter query"); q != nil {
			f.Query = raw(q).Document()
		} else {
			f.Query = raw(bson.D{}).Document()
		}
		if rapid.IntRange(0, 2).Draw(t, "filter projects") == 0 {
			f.Projection = raw(bson.D{{Key: rapid.SampledFrom([]string{"a", "n", "sub"}).Draw(t, "hidden"), Value: int32(0)}}).Document()
		}
		out = append(out, f)
	}
	return out
}
