package jsonschema

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/regex"
	"regent/docdb/internal/value"
)

type requiredRule struct {
	base
	names []string
}

func compileRequired(c *compilation) (rule, error) {
	names, err := c.names(c.v)
	if err != nil {
		return nil, err
	}
	return &requiredRule{base{c.name, c.v}, names}, nil
}

// missing returns the names that a document lacks.
func missing(v bson.RawValue, names []string) []bson.RawValue {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	var out []bson.RawValue
	for _, n := range names {
		if value.Lookup(v.Value, n).Type == 0 {
			out = append(out, value.String(n))
		}
	}
	return out
}

func (r *requiredRule) holds(v bson.RawValue) bool { return missing(v, r.names) == nil }

func (r *requiredRule) explain(v bson.RawValue) []value.Field {
	return []value.Field{r.specified(), {Name: "missingProperties", Value: value.ArrayOf(missing(v, r.names))}}
}

type property struct {
	name   string
	schema *Schema
}

type propertiesRule struct {
	base
	props []property
}

func compileProperties(c *compilation) (rule, error) {
	if c.v.Type != bson.TypeEmbeddedDocument {
		return nil, typeError("$jsonSchema keyword 'properties' must be an object")
	}
	r := &propertiesRule{base: base{c.name, c.v}}
	it := value.Over(c.v.Value)
	for it.Next() {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, typeError("Nested schema for $jsonSchema property '%s' must be an object", it.Key())
		}
		s, err := c.sub(it.Value())
		if err != nil {
			return nil, err
		}
		r.props = append(r.props, property{strings.Clone(it.Key()), s})
	}
	return r, nil
}

func (r *propertiesRule) holds(v bson.RawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument {
		return true
	}
	for _, p := range r.props {
		if m := value.Lookup(v.Value, p.name); m.Type != 0 && !p.schema.holds(m) {
			return false
		}
	}
	return true
}

func (r *propertiesRule) explain(v bson.RawValue) []value.Field {
	var list []bson.RawValue
	for _, p := range r.props {
		m := value.Lookup(v.Value, p.name)
		if m.Type == 0 || p.schema.holds(m) {
			continue
		}
		f := append([]value.Field{{Name: "propertyName", Value: value.String(p.name)}}, p.schema.annotations()...)
		list = append(list, value.Doc(value.DocOf(append(f, value.Field{Name: "details", Value: p.schema.explain(m)})...)))
	}
	return []value.Field{{Name: "propertiesNotSatisfied", Value: value.ArrayOf(list)}}
}

type pattern struct {
	re     *regex.Regexp
	schema *Schema
}

func (p pattern) covers(name string) bool {
	ok, err := p.re.MatchString(name)
	return ok && err == nil
}

type patternPropertiesRule struct {
	base
	patterns []pattern
}

func compilePatternProperties(c *compilation) (rule, error) {
	if c.v.Type != bson.TypeEmbeddedDocument {
		return nil, typeError("$jsonSchema keyword 'patternProperties' must be an object")
	}
	r := &patternPropertiesRule{base: base{c.name, c.v}}
	it := value.Over(c.v.Value)
	for it.Next() {
		re, err := regex.Compile(it.Key(), "")
		if err != nil {
			return nil, err
		}
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, typeError("$jsonSchema keyword 'patternProperties' has property '%s' which is not an object", it.Key())
		}
		s, err := c.sub(it.Value())
		if err != nil {
			return nil, err
		}
		r.patterns = append(r.patterns, pattern{re, s})
	}
	return r, nil
}

func (r *patternPropertiesRule) holds(v bson.RawValue) bool {
	it := value.Iter{}
	if v.Type == bson.TypeEmbeddedDocument {
		it = value.Over(v.Value)
	}
	for it.Next() {
		for _, p := range r.patterns {
			if p.covers(it.Key()) && !p.schema.holds(it.Value()) {
				return false
			}
		}
	}
	return true
}

func (r *patternPropertiesRule) explain(v bson.RawValue) []value.Field {
	var list []bson.RawValue
	it := value.Over(v.Value)
	for it.Next() {
		for _, p := range r.patterns {
			if p.covers(it.Key()) && !p.schema.holds(it.Value()) {
				list = append(list, value.Doc(value.DocOf(
					value.Field{Name: "propertyName", Value: value.String(it.Key())},
					value.Field{Name: "regexMatched", Value: value.String(p.re.Pattern())},
					value.Field{Name: "details", Value: p.schema.explain(it.Value())},
				)))
			}
		}
	}
	return []value.Field{{Name: "details", Value: value.ArrayOf(list)}}
}

// additionalRule concerns the members that properties and patternProperties do not name.
type additionalRule struct {
	base
	names    map[string]bool
	patterns []pattern
	schema   *Schema // nil forbids
}

