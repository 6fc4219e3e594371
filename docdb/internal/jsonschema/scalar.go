package jsonschema

import (
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/regex"
	"regent/docdb/internal/value"
)

// typesRule is type or bsonType.
type typesRule struct {
	base
	types value.TypeSet
}

// jsonTypes are the names of the keyword type. There is no "integer".
var jsonTypes = map[string]bson.Type{
	"object": bson.TypeEmbeddedDocument, "array": bson.TypeArray, "boolean": bson.TypeBoolean, "string": bson.TypeString, "null": bson.TypeNull,
}

func compileTypes(c *compilation) (rule, error) {
	r := &typesRule{base: base{c.name, c.v}}
	list := []bson.RawValue{c.v}
	if c.v.Type == bson.TypeArray {
		if _, err := c.names(c.v); err != nil {
			return nil, err
		}
		list = value.Elements(c.v.Value)
	}
	for _, v := range list {
		name, isText := value.Text(v)
		if !isText || v.Type != bson.TypeString {
			return nil, typeError("$jsonSchema keyword '%s' must be either a string or an array of strings", c.name)
		}
		var t bson.Type
		var ok bool
		if c.name == "type" {
			if name == "integer" {
				return nil, parseError("$jsonSchema type 'integer' is not currently supported.")
			}
			t, ok = jsonTypes[name]
		} else {
			t, ok = value.TypeByAlias(name)
		}
		switch {
		case name == "number":
			r.types.AddNumbers()
		case ok:
			r.types.Add(t)
		default:
			return nil, mongoerr.New(mongoerr.BadValue, "Unknown type name alias: %s", name)
		}
	}
	return r, nil
}

func (r *typesRule) holds(v bson.RawValue) bool { return r.types.Has(v.Type) }

func (r *typesRule) explain(v bson.RawValue) []value.Field {
	f := r.failed("type did not match", v)
	return append(f, value.Field{Name: "consideredType", Value: value.String(value.TypeName(v.Type))})
}

type enumRule struct{ base }

func compileEnum(c *compilation) (rule, error) {
	if c.v.Type != bson.TypeArray {
		return nil, typeError("$jsonSchema keyword 'enum' must be an array, but found an element of type %s", value.TypeName(c.v.Type))
	}
	list := value.Elements(c.v.Value)
	if len(list) == 0 {
		return nil, parseError("$jsonSchema keyword 'enum' cannot be an empty array")
	}
	seen := map[string]bool{}
	for _, v := range list {
		k := string(value.AppendKey(nil, v))
		if seen[k] {
			return nil, parseError("$jsonSchema keyword 'enum' array cannot contain duplicate values.")
		}
		seen[k] = true
	}
	return &enumRule{base{c.name, c.v}}, nil
}

func (r *enumRule) holds(v bson.RawValue) bool {
	it := value.Over(r.as.Value)
	for it.Next() {
		if value.Equal(it.Value(), v) {
			return true
		}
	}
	return false
}

func (r *enumRule) explain(v bson.RawValue) []value.Field {
	return r.failed("value was not found in enum", v)
}

// boundRule is minimum or maximum, of numbers only.
type boundRule struct {
	base
	sign      int // 1 for minimum
	exclusive bool
}

func compileBound(c *compilation) (rule, error) {
	if !value.IsNumber(c.v) {
		return nil, typeError("$jsonSchema keyword '%s' must be a number", c.name)
	}
	r := &boundRule{base: base{c.name, c.v}, sign: 1}
	exclusive := "exclusiveMinimum"
	if c.name == "maximum" {
		r.sign, exclusive = -1, "exclusiveMaximum"
	}
	r.exclusive, _ = value.Bool(value.Lookup(c.schema, exclusive))
	return r, nil
}

// compileExclusive checks the modifier, which compileBound reads.
func compileExclusive(c *compilation) (rule, error) {
	if c.v.Type != bson.TypeBoolean {
		return nil, typeError("$jsonSchema keyword '%s' must be a boolean", c.name)
	}
	bound := map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}[c.name]
	if value.Lookup(c.schema, bound).Type == 0 {
		return nil, parseError("$jsonSchema keyword '%s' must be a present if %s is present", bound, c.name)
	}
	return nil, nil
}

