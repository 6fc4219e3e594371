package match

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/jsonschema"
	"regent/docdb/internal/value"
)

// Explain tells why a document does not satisfy a filter, in the shape of errInfo.details of error 121: the operator, the condition
// as it was given, the reason and the value that failed. It compiles the filter's parts anew, so it is for failures only.
func Explain(filter bson.Raw, doc bson.Raw, opts Options) bson.Raw {
	return explainer{opts, doc}.filter(filter, 0)
}

type explainer struct {
	opts Options
	doc  bson.Raw
}

func (x explainer) matches(part bson.Raw) bool {
	m, err := Compile(part, x.opts)
	if err != nil {
		return false
	}
	ok, err := m.Match(x.doc)
	return ok && err == nil
}

func field(name string, v bson.RawValue) value.Field { return value.Field{Name: name, Value: v} }

func operator(name string, more ...value.Field) bson.Raw {
	return value.DocOf(append([]value.Field{field("operatorName", value.String(name))}, more...)...)
}

// clause is one member of a filter as a filter of its own.
func clause(name string, v bson.RawValue) bson.Raw { return value.DocOf(field(name, v)) }

// filter explains a conjunction: alone if it has one clause, else those that fail by their place.
func (x explainer) filter(filter bson.Raw, depth int) bson.Raw {
	if depth > MaxDepth {
		return value.EmptyDoc.Value
	}
	var clauses []bson.Raw
	it := value.Over(filter)
	for it.Next() {
		if v := it.Value(); v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) && it.Key() != "$jsonSchema" && it.Key() != "$expr" {
			ops := value.Over(v.Value)
			for ops.Next() {
				if ops.Key() == "$options" {
					continue
				}
				cond := []value.Field{field(ops.Key(), ops.Value())}
				if ops.Key() == "$regex" {
					cond = append(cond, field("$options", value.Lookup(v.Value, "$options")))
				}
				clauses = append(clauses, clause(it.Key(), value.Doc(value.DocOf(cond...))))
			}
			continue
		}
		clauses = append(clauses, clause(it.Key(), it.Value()))
	}
	if len(clauses) == 1 {
		return x.clause(clauses[0], depth)
	}
	return operator("$and", field("clausesNotSatisfied", x.failing(clauses, depth)))
}

// failing explains those clauses that do not hold.
func (x explainer) failing(clauses []bson.Raw, depth int) bson.RawValue {
	var list []bson.RawValue
	for i, c := range clauses {
		if !x.matches(c) {
			list = append(list, value.Doc(value.DocOf(field("index", value.Int32(int32(i))), field("details", value.Doc(x.filter(c, depth+1))))))
		}
	}
	return value.ArrayOf(list)
}

func (x explainer) clause(c bson.Raw, depth int) bson.Raw {
	it := value.Over(c)
	it.Next()
	name, v := it.Key(), it.Value()
	switch name {
	case "$jsonSchema":
		if s, err := jsonschema.Compile(v.Value); err == nil {
			_, details := s.Validate(x.doc)
			return details
		}
	case "$and", "$or", "$nor":
		var clauses []bson.Raw
		list := value.OverValue(v)
		for list.Next() {
			clauses = append(clauses, list.Value().Value)
		}
		if name != "$nor" {
			return operator(name, field("clausesNotSatisfied", x.failing(clauses, depth)))
		}
		var held []bson.RawValue
		for i, c := range clauses {
			if x.matches(c) {
				held = append(held, value.Doc(value.DocOf(field("index", value.Int32(int32(i))), field("details", value.Doc(x.held(c))))))
			}
		}
		return operator(name, field("clausesSatisfied", value.ArrayOf(held)))
	case "$expr":
		return operator(name, field("specifiedAs", value.Doc(c)), field("reason", value.String("expression did not match")), field("expressionResult", value.False))
	case "$alwaysFalse":
		return operator(name, field("specifiedAs", value.Doc(c)), field("reason", value.String("expression always evaluates to false")))
	}
	if strings.HasPrefix(name, "$") {
		return operator(name, field("specifiedAs", value.Doc(c)))
	}
	op := "$eq"
	arg := v
	if v.Type == bson.TypeRegex {
		op = "$regex"
	} else if v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) {
		ops := value.Over(v.Value)
		ops.Next()
		op, arg = ops.Key(), ops.Value()
	}
	if op == "$not" {
		inner := clause(name, arg)
		return operator(op, field("details", value.Doc(x.held(inner))))
	}
	f := []value.Field{field("specifiedAs", value.Doc(c))}
	considered := x.considered(name)
	missing := len(considered) == 0
	reason := reasons[op]
	switch {
	case op == "$exists" && !value.Truthy(arg):
		reason = "path does exist"
	case op == "$exists":
	case missing:
		reason = "field was missing"
	}
	if reason == "" {
		reason = "condition did not hold"
	}
	f = append(f, field("reason", value.String(reason)))
	switch {
	case missing || op == "$exists":
	case len(considered) == 1:
		f = append(f, field("consideredValue", considered[0]))
		if op == "$type" {
			f = append(f, field("consideredType", value.String(value.TypeName(considered[0].Type))))
		}
	default:
		f = append(f, field("consideredValues", value.ArrayOf(considered)))
	}
	return operator(op, f...)
}

