package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// CompileSchema compiles a collection's schema. What it does not know becomes a
// problem; an unknown type refuses every value at its place.
func CompileSchema(a *app.App, raw bson.Raw, src app.Source, choices *Choices) (*Schema, []app.Problem) {
	b := &schemaBuilder{app: a, src: src}
	root := document(raw)
	// Some exports wrap the schema as a validator has it.
	if inner, ok := lookup(raw, "$jsonSchema"); ok && inner.Type == bson.TypeEmbeddedDocument {
		root = inner
	}
	s := &Schema{choices: choices, root: b.shape(root, "", 0)}
	if t, ok := lookup(root.Value, "title"); ok {
		s.Title, _ = t.StringValueOK()
	}
	return s, b.problems
}

type schemaBuilder struct {
	app      *app.App
	src      app.Source
	problems []app.Problem
}

func (b *schemaBuilder) warn(at, format string, args ...any) {
	if len(b.problems) >= 100 {
		return
	}
	src := b.src
	src.Path += at
	b.problems = append(b.problems, src.Warn("%s", fmt.Sprintf(format, args...)))
}

// keyword is a row of the table of schema keywords.
type keyword struct {
	name  string
	apply func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool // false: wrong form
}

// keywords gives the table of schema keywords (app-services.md §6.1), and the
// ones of JSON schema that real apps use beside them (real-apps.md §6).
func keywords() []keyword {
	return []keyword{
		{"bsonType", (*schemaBuilder).types},
		{"bson_type", (*schemaBuilder).types},
		{"type", (*schemaBuilder).types},
		{"title", note}, {"description", note}, {"desciption", note}, {"default", note}, {"$schema", note}, {"examples", note}, {"format", note},
		{"enum", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, _ int) bool {
			s.enum = []bson.RawValue{}
			for it := newIter(v.Value); v.Type == bson.TypeArray && it.next(); {
				s.enum = append(s.enum, it.value)
			}
			return v.Type == bson.TypeArray
		}},
		{"const", func(b *schemaBuilder, s *shape, v bson.RawValue, _ string, _ int) bool { s.constant = &v; return true }},
		{"validate", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, _ int) bool {
			src := b.src
			src.Path += at
			x, problems := CompileExpression(b.app, v, Validate, src)
			s.validate = x
			b.problems = append(b.problems, problems...)
			return true
		}},
		{"required", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, _ int) (ok bool) {
			s.required, ok = stringList(v)
			return ok
		}},
		{"properties", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			s.properties = map[string]*shape{}
			for it := newIter(v.Value); v.Type == bson.TypeEmbeddedDocument && it.next(); {
				s.properties[string(it.key)] = b.shape(it.value, at+"."+string(it.key), depth+1)
			}
			return v.Type == bson.TypeEmbeddedDocument
		}},
		{"patternProperties", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			for it := newIter(v.Value); v.Type == bson.TypeEmbeddedDocument && it.next(); {
				at := at + "." + string(it.key)
				re, err := regexp.Compile(string(it.key))
				if err != nil {
					b.warn(at, "the pattern is not a regular expression that can be used: %v; no field fits", err)
					s.invalid = "(pattern " + string(it.key) + ")"
					continue
				}
				s.patterns = append(s.patterns, patternShape{re, b.shape(it.value, at, depth+1)})
			}
			return v.Type == bson.TypeEmbeddedDocument
		}},
		{"additionalProperties", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			if allowed, ok := v.BooleanOK(); ok {
				s.closed = !allowed
				return true
			}
			s.additional = b.shape(v, at, depth+1)
			return true
		}},
		{"dependencies", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			s.needs, s.needsShape = map[string][]string{}, map[string]*shape{}
			for it := newIter(v.Value); v.Type == bson.TypeEmbeddedDocument && it.next(); {
				if list, ok := stringList(it.value); ok {
					s.needs[string(it.key)] = list
				} else {
					s.needsShape[string(it.key)] = b.shape(it.value, at+"."+string(it.key), depth+1)
				}
			}
			return v.Type == bson.TypeEmbeddedDocument
		}},
		{"items", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			if v.Type == bson.TypeArray {
				s.itemList = b.shapes(v, at, depth)
				return true
			}
			s.items = b.shape(v, at, depth+1)
			return true
		}},
		{"additionalItems", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			if allowed, ok := v.BooleanOK(); ok {
				s.closedItems = !allowed
				return true
			}
			s.additionalItems = b.shape(v, at, depth+1)
			return true
		}},
		{"allOf", list(func(s *shape) *[]*shape { return &s.allOf })},
		{"anyOf", list(func(s *shape) *[]*shape { return &s.anyOf })},
		{"oneOf", list(func(s *shape) *[]*shape { return &s.oneOf })},
		{"not", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
			s.not = b.shape(v, at, depth+1)
			return true
		}},
		{"uniqueItems", func(_ *schemaBuilder, s *shape, v bson.RawValue, _ string, _ int) (ok bool) {
			s.unique, ok = v.BooleanOK()
			return ok
		}},
		{"pattern", func(b *schemaBuilder, s *shape, v bson.RawValue, at string, _ int) bool {
			text, ok := v.StringValueOK()
			if !ok {
				return false
			}
			re, err := regexp.Compile(text)
			if err != nil {
				b.warn(at, "the pattern is not a regular expression that can be used: %v; no text fits", err)
				s.invalid = "(pattern " + text + ")"
				return true
			}
			s.pattern, s.patternText = re, text
			return true
		}},
		{"minProperties", whole(func(s *shape) *int64 { return &s.minProperties })},
		{"maxProperties", whole(func(s *shape) *int64 { return &s.maxProperties })},
		{"minItems", whole(func(s *shape) *int64 { return &s.minItems })},
		{"maxItems", whole(func(s *shape) *int64 { return &s.maxItems })},
		{"minLength", whole(func(s *shape) *int64 { return &s.minLength })},
		{"maxLength", whole(func(s *shape) *int64 { return &s.maxLength })},
		{"minimum", number(func(s *shape) **bson.RawValue { return &s.minimum })},
		{"maximum", number(func(s *shape) **bson.RawValue { return &s.maximum })},
		{"multipleOf", number(func(s *shape) **bson.RawValue { return &s.multipleOf })},
		{"exclusiveMinimum", exclusive(func(s *shape) (*bool, **bson.RawValue) { return &s.exclusiveMin, &s.minimum })},
		{"exclusiveMaximum", exclusive(func(s *shape) (*bool, **bson.RawValue) { return &s.exclusiveMax, &s.maximum })},
	}
}

