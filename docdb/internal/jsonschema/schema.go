// Package jsonschema compiles $jsonSchema, MongoDB's dialect of JSON Schema draft 4, and validates raw documents (mongo-engine.md §2.7).
//
// A document that fails is explained in the shape of MongoDB's errInfo.details, which drivers show to users.
package jsonschema

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxDepth is the deepest nesting of schemas.
const MaxDepth = 100

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	rules              []rule
	title, description string
}

// rule is one keyword of a schema.
type rule interface {
	// holds reports whether a value that is there satisfies the keyword.
	holds(v bson.RawValue) bool
	// explain appends the members of the explanation of a failure, all but operatorName.
	explain(v bson.RawValue) []value.Field
	name() string
}

// Compile compiles a schema. It copies its argument. Errors carry MongoDB's codes: FailedToParse for what is unknown or out of
// range, TypeMismatch for a keyword of the wrong type.
func Compile(schema bson.Raw) (*Schema, error) {
	return compile(append(bson.Raw(nil), schema...), 0)
}

// Matches reports whether a document satisfies the schema.
func (s *Schema) Matches(doc bson.Raw) bool { return s.holds(value.Doc(doc)) }

// Predicate returns Matches in the form that match.Options wants.
func Predicate(schema bson.Raw) (func(doc bson.Raw) (bool, error), error) {
	s, err := Compile(schema)
	if err != nil {
		return nil, err
	}
	return func(doc bson.Raw) (bool, error) { return s.Matches(doc), nil }, nil
}

// Validate reports whether a document satisfies the schema; if not, details explains it as MongoDB's errInfo.details does.
func (s *Schema) Validate(doc bson.Raw) (ok bool, details bson.Raw) {
	v := value.Doc(doc)
	if s.holds(v) {
		return true, nil
	}
	fields := []value.Field{{Name: "operatorName", Value: value.String("$jsonSchema")}}
	fields = append(fields, s.annotations()...)
	fields = append(fields, value.Field{Name: "schemaRulesNotSatisfied", Value: s.explain(v)})
	return false, value.DocOf(fields...)
}

func (s *Schema) annotations() []value.Field {
	var f []value.Field
	if s.title != "" {
		f = append(f, value.Field{Name: "title", Value: value.String(s.title)})
	}
	if s.description != "" {
		f = append(f, value.Field{Name: "description", Value: value.String(s.description)})
	}
	return f
}

func (s *Schema) holds(v bson.RawValue) bool {
	for _, r := range s.rules {
		if !r.holds(v) {
			return false
		}
	}
	return true
}

// explain returns an array of one document for each rule that fails.
func (s *Schema) explain(v bson.RawValue) bson.RawValue {
	var list []bson.RawValue
	for _, r := range s.rules {
		if r.holds(v) {
			continue
		}
		fields := append([]value.Field{{Name: "operatorName", Value: value.String(r.name())}}, r.explain(v)...)
		list = append(list, value.Doc(value.DocOf(fields...)))
	}
	return value.ArrayOf(list)
}

// keyword is a keyword of the language with its compiler, which gets the whole schema for keywords that modify each other. A
// compiler that returns no rule adds none.
type keyword struct {
	name    string
	help    string
	compile func(c *compilation) (rule, error)
}

type compilation struct {
	name   string
	v      bson.RawValue
	schema bson.Raw
	out    *Schema
	depth  int
}

// keywords are listed in the order in which failures are reported.
func keywords() []keyword {
	return []keyword{
		{"title", "a name", compileTitle},
		{"description", "a text", compileDescription},
		{"bsonType", "BSON types by alias", compileTypes},
		{"type", "JSON types", compileTypes},
		{"enum", "the values that are allowed", compileEnum},
		{"minimum", "least number", compileBound},
		{"maximum", "greatest number", compileBound},
		{"exclusiveMinimum", "minimum itself is not allowed", compileExclusive},
		{"exclusiveMaximum", "maximum itself is not allowed", compileExclusive},
		{"multipleOf", "the number that divides it", compileMultipleOf},
		{"minLength", "least number of characters", compileCount},
		{"maxLength", "greatest number of characters", compileCount},
		{"pattern", "regular expression of a text", compilePattern},
		{"minItems", "least length of an array", compileCount},
		{"maxItems", "greatest length of an array", compileCount},
		{"uniqueItems", "no two equal elements", compileUnique},
		{"items", "schema of the elements", compileItems},
		{"additionalItems", "schema of the elements beyond items", compileAdditionalItems},
		{"required", "names of members that must be there", compileRequired},
		{"properties", "schemas of members by name", compileProperties},
		{"patternProperties", "schemas of members by regular expression", compilePatternProperties},
		{"additionalProperties", "schema of all other members", compileAdditionalProperties},
		{"minProperties", "least number of members", compileCount},
		{"maxProperties", "greatest number of members", compileCount},
		{"dependencies", "what a member's presence requires", compileDependencies},
		{"allOf", "schemas that must all hold", compileLogic},
		{"anyOf", "schemas of which one must hold", compileLogic},
		{"oneOf", "schemas of which exactly one must hold", compileLogic},
		{"not", "a schema that must not hold", compileNot},
	}
}

