package stage

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// compileFill makes $fill of $setWindowFields, for methods, and $addFields, for values.
func compileFill(c *compiler, _ string, spec bson.RawValue) ([]node, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "The $fill stage specification must be an object, found %s", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40415, "BSON field '$fill.%s' is an unknown field.", n)
	}, "partitionBy", "partitionByFields", "sortBy", "output")
	if err != nil {
		return nil, err
	}
	by := vs[0]
	if !expr.Missing(vs[0]) && !expr.Missing(vs[1]) {
		return nil, mongoerr.New(6050204, "Maximum one of 'partitionBy' and 'partitionByFields can be specified in '$fill'")
	}
	if !expr.Missing(vs[1]) {
		if vs[1].Type != bson.TypeArray {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$fill.partitionByFields' is the wrong type '%s', expected type 'array'", typeName(vs[1]))
		}
		// The fields' values together are the partition; names with dots stand for paths.
		var parts []bson.RawValue
		for _, v := range value.Elements(vs[1].Value) {
			if v.Type != bson.TypeString || text(v) == "" || text(v)[0] == '$' {
				return nil, mongoerr.New(6050202, "Each field in 'partitionByFields' must be a path without '$'")
			}
			parts = append(parts, value.String("$"+text(v)))
		}
		d := newDoc(nil)
		for i, p := range parts {
			d.add("f"+string(appendInt(nil, i)), p)
		}
		by = value.Doc(d.done())
	}
	if vs[3].Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40414, "BSON field '$fill.output' is missing but a required field, an object")
	}
	windows, sets := newDoc(nil), newDoc(nil)
	nw, ns := 0, 0
	for it := expr.Each(vs[3].Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		name := string(n)
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "$fill: the output of %s must be an object", name)
		}
		args, err := arguments(v, func(n string) error {
			return mongoerr.New(40415, "BSON field '$fill.output.%s' is an unknown field.", n)
		}, "value", "method")
		if err != nil {
			return nil, err
		}
		switch {
		case expr.Missing(args[0]) == expr.Missing(args[1]):
			return nil, mongoerr.New(mongoerr.FailedToParse, "Each field in $fill's 'output' must have exactly one of 'value' and 'method': %s", name)
		case !expr.Missing(args[0]):
			ns++
			sets.add(name, value.Doc(value.DocOf(value.Field{Name: "$ifNull", Value: value.ArrayOf([]bson.RawValue{value.String("$" + name), args[0]})})))
		case text(args[1]) == "linear" || text(args[1]) == "locf":
			nw++
			op := map[string]string{"linear": "$linearFill", "locf": "$locf"}[text(args[1])]
			windows.add(name, value.Doc(value.DocOf(value.Field{Name: op, Value: value.String("$" + name)})))
		default:
			return nil, mongoerr.New(6050201, "Method must be either locf or linear")
		}
	}
	var nodes []node
	if nw > 0 {
		if expr.Missing(vs[2]) {
			return nil, mongoerr.New(6050200, "$fill with a method requires 'sortBy'")
		}
		w := value.DocOf(value.Field{Name: "partitionBy", Value: by}, value.Field{Name: "sortBy", Value: vs[2]}, value.Field{Name: "output", Value: value.Doc(windows.done())})
		n, err := compileWindowFields(c, "$fill", value.Doc(w))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if ns > 0 {
		n, err := compileAddFields(c, "$fill", value.Doc(sets.done()))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