// held explains a condition that holds where it should not.
func (x explainer) held(c bson.Raw) bson.Raw {
	it := value.Over(c)
	it.Next()
	op := "$eq"
	if v := it.Value(); v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) {
		ops := value.Over(v.Value)
		ops.Next()
		op = ops.Key()
	} else if v.Type == bson.TypeRegex {
		op = "$regex"
	} else if strings.HasPrefix(it.Key(), "$") {
		op = it.Key()
	}
	f := []value.Field{field("specifiedAs", value.Doc(c)), field("reason", value.String(heldReason(op)))}
	if vals := x.considered(it.Key()); len(vals) == 1 {
		f = append(f, field("consideredValue", vals[0]))
	} else if len(vals) > 1 {
		f = append(f, field("consideredValues", value.ArrayOf(vals)))
	}
	return operator(op, f...)
}

// maxConsidered bounds the values that an explanation lists.
const maxConsidered = 50

// considered returns the values that a path names.
func (x explainer) considered(path string) []bson.RawValue {
	if strings.HasPrefix(path, "$") {
		return nil
	}
	var out []bson.RawValue
	value.Each(x.doc, value.ParsePath(path), value.Whole, func(v bson.RawValue, _ int) bool {
		if v.Type != 0 {
			out = append(out, v)
		}
		return len(out) == maxConsidered
	})
	return out
}

// reasons are MongoDB's texts by operator.
var reasons = map[string]string{
	"$eq": "comparison failed", "$lt": "comparison failed", "$lte": "comparison failed", "$gt": "comparison failed", "$gte": "comparison failed",
	"$ne": "comparison succeeded", "$in": "no matching value found in array", "$nin": "matching value found in array",
	"$exists": "path does not exist", "$type": "type did not match", "$regex": "regular expression did not match",
	"$size": "array length was not equal to given size", "$mod": "$mod did not evaluate to expected remainder",
	"$elemMatch": "array did not satisfy the child predicate", "$all": "array did not contain all specified values",
	"$bitsAllSet": "bitwise operator failed to match", "$bitsAllClear": "bitwise operator failed to match",
	"$bitsAnySet": "bitwise operator failed to match", "$bitsAnyClear": "bitwise operator failed to match",
	"$geoWithin":     "none of considered geometries was contained within the expression's geometry",
	"$geoIntersects": "none of considered geometries intersected the expression's geometry",
}

func heldReason(op string) string {
	switch op {
	case "$in":
		return "matching value found in array"
	case "$exists":
		return "path does exist"
	case "$type":
		return "type did match"
	case "$regex":
		return "regular expression did match"
	case "$size":
		return "array length was equal to given size"
	case "$mod":
		return "$mod did evaluate to expected remainder"
	case "$elemMatch":
		return "array did satisfy the child predicate"
	}
	return "comparison succeeded"
}
