package jsonschema

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

type uniqueRule struct{ base }

func compileUnique(c *compilation) (rule, error) {
	on, isBool := value.Bool(c.v)
	if !isBool {
		return nil, typeError("$jsonSchema keyword 'uniqueItems' must be a boolean")
	}
	if !on {
		return nil, nil
	}
	return &uniqueRule{base{c.name, c.v}}, nil
}

// repeated returns the first element that equals an earlier one.
func (r *uniqueRule) repeated(v bson.RawValue) bson.RawValue {
	if v.Type != bson.TypeArray {
		return value.Missing
	}
	seen := map[string]bool{}
	it := value.Over(v.Value)
	for it.Next() {
		k := string(value.AppendKey(nil, it.Value()))
		if seen[k] {
			return it.Value()
		}
		seen[k] = true
	}
	return value.Missing
}

func (r *uniqueRule) holds(v bson.RawValue) bool { return r.repeated(v).Type == 0 }

func (r *uniqueRule) explain(v bson.RawValue) []value.Field {
	return append(r.failed("found a duplicate item", v), value.Field{Name: "duplicatedValue", Value: r.repeated(v)})
}

// itemsRule is items: one schema for all elements, or one for each of the first ones.
type itemsRule struct {
	base
	all  *Schema
	each []*Schema
}

func compileItems(c *compilation) (rule, error) {
	r := &itemsRule{base: base{c.name, c.v}}
	var err error
	switch c.v.Type {
	case bson.TypeEmbeddedDocument:
		r.all, err = c.sub(c.v)
	case bson.TypeArray:
		it := value.Over(c.v.Value)
		for it.Next() {
			s, err := c.sub(it.Value())
			if err != nil {
				return nil, err
			}
			r.each = append(r.each, s)
		}
	default:
		return nil, typeError("$jsonSchema keyword 'items' must be an array or an object, not %s", value.TypeName(c.v.Type))
	}
	return r, err
}

// failing returns the index of the first element that does not satisfy its schema, -1 if there is none.
func (r *itemsRule) failing(v bson.RawValue) (int, *Schema, bson.RawValue) {
	if v.Type != bson.TypeArray {
		return -1, nil, v
	}
	it := value.Over(v.Value)
	for i := 0; it.Next(); i++ {
		s := r.all
		if s == nil {
			if i >= len(r.each) {
				break
			}
			s = r.each[i]
		}
		if !s.holds(it.Value()) {
			return i, s, it.Value()
		}
	}
	return -1, nil, v
}

func (r *itemsRule) holds(v bson.RawValue) bool {
	i, _, _ := r.failing(v)
	return i < 0
}

func (r *itemsRule) explain(v bson.RawValue) []value.Field {
	i, s, e := r.failing(v)
	return []value.Field{
		{Name: "reason", Value: value.String("At least one item did not match the sub-schema")},
		{Name: "itemIndex", Value: value.Int32(int32(i))},
		{Name: "details", Value: s.explain(e)},
	}
}

// additionalItemsRule concerns the elements beyond an array of items schemas.
type additionalItemsRule struct {
	base
	from   int
	schema *Schema // nil forbids
}

func compileAdditionalItems(c *compilation) (rule, error) {
	items := value.Lookup(c.schema, "items")
	r := &additionalItemsRule{base: base{c.name, c.v}}
	if allowed, isBool := value.Bool(c.v); isBool {
		if allowed {
			return nil, nil
		}
	} else {
		if c.v.Type != bson.TypeEmbeddedDocument {
			return nil, typeError("$jsonSchema keyword 'additionalItems' must be either an object or a boolean, but got a %s", value.TypeName(c.v.Type))
		}
		s, err := c.sub(c.v)
		if err != nil {
			return nil, err
		}
		r.schema = s
	}
	if items.Type != bson.TypeArray {
		return nil, nil // one schema holds for all elements: there are no additional ones
	}
	r.from = value.Count(items.Value)
	return r, nil
}

func (r *additionalItemsRule) failing(v bson.RawValue) (int, bson.RawValue) {
	if v.Type != bson.TypeArray {
		return -1, v
	}
	it := value.Over(v.Value)
	for i := 0; it.Next(); i++ {
		if i >= r.from && (r.schema == nil || !r.schema.holds(it.Value())) {
			return i, it.Value()
		}
	}
	return -1, v
}

func (r *additionalItemsRule) holds(v bson.RawValue) bool {
	i, _ := r.failing(v)
	return i < 0
}

func (r *additionalItemsRule) explain(v bson.RawValue) []value.Field {
	i, e := r.failing(v)
	if r.schema == nil {
		rest := value.Elements(v.Value)[r.from:]
		return []value.Field{r.specified(), {Name: "reason", Value: value.String("found additional items")}, {Name: "additionalItems", Value: value.ArrayOf(rest)}}
	}
	return []value.Field{
		{Name: "reason", Value: value.String("At least one additional item did not match the sub-schema")},
		{Name: "itemIndex", Value: value.Int32(int32(i))},
		{Name: "details", Value: r.schema.explain(e)},
	}
}
