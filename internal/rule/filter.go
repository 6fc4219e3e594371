package rule

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// filter is a compiled query filter (app-services.md §5.11). Filters narrow, so
// a broken one applies to everybody and matches nothing.
type filter struct {
	name       string
	apply      *Expr
	query      template
	projection bson.Raw
	broken     bool
}

// template is a query in which expansions become values when it is used. What
// an expansion gives always stands where MongoDB reads a value, never where it
// would read an operator or a pattern.
type template interface {
	// render appends the element key: value. ok is false when an expansion's
	// value cannot stand there; the whole filter then matches nothing.
	render(dst []byte, key string, e *Env) (out []byte, ok bool)
}

// fixed is a part without expansions.
type fixed struct{ value bson.RawValue }

func (f fixed) render(dst []byte, key string, _ *Env) ([]byte, bool) {
	return appendElement(dst, key, f.value), true
}

// branch is a document or an array of parts.
type branch struct {
	t     bson.Type
	keys  []string
	parts []template
}

func (b branch) render(dst []byte, key string, e *Env) ([]byte, bool) {
	dst = bsoncore.AppendHeader(dst, bsoncore.Type(b.t), key)
	dst, ok := b.body(dst, e)
	return dst, ok
}

func (b branch) body(dst []byte, e *Env) ([]byte, bool) {
	index, dst := bsoncore.AppendDocumentStart(dst)
	for i, p := range b.parts {
		var ok bool
		if dst, ok = p.render(dst, b.keys[i], e); !ok {
			return dst, false
		}
	}
	dst, err := bsoncore.AppendDocumentEnd(dst, index)
	return dst, err == nil
}

// argument is an operator's argument that is computed. A missing value equals
// nothing: $eq and its kin become an empty $in, $ne an empty $nin.
type argument struct{ o *operand }

func (a argument) render(dst []byte, key string, e *Env) ([]byte, bool) {
	v := a.o.value(e)
	empty := bson.RawValue{Type: bson.TypeArray, Value: emptyDocument}
	switch {
	case isMissing(v) && (key == "$ne"):
		return appendElement(dst, "$nin", empty), true
	case isMissing(v) && key == "$nin":
		return dst, false
	case isMissing(v):
		return appendElement(dst, "$in", empty), true
	}
	switch key {
	case "$in", "$nin":
		if v.Type != bson.TypeArray {
			return dst, false
		}
		for it := newIter(v.Value); it.next(); {
			if it.value.Type == bson.TypeRegex {
				return dst, false // would be a pattern
			}
		}
	case "$eq":
		if v.Type == bson.TypeArray {
			// As in expressions: one of the array's elements will do.
			for it := newIter(v.Value); it.next(); {
				if it.value.Type == bson.TypeRegex {
					return dst, false
				}
			}
			return appendElement(dst, "$in", v), true
		}
	default:
		if v.Type == bson.TypeRegex {
			return dst, false
		}
	}
	return appendElement(dst, key, v), true
}

// compileQuery compiles a filter's query document.
func (c *compiler) compileQuery(d bson.Raw, at string, depth int) template {
	if !hasExpansion(document(d)) {
		return fixed{document(d)}
	}
	if !c.count(at, depth) {
		return fixed{document(emptyDocument)}
	}
	b := branch{t: bson.TypeEmbeddedDocument}
	for it := newIter(d); it.next(); {
		key := string(it.key)
		at := at + "." + key
		var part template
		switch {
		case !hasExpansion(bson.RawValue{Type: it.value.Type, Value: it.value.Value}) && !strings.HasPrefix(key, "%"):
			part = fixed{it.value}
		case isOperator(key):
			op := "$" + key[1:]
			switch op {
			case "$and", "$or", "$nor":
				list := branch{t: bson.TypeArray}
				i := 0
				for items := newIter(it.value.Value); it.value.Type == bson.TypeArray && items.next(); i++ {
					sub, ok := items.value.DocumentOK()
					if !ok {
						c.problem(fmt.Sprintf("%s[%d]", at, i), "%s needs query documents", key)
						continue
					}
					list.keys = append(list.keys, arrayKey(i))
					list.parts = append(list.parts, c.compileQuery(sub, fmt.Sprintf("%s[%d]", at, i), depth+1))
				}
				key, part = op, list
			default:
				c.problem(at, "expansions cannot stand inside %s", key)
				return fixed{document(emptyDocument)}
			}
		case strings.HasPrefix(key, "%%"):
			c.problem(at, "a filter's query names fields, not expansions")
			return fixed{document(emptyDocument)}
		default:
			part = c.compileField(it.value, at, depth+1)
		}
		b.keys = append(b.keys, key)
		b.parts = append(b.parts, part)
	}
	return b
}