func note(*schemaBuilder, *shape, bson.RawValue, string, int) bool { return true }

func list(field func(*shape) *[]*shape) func(*schemaBuilder, *shape, bson.RawValue, string, int) bool {
	return func(b *schemaBuilder, s *shape, v bson.RawValue, at string, depth int) bool {
		*field(s) = b.shapes(v, at, depth)
		return v.Type == bson.TypeArray
	}
}

func whole(field func(*shape) *int64) func(*schemaBuilder, *shape, bson.RawValue, string, int) bool {
	return func(_ *schemaBuilder, s *shape, v bson.RawValue, _ string, _ int) bool {
		n, ok := v.AsInt64OK()
		if ok && n >= 0 {
			*field(s) = n
		}
		return ok && n >= 0
	}
}

func number(field func(*shape) **bson.RawValue) func(*schemaBuilder, *shape, bson.RawValue, string, int) bool {
	return func(_ *schemaBuilder, s *shape, v bson.RawValue, _ string, _ int) bool {
		*field(s) = &v
		return classOf(v.Type) == classNumber && !isNaN(v)
	}
}

// exclusive reads draft 4's boolean and the later drafts' number.
func exclusive(field func(*shape) (*bool, **bson.RawValue)) func(*schemaBuilder, *shape, bson.RawValue, string, int) bool {
	return func(_ *schemaBuilder, s *shape, v bson.RawValue, _ string, _ int) bool {
		flag, bound := field(s)
		if on, ok := v.BooleanOK(); ok {
			*flag = on
			return true
		}
		*flag, *bound = true, &v
		return classOf(v.Type) == classNumber
	}
}

func stringList(v bson.RawValue) ([]string, bool) {
	if v.Type == bson.TypeNull {
		return nil, true
	}
	if v.Type != bson.TypeArray {
		return nil, false
	}
	var out []string
	for it := newIter(v.Value); it.next(); {
		s, ok := it.value.StringValueOK()
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func (b *schemaBuilder) shapes(v bson.RawValue, at string, depth int) []*shape {
	out := []*shape{}
	i := 0
	for it := newIter(v.Value); v.Type == bson.TypeArray && it.next(); i++ {
		out = append(out, b.shape(it.value, fmt.Sprintf("%s[%d]", at, i), depth+1))
	}
	return out
}

// shape compiles one schema.
func (b *schemaBuilder) shape(v bson.RawValue, at string, depth int) *shape {
	s := &shape{maxProperties: -1, maxItems: -1, maxLength: -1}
	if depth > maxDepth {
		b.warn(at, "the schema nests more than %d levels; no value fits below", maxDepth)
		s.invalid = "(nested too deeply)"
		return s
	}
	if allowed, ok := v.BooleanOK(); ok {
		if !allowed {
			s.invalid = "false"
		}
		return s
	}
	if v.Type != bson.TypeEmbeddedDocument {
		b.warn(at, "a schema is an object, not %s; no value fits", typeName(v.Type))
		s.invalid = "(not a schema)"
		return s
	}
	table := keywords()
	for it := newIter(v.Value); it.next(); {
		name := string(it.key)
		at := at + "." + name
		known := false
		for _, k := range table {
			if k.name == name {
				known = true
				if !k.apply(b, s, it.value, at, depth) {
					b.warn(at, "%s cannot be %s; no value fits", name, describeValue(it.value))
					s.invalid = "(" + name + ")"
				}
			}
		}
		if !known {
			b.warn(at, "unknown schema keyword %q: it is ignored", name)
		}
	}
	return s
}

// types reads bsonType or type: a name or a list of them.
func (b *schemaBuilder) types(s *shape, v bson.RawValue, at string, _ int) bool {
	var names []string
	if one, ok := v.StringValueOK(); ok {
		names = []string{one}
	} else if many, ok := stringList(v); ok {
		names = many
	} else {
		return false
	}
	if len(s.types) > 0 {
		b.warn(at, "the schema names its type twice; both count")
		s.allOf = append(s.allOf, &shape{types: s.types, typeText: s.typeText, maxProperties: -1, maxItems: -1, maxLength: -1})
		s.types = nil
	}
	for _, name := range names {
		t, ok := bsonTypes[name]
		if !ok {
			b.warn(at, "unknown type %q: no value has it", name)
			if len(names) == 1 {
				s.invalid = name
			}
			continue
		}
		s.types = append(s.types, t)
	}
	if len(s.types) == 0 && s.invalid == "" {
		s.invalid = strings.Join(names, ", ")
	}
	s.typeText = strings.Join(names, " or ")
	return true
}

func formatDouble(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