func compileAdditionalProperties(c *compilation) (rule, error) {
	r := &additionalRule{base: base{c.name, c.v}, names: map[string]bool{}}
	if allowed, isBool := value.Bool(c.v); isBool {
		if allowed {
			return nil, nil
		}
	} else {
		if c.v.Type != bson.TypeEmbeddedDocument {
			return nil, typeError("$jsonSchema keyword 'additionalProperties' must be an object or a boolean")
		}
		s, err := c.sub(c.v)
		if err != nil {
			return nil, err
		}
		r.schema = s
	}
	it := value.OverValue(value.Lookup(c.schema, "properties"))
	for it.Next() {
		r.names[strings.Clone(it.Key())] = true
	}
	it = value.OverValue(value.Lookup(c.schema, "patternProperties"))
	for it.Next() {
		re, err := regex.Compile(it.Key(), "")
		if err != nil {
			return nil, err
		}
		r.patterns = append(r.patterns, pattern{re: re})
	}
	return r, nil
}

func (r *additionalRule) each(v bson.RawValue, visit func(name string, m bson.RawValue) bool) {
	if v.Type != bson.TypeEmbeddedDocument {
		return
	}
	it := value.Over(v.Value)
members:
	for it.Next() {
		if r.names[it.Key()] {
			continue
		}
		for _, p := range r.patterns {
			if p.covers(it.Key()) {
				continue members
			}
		}
		if !visit(it.Key(), it.Value()) {
			return
		}
	}
}

func (r *additionalRule) holds(v bson.RawValue) bool {
	ok := true
	r.each(v, func(_ string, m bson.RawValue) bool {
		ok = r.schema != nil && r.schema.holds(m)
		return ok
	})
	return ok
}

func (r *additionalRule) explain(v bson.RawValue) []value.Field {
	if r.schema == nil {
		var names []bson.RawValue
		r.each(v, func(name string, _ bson.RawValue) bool {
			names = append(names, value.String(name))
			return true
		})
		return []value.Field{r.specified(), {Name: "additionalProperties", Value: value.ArrayOf(names)}}
	}
	f := []value.Field{{Name: "reason", Value: value.String("at least one additional property did not match the subschema")}}
	r.each(v, func(name string, m bson.RawValue) bool {
		if r.schema.holds(m) {
			return true
		}
		f = append(f, value.Field{Name: "failingProperty", Value: value.String(name)}, value.Field{Name: "details", Value: r.schema.explain(m)})
		return false
	})
	return f
}

// dependency is what the presence of a member requires: other members, or a schema of the whole document.
type dependency struct {
	name   string
	names  []string
	schema *Schema
}

type dependenciesRule struct {
	base
	deps []dependency
}

func compileDependencies(c *compilation) (rule, error) {
	if c.v.Type != bson.TypeEmbeddedDocument {
		return nil, typeError("$jsonSchema keyword 'dependencies' must be an object")
	}
	r := &dependenciesRule{base: base{c.name, c.v}}
	it := value.Over(c.v.Value)
	for it.Next() {
		d := dependency{name: strings.Clone(it.Key())}
		var err error
		switch it.Value().Type {
		case bson.TypeEmbeddedDocument:
			d.schema, err = c.sub(it.Value())
		case bson.TypeArray:
			d.names, err = c.names(it.Value())
		default:
			err = typeError("$jsonSchema keyword 'dependencies' must be an object or an array for property '%s'", it.Key())
		}
		if err != nil {
			return nil, err
		}
		r.deps = append(r.deps, d)
	}
	return r, nil
}

func (d dependency) holds(v bson.RawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument || value.Lookup(v.Value, d.name).Type == 0 {
		return true
	}
	if d.schema != nil {
		return d.schema.holds(v)
	}
	return missing(v, d.names) == nil
}

func (r *dependenciesRule) holds(v bson.RawValue) bool {
	for _, d := range r.deps {
		if !d.holds(v) {
			return false
		}
	}
	return true
}

func (r *dependenciesRule) explain(v bson.RawValue) []value.Field {
	var list []bson.RawValue
	for _, d := range r.deps {
		if d.holds(v) {
			continue
		}
		f := []value.Field{{Name: "conditionalProperty", Value: value.String(d.name)}}
		if d.schema != nil {
			f = append(f, value.Field{Name: "details", Value: d.schema.explain(v)})
		} else {
			f = append(f, value.Field{Name: "missingProperties", Value: value.ArrayOf(missing(v, d.names))})
		}
		list = append(list, value.Doc(value.DocOf(f...)))
	}
	return []value.Field{{Name: "failingDependencies", Value: value.ArrayOf(list)}}
}
