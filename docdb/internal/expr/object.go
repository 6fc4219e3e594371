package expr

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func objectOperators() []operator {
	return []operator{
		{name: "$mergeObjects", max: -1, eval: mergeObjects, help: "one document of the members of several; later ones win"},
		{name: "$objectToArray", min: 1, max: 1, eval: objectToArray, help: "array of {k, v} for each member"},
		{name: "$arrayToObject", min: 1, max: 1, eval: arrayToObject, help: "document of [{k, v}, …] or [[k, v], …]"},
		{name: "$getField", compile: compileGetField, help: "a member by any name, dots and dollars included"},
		{name: "$setField", compile: compileSetField, help: "a document with one member set"},
		{name: "$unsetField", compile: compileSetField, help: "a document without one member"},
		{name: "$bsonSize", min: 1, max: 1, eval: bsonSize, help: "bytes of a document as BSON"},
		{name: "$binarySize", min: 1, max: 1, eval: binarySize, help: "bytes of a string or binary value"},
	}
}

// Merger builds a document of the members of several, in the order of first appearance; later values win.
type Merger struct {
	members []member
	index   map[string]int
}

// Add adds the members of doc. Their bytes are kept by reference.
func (m *Merger) Add(doc []byte) {
	for it := Each(doc); ; {
		name, v, ok := it.Next()
		if !ok {
			return
		}
		m.Set(name, v)
	}
}

// Set sets one member.
func (m *Merger) Set(name []byte, v bson.RawValue) {
	if m.index == nil {
		for i := range m.members {
			if bytes.Equal(m.members[i].name, name) {
				m.members[i].value = v
				return
			}
		}
		if len(m.members) >= 16 {
			m.index = make(map[string]int, 32)
			for i := range m.members {
				m.index[string(m.members[i].name)] = i
			}
		}
	} else if i, ok := m.index[string(name)]; ok {
		m.members[i].value = v
		return
	}
	if m.index != nil {
		m.index[string(name)] = len(m.members)
	}
	m.members = append(m.members, member{name, v})
}

// Value builds the document.
func (m *Merger) Value(env *Env) (bson.RawValue, error) { return env.object(m.members) }

func mergeObjects(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	var m Merger
	for _, v := range a {
		if Nullish(v) {
			continue
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return Null, mongoerr.New(40400, "$mergeObjects requires object inputs, but input %s is of type %s", show(v), typeName(v))
		}
		m.Add(v.Value)
	}
	return m.Value(env)
}

var nameK, nameV = []byte("k"), []byte("v")

func objectToArray(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeEmbeddedDocument {
		return Null, mongoerr.New(40390, "$objectToArray requires an object input, found: %s", typeName(a[0]))
	}
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for it := Each(a[0].Value); ; {
		name, v, ok := it.Next()
		if !ok {
			return env.Array(env.stack[base:])
		}
		k, err := buildString(env, name)
		if err != nil {
			return Null, err
		}
		pair, err := env.object([]member{{nameK, k}, {nameV, v}})
		if err != nil {
			return Null, err
		}
		env.stack = append(env.stack, pair)
	}
}

