package jsonschema

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/value"
)

// logicRule is allOf, anyOf or oneOf.
type logicRule struct {
	base
	schemas []*Schema
}

func compileLogic(c *compilation) (rule, error) {
	list, err := c.subs()
	if err != nil {
		return nil, err
	}
	return &logicRule{base{c.name, c.v}, list}, nil
}

func (r *logicRule) holds(v bson.RawValue) bool {
	n := 0
	for _, s := range r.schemas {
		if s.holds(v) {
			n++
		}
	}
	switch r.keyword {
	case "allOf":
		return n == len(r.schemas)
	case "anyOf":
		return n > 0
	}
	return n == 1
}

func (r *logicRule) explain(v bson.RawValue) []value.Field {
	var failed, matching []bson.RawValue
	for i, s := range r.schemas {
		index := value.Int32(int32(i))
		if s.holds(v) {
			matching = append(matching, index)
			continue
		}
		f := append([]value.Field{{Name: "index", Value: index}}, s.annotations()...)
		failed = append(failed, value.Doc(value.DocOf(append(f, value.Field{Name: "details", Value: s.explain(v)})...)))
	}
	if r.keyword == "oneOf" && len(matching) > 1 {
		return []value.Field{{Name: "reason", Value: value.String("more than one subschema matched")}, {Name: "matchingSchemaIndexes", Value: value.ArrayOf(matching)}}
	}
	return []value.Field{{Name: "schemasNotSatisfied", Value: value.ArrayOf(failed)}}
}

type notRule struct {
	base
	schema *Schema
}

func compileNot(c *compilation) (rule, error) {
	s, err := c.sub(c.v)
	if err != nil {
		return nil, err
	}
	return &notRule{base{c.name, c.v}, s}, nil
}

func (r *notRule) holds(v bson.RawValue) bool { return !r.schema.holds(v) }

func (r *notRule) explain(bson.RawValue) []value.Field {
	return []value.Field{r.specified(), {Name: "reason", Value: value.String("child expression matched")}}
}