// Keyword is a keyword that is supported, for documentation.
type Keyword struct{ Name, Help string }

// KeywordTable returns the keywords that are supported.
func KeywordTable() []Keyword {
	var out []Keyword
	for _, k := range keywords() {
		out = append(out, Keyword{k.name, k.help})
	}
	return out
}

// unsupported are keywords of JSON Schema that MongoDB names in its refusal.
var unsupported = map[string]bool{
	"$ref": true, "$schema": true, "default": true, "definitions": true, "format": true, "id": true, "encrypt": true, "encryptMetadata": true,
}

func compile(schema bson.Raw, depth int) (*Schema, error) {
	if depth > MaxDepth {
		return nil, parseError("$jsonSchema is nested more than %d deep", MaxDepth)
	}
	table := keywords()
	known := make(map[string]bool, len(table))
	for _, k := range table {
		known[k.name] = true
	}
	it := value.Over(schema)
	for it.Next() {
		switch name := it.Key(); {
		case unsupported[name]:
			return nil, parseError("$jsonSchema keyword '%s' is not currently supported", name)
		case !known[name]:
			return nil, parseError("Unknown $jsonSchema keyword: %s", name)
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a schema")
	}
	if value.Lookup(schema, "type").Type != 0 && value.Lookup(schema, "bsonType").Type != 0 {
		return nil, parseError("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")
	}
	s := &Schema{}
	for _, k := range table {
		v := value.Lookup(schema, k.name)
		if v.Type == 0 {
			continue
		}
		r, err := k.compile(&compilation{k.name, v, schema, s, depth})
		if err != nil {
			return nil, err
		}
		if r != nil {
			s.rules = append(s.rules, r)
		}
	}
	return s, nil
}

// sub compiles a nested schema.
func (c *compilation) sub(v bson.RawValue) (*Schema, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, typeError("$jsonSchema keyword '%s' must be an object, or hold objects", c.name)
	}
	return compile(v.Value, c.depth+1)
}

// subs compiles a non-empty array of schemas.
func (c *compilation) subs() ([]*Schema, error) {
	if c.v.Type != bson.TypeArray {
		return nil, typeError("$jsonSchema keyword '%s' must be an array", c.name)
	}
	var out []*Schema
	it := value.Over(c.v.Value)
	for it.Next() {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, typeError("$jsonSchema keyword '%s' must be an array of objects, but found an element of type %s", c.name, value.TypeName(it.Value().Type))
		}
		s, err := c.sub(it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "$jsonSchema keyword '%s' must be a non-empty array", c.name)
	}
	return out, nil
}

// names reads a non-empty array of distinct strings.
func (c *compilation) names(v bson.RawValue) ([]string, error) {
	if v.Type != bson.TypeArray {
		return nil, typeError("$jsonSchema keyword '%s' must be an array, but found an element of type %s", c.name, value.TypeName(v.Type))
	}
	var out []string
	seen := map[string]bool{}
	it := value.Over(v.Value)
	for it.Next() {
		s, isText := value.Text(it.Value())
		if !isText || it.Value().Type != bson.TypeString {
			return nil, typeError("$jsonSchema keyword '%s' must be an array of strings, but found an element of type: %s", c.name, value.TypeName(it.Value().Type))
		}
		if seen[s] {
			return nil, parseError("$jsonSchema keyword '%s' array cannot contain duplicate values", c.name)
		}
		seen[s] = true
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, parseError("$jsonSchema keyword '%s' cannot be an empty array", c.name)
	}
	return out, nil
}

func compileTitle(c *compilation) (rule, error) {
	s, isText := value.Text(c.v)
	if !isText {
		return nil, typeError("$jsonSchema keyword 'title' must be of type string")
	}
	c.out.title = strings.Clone(s)
	return nil, nil
}

func compileDescription(c *compilation) (rule, error) {
	s, isText := value.Text(c.v)
	if !isText {
		return nil, typeError("$jsonSchema keyword 'description' must be of type string")
	}
	c.out.description = strings.Clone(s)
	return nil, nil
}

func parseError(format string, args ...any) error {
	return mongoerr.New(mongoerr.FailedToParse, format, args...)
}

func typeError(format string, args ...any) error {
	return mongoerr.New(mongoerr.TypeMismatch, format, args...)
}

// base is what all rules have: the keyword and its operand as given.
type base struct {
	keyword string
	as      bson.RawValue
}

func (b base) name() string { return b.keyword }

func (b base) specified() value.Field {
	return value.Field{Name: "specifiedAs", Value: value.Doc(value.DocOf(value.Field{Name: b.keyword, Value: b.as}))}
}

func (b base) failed(reason string, v bson.RawValue) []value.Field {
	return []value.Field{b.specified(), {Name: "reason", Value: value.String(reason)}, {Name: "consideredValue", Value: v}}
}