// compileField compiles what a field of a filter's query is compared with.
func (c *compiler) compileField(v bson.RawValue, at string, depth int) template {
	none := fixed{document(emptyDocument)}
	if !c.count(at, depth) {
		return none
	}
	d, isDoc := v.DocumentOK()
	if !isDoc || !operatorKeys(d) {
		return c.argumentOf("$eq", v, at, depth)
	}
	b := branch{t: bson.TypeEmbeddedDocument}
	for it := newIter(d); it.next(); {
		key := string(it.key)
		at := at + "." + key
		if !isOperator(key) {
			c.problem(at, "the field %q stands beside operators", key)
			return none
		}
		name := key[1:]
		_, isComparison := comparisons[name]
		_, isConversion := conversions[name]
		switch {
		case isConversion || name == "function":
			return c.argumentOf("$eq", v, at, depth)
		case isComparison:
			o, ok := c.operand(it.value, at, depth)
			if !ok {
				return none
			}
			b.keys, b.parts = append(b.keys, "$"+name), append(b.parts, argument{o})
		case name == "not":
			b.keys, b.parts = append(b.keys, "$not"), append(b.parts, c.compileField(it.value, at, depth+1))
		case name == "elemMatch":
			sub, ok := it.value.DocumentOK()
			if !ok {
				c.problem(at, "$elemMatch needs a document")
				return none
			}
			if operatorKeys(sub) {
				b.keys, b.parts = append(b.keys, "$elemMatch"), append(b.parts, c.compileField(it.value, at, depth+1))
			} else {
				b.keys, b.parts = append(b.keys, "$elemMatch"), append(b.parts, c.compileQuery(sub, at, depth+1))
			}
		case hasExpansion(it.value) && name != "exists":
			c.problem(at, "expansions cannot stand inside %s", key)
			return none
		case name == "exists":
			o, ok := c.operand(it.value, at, depth)
			if !ok || o.src != srcLiteral {
				c.problem(at, "%s needs true or false", key)
				return none
			}
			b.keys, b.parts = append(b.keys, "$exists"), append(b.parts, fixed{o.literal})
		default:
			b.keys, b.parts = append(b.keys, "$"+name), append(b.parts, fixed{it.value})
		}
	}
	return b
}

func (c *compiler) argumentOf(op string, v bson.RawValue, at string, depth int) template {
	o, ok := c.operand(v, at, depth)
	if !ok {
		return fixed{document(emptyDocument)}
	}
	return branch{t: bson.TypeEmbeddedDocument, keys: []string{op}, parts: []template{argument{o}}}
}

// hasExpansion tells whether a value holds an expansion or an operator in the
// % form anywhere.
func hasExpansion(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString:
		return strings.HasPrefix(v.StringValue(), "%%")
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		for it := newIter(v.Value); it.next(); {
			if v.Type == bson.TypeEmbeddedDocument && len(it.key) > 1 && it.key[0] == '%' {
				return true
			}
			if hasExpansion(it.value) {
				return true
			}
		}
	}
	return false
}

// matchesNothing is a query without an answer.
var matchesNothing = bson.Raw(junctionQuery("$nor", [][]byte{emptyDocument}))

// rendered gives the filter's query for a request.
func (f *filter) rendered(e *Env) bson.Raw {
	if f.broken {
		return matchesNothing
	}
	before := e.failed
	switch q := f.query.(type) {
	case nil:
		return nil
	case fixed:
		return bson.Raw(q.value.Value)
	case branch:
		if out, ok := q.body(nil, e); ok && e.failed == before {
			return out
		}
	}
	return matchesNothing
}