func arrayToObject(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeArray {
		return Null, mongoerr.New(40386, "$arrayToObject requires an array input, found: %s", typeName(a[0]))
	}
	var m Merger
	var form bson.Type
	for it := Each(a[0].Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return m.Value(env)
		}
		if form == 0 {
			form = v.Type
		}
		switch form {
		case bson.TypeArray:
			if v.Type != bson.TypeArray {
				return Null, mongoerr.New(40396, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Array was detected, now found: %s", typeName(v))
			}
			if n := count(v.Value); n != 2 {
				return Null, mongoerr.New(40397, "$arrayToObject requires an array of size 2 arrays,found array of size: %d", n)
			}
			k := elementAt(v.Value, 0)
			if k.Type != bson.TypeString {
				return Null, mongoerr.New(40395, "$arrayToObject requires an array of key-value pairs, where the key must be of type string. Found key type: %s", typeName(k))
			}
			if bytes.IndexByte(stringBytes(k), 0) >= 0 {
				return Null, mongoerr.New(4940400, "Key field cannot contain an embedded null byte")
			}
			m.Set(stringBytes(k), elementAt(v.Value, 1))
		case bson.TypeEmbeddedDocument:
			if v.Type != bson.TypeEmbeddedDocument {
				return Null, mongoerr.New(40391, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Object was detected, now found: %s", typeName(v))
			}
			if n := count(v.Value); n != 2 {
				return Null, mongoerr.New(40392, "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:%d", n)
			}
			k, val := Lookup(v.Value, "k"), Lookup(v.Value, "v")
			if Missing(k) || Missing(val) {
				return Null, mongoerr.New(40393, "$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys from: %s", show(v))
			}
			if k.Type != bson.TypeString {
				return Null, mongoerr.New(40394, "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: %s", typeName(k))
			}
			if bytes.IndexByte(stringBytes(k), 0) >= 0 {
				return Null, mongoerr.New(4940401, "Key field cannot contain an embedded null byte")
			}
			m.Set(stringBytes(k), val)
		default:
			return Null, mongoerr.New(40398, "Unrecognised input type format for $arrayToObject: %s", typeName(v))
		}
	}
}

func compileGetField(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	vs := []bson.RawValue{arg, {}}
	shorthand := arg.Type != bson.TypeEmbeddedDocument
	if !shorthand {
		first, _, _ := firstMember(arg.Value)
		shorthand = len(first) > 0 && first[0] == '$'
	}
	if !shorthand {
		var err error
		if vs, err = named(arg, nil, func(f string) error {
			return mongoerr.New(3041701, "$getField found an unknown argument: %s", f)
		}, "field", "input"); err != nil {
			return nil, err
		}
		if Missing(vs[0]) {
			return nil, mongoerr.New(3041702, "$getField requires 'field' to be specified")
		}
		if Missing(vs[1]) {
			return nil, mongoerr.New(3041703, "$getField requires 'input' to be specified")
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	if shorthand {
		es[1] = &path{from: fromCurrent}
	}
	if f, ok := Constant(es[0]); ok && f.Type != bson.TypeString {
		return nil, mongoerr.New(3041704, "$getField requires 'field' to evaluate to type String, but got %s", typeName(f))
	}
	return namedOf(es, func(env *Env, es []Expr) (bson.RawValue, error) {
		f, err := es[0].Eval(env)
		if err != nil {
			return f, err
		}
		if f.Type != bson.TypeString {
			return Null, mongoerr.New(3041704, "$getField requires 'field' to evaluate to type String, but got %s", typeName(f))
		}
		in, err := es[1].Eval(env)
		if err != nil || in.Type == 0 {
			return in, err
		}
		if Nullish(in) {
			return Null, nil
		}
		if in.Type != bson.TypeEmbeddedDocument {
			return bson.RawValue{}, nil
		}
		for it := Each(in.Value); ; {
			n, v, ok := it.Next()
			if !ok || bytes.Equal(n, stringBytes(f)) {
				return v, nil
			}
		}
	}), nil
}

func firstMember(doc []byte) ([]byte, bson.RawValue, bool) {
	it := Each(doc)
	return it.Next()
}

func compileSetField(c *compiler, name string, arg bson.RawValue) (Expr, error) {
	fields := []string{"field", "input", "value"}
	if name == "$unsetField" {
		fields = fields[:2]
	}
	vs, err := named(arg, mongoerr.New(4161100, "%s only supports an object as its argument", name), func(f string) error {
		return mongoerr.New(4161101, "%s found an unknown argument: %s", name, f)
	}, fields...)
	if err != nil {
		return nil, err
	}
	for i, f := range fields {
		if Missing(vs[i]) {
			return nil, mongoerr.New([]mongoerr.Code{4161102, 4161109, 4161103}[i], "%s requires '%s' to be specified", name, f)
		}
	}
	es, err := c.all(vs)
	if err != nil {
		return nil, err
	}
	if _, ok := es[0].(*path); ok {
		return nil, mongoerr.New(4161108, "A field path reference which is not allowed in this context. Did you mean {$literal: %s}?", show(vs[0]))
	}
	f, ok := Constant(es[0])
	if !ok {
		return nil, mongoerr.New(4161106, "%s requires 'field' to evaluate to a constant", name)
	}
	if f.Type != bson.TypeString {
		return nil, mongoerr.New(4161107, "%s requires 'field' to evaluate to type String, but got %s", name, typeName(f))
	}
	if bytes.IndexByte(stringBytes(f), 0) >= 0 {
		return nil, mongoerr.New(9534700, "%s: 'field' cannot contain an embedded null byte", name)
	}
	field := append([]byte(nil), stringBytes(f)...)
	if len(es) == 2 {
		es = append(es, &constant{})
	}
	return namedOf(es[1:], func(env *Env, es []Expr) (bson.RawValue, error) {
		in, err := es[0].Eval(env)
		if err != nil {
			return in, err
		}
		if Nullish(in) {
			return Null, nil
		}
		if in.Type != bson.TypeEmbeddedDocument {
			return Null, mongoerr.New(4161105, "%s requires 'input' to evaluate to type Object", name)
		}
		v, err := es[1].Eval(env)
		if err != nil {
			return v, err
		}
		var m Merger
		m.Add(in.Value)
		m.Set(field, v)
		return m.Value(env)
	}), nil
}

func bsonSize(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	if Nullish(a[0]) {
		return Null, nil
	}
	if a[0].Type != bson.TypeEmbeddedDocument {
		return Null, mongoerr.New(31393, "$bsonSize requires a document input, found: %s", typeName(a[0]))
	}
	return env.Int32(int32(len(a[0].Value))), nil
}

func binarySize(env *Env, a []bson.RawValue) (bson.RawValue, error) {
	switch {
	case Nullish(a[0]):
		return Null, nil
	case a[0].Type == bson.TypeString:
		return env.Int32(int32(len(stringBytes(a[0])))), nil
	case a[0].Type == bson.TypeBinary && len(a[0].Value) >= 4:
		return env.Int32(int32(le.Uint32(a[0].Value))), nil
	}
	return Null, mongoerr.New(51276, "$binarySize requires a string or BinData argument, found: %s", typeName(a[0]))
}