func (r *boundRule) holds(v bson.RawValue) bool {
	if !value.IsNumber(v) {
		return true
	}
	if value.IsNaN(v) {
		return value.IsNaN(r.as) && !r.exclusive
	}
	d := value.Compare(v, r.as) * r.sign
	return d > 0 || d == 0 && !r.exclusive
}

func (r *boundRule) explain(v bson.RawValue) []value.Field { return r.failed("comparison failed", v) }

type multipleRule struct {
	base
	of value.Decimal
}

func compileMultipleOf(c *compilation) (rule, error) {
	if !value.IsNumber(c.v) {
		return nil, typeError("$jsonSchema keyword 'multipleOf' must be a number, but found an element of type: %s", value.TypeName(c.v.Type))
	}
	d := value.ToDecimal(c.v)
	if d.Sign() <= 0 || d.IsInf() {
		return nil, parseError("$jsonSchema keyword 'multipleOf' must have a positive value")
	}
	return &multipleRule{base{c.name, c.v}, d}, nil
}

func (r *multipleRule) holds(v bson.RawValue) bool {
	return !value.IsNumber(v) || value.ToDecimal(v).Rem(r.of).IsZero()
}

func (r *multipleRule) explain(v bson.RawValue) []value.Field {
	return r.failed("considered value is not a multiple of the specified value", v)
}

// countRule bounds the characters of a text, the elements of an array or the members of a document.
type countRule struct {
	base
	n     int64
	least bool
	count func(v bson.RawValue) (n int, applies bool)
	why   string
}

func compileCount(c *compilation) (rule, error) {
	if !value.IsNumber(c.v) {
		return nil, typeError("$jsonSchema keyword '%s' must be a number, but found an element of type %s", c.name, value.TypeName(c.v.Type))
	}
	n, exact := value.Integer(c.v)
	if !exact || n < 0 {
		return nil, parseError("$jsonSchema keyword '%s' must be a non-negative integer: %s", c.name, value.Show(c.v))
	}
	r := &countRule{base: base{c.name, c.v}, n: n, least: c.name[:3] == "min"}
	switch c.name[3:] {
	case "Length":
		r.count, r.why = countCharacters, "specified string length was not satisfied"
	case "Items":
		r.count, r.why = countMembers(bson.TypeArray), "array did not match specified length"
	default:
		r.count, r.why = countMembers(bson.TypeEmbeddedDocument), "specified number of properties was not satisfied"
	}
	return r, nil
}

func countCharacters(v bson.RawValue) (int, bool) {
	if v.Type != bson.TypeString {
		return 0, false
	}
	s, _ := value.Text(v)
	return utf8.RuneCountInString(s), true
}

func countMembers(t bson.Type) func(v bson.RawValue) (int, bool) {
	return func(v bson.RawValue) (int, bool) {
		if v.Type != t {
			return 0, false
		}
		return value.Count(v.Value), true
	}
}

func (r *countRule) holds(v bson.RawValue) bool {
	n, applies := r.count(v)
	if !applies {
		return true
	}
	if r.least {
		return int64(n) >= r.n
	}
	return int64(n) <= r.n
}

func (r *countRule) explain(v bson.RawValue) []value.Field {
	if v.Type == bson.TypeEmbeddedDocument {
		n, _ := r.count(v)
		return []value.Field{r.specified(), {Name: "reason", Value: value.String(r.why)}, {Name: "numberOfProperties", Value: value.Int32(int32(n))}}
	}
	return r.failed(r.why, v)
}

type patternRule struct {
	base
	re *regex.Regexp
}

func compilePattern(c *compilation) (rule, error) {
	p, isText := value.Text(c.v)
	if !isText || c.v.Type != bson.TypeString {
		return nil, typeError("$jsonSchema keyword 'pattern' must be a string")
	}
	re, err := regex.Compile(p, "")
	if err != nil {
		return nil, err
	}
	return &patternRule{base{c.name, c.v}, re}, nil
}

func (r *patternRule) holds(v bson.RawValue) bool {
	if v.Type != bson.TypeString {
		return true
	}
	s, _ := value.Text(v)
	ok, err := r.re.MatchString(s)
	return ok && err == nil // what cannot be judged does not pass
}

func (r *patternRule) explain(v bson.RawValue) []value.Field {
	return r.failed("regular expression did not match", v)
}
