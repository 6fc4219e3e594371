package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/collation"
	"regent/docdb/internal/jsonschema"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

// keyedComparer compares strings and makes keys of them; *collation.Collation is one.
type keyedComparer interface {
	value.StringComparer
	keys.Collator
}

// comparer compiles a collation document; nil for the simple collation.
func comparer(spec bson.Raw) (keyedComparer, error) {
	if simpleCollation(spec) && value.Count(spec) <= 1 {
		return nil, nil
	}
	c, err := collation.Parse(spec)
	if c == nil || err != nil {
		return nil, err
	}
	return c, nil
}

// fullCollation compiles a collation document and gives it with all its fields; both are nil for the simple collation.
func fullCollation(spec bson.Raw) (keyedComparer, bson.Raw, error) {
	if simpleCollation(spec) && value.Count(spec) <= 1 {
		return nil, nil, nil
	}
	c, err := collation.Parse(spec)
	if c == nil || err != nil {
		return nil, nil, err
	}
	return c, c.Doc(), nil
}

func compileSchema(schema bson.Raw) (func(bson.Raw) (bool, error), error) {
	return jsonschema.Predicate(schema)
}

// failureDetails explains why a document fails a validator: what $jsonSchema says, or the operator that did not match.
func failureDetails(filter, doc bson.Raw) bson.Raw {
	if s, ok := value.Lookup(filter, "$jsonSchema").DocumentOK(); ok && value.Count(filter) == 1 {
		if sch, err := jsonschema.Compile(s); err == nil {
			if ok, details := sch.Validate(doc); !ok {
				return details
			}
		}
	}
	it := value.Over(filter)
	it.Next()
	name := string(append([]byte(nil), it.Key()...))
	if len(name) == 0 || name[0] != '$' {
		name = "$eq"
		if ops := value.Over(it.Value().Value); it.Value().Type == bson.TypeEmbeddedDocument && ops.Next() && len(ops.Key()) > 0 && ops.Key()[0] == '$' {
			name = string(append([]byte(nil), ops.Key()...))
		}
	}
	return value.DocOf(value.Field{Name: "operatorName", Value: value.String(name)}, value.Field{Name: "specifiedAs", Value: value.Doc(filter)},
		value.Field{Name: "reason", Value: value.String("expression did not match")})
}
