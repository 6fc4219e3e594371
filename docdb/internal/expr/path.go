package expr

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// MaxPathDepth bounds the number of components of a dotted path.
const MaxPathDepth = 200

// SplitPath checks a dotted field path (without "$") and returns its components.
func SplitPath(path string) ([]string, error) {
	switch {
	case path == "":
		return nil, mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
	case path[len(path)-1] == '.':
		return nil, mongoerr.New(40353, "FieldPath must not end with a '.'.")
	}
	parts := strings.Split(path, ".")
	if len(parts) > MaxPathDepth {
		return nil, mongoerr.New(mongoerr.Overflow, "FieldPath is too long")
	}
	for _, p := range parts {
		switch {
		case p == "":
			return nil, mongoerr.New(15998, "FieldPath field names may not be empty strings.")
		case p[0] == '$':
			return nil, mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
		case strings.IndexByte(p, 0) >= 0:
			return nil, mongoerr.New(16411, "FieldPath field names may not contain '\\0'.")
		}
	}
	return parts, nil
}

// base says where a path starts.
type base uint8

const (
	fromCurrent base = iota
	fromRoot
	fromSlot
)

// path reads a variable or a field below one.
type path struct {
	from  base
	slot  int
	parts []string
	// fields has the first part of a path that starts at the document, as number top, counted from 1; 0 when it is not noted.
	fields *Fields
	top    int
}

// Eval implements Expr.
func (p *path) Eval(env *Env) (bson.RawValue, error) {
	if p.top > 0 && env.fields == p.fields {
		g := &env.tops[p.top-1]
		v := bson.RawValue{Type: g.Type, Value: g.Value}
		if len(p.parts) == 1 {
			return v, nil
		}
		switch g.Type {
		case bson.TypeEmbeddedDocument:
			return descend(env, g.Value, p.parts[1:])
		case bson.TypeArray:
			return descendArray(env, g.Value, p.parts[1:])
		}
		return bson.RawValue{}, nil
	}
	var v bson.RawValue
	switch p.from {
	case fromCurrent:
		v = env.current
	case fromRoot:
		v = env.root
	default:
		if p.slot < len(env.slots) {
			v = env.slots[p.slot]
		}
	}
	if len(p.parts) == 0 {
		return v, nil
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return descend(env, v.Value, p.parts)
	case bson.TypeArray:
		if p.from == fromSlot {
			return descendArray(env, v.Value, p.parts)
		}
	}
	return bson.RawValue{}, nil
}

// descend follows parts from doc; an array on the way stands for the array of what its objects have there.
func descend(env *Env, doc []byte, parts []string) (bson.RawValue, error) {
	for i, name := range parts {
		v := Lookup(doc, name)
		if i == len(parts)-1 {
			return v, nil
		}
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			doc = v.Value
		case bson.TypeArray:
			return descendArray(env, v.Value, parts[i+1:])
		default:
			return bson.RawValue{}, nil
		}
	}
	return bson.RawValue{}, nil
}

func descendArray(env *Env, arr []byte, parts []string) (bson.RawValue, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for it := Each(arr); ; {
		_, v, ok := it.Next()
		if !ok {
			break
		}
		if v.Type != bson.TypeEmbeddedDocument {
			continue
		}
		r, err := descend(env, v.Value, parts)
		if err != nil {
			return r, err
		}
		if r.Type != 0 {
			env.stack = append(env.stack, r)
		}
	}
	return env.Array(env.stack[base:])
}

// Deps implements Expr.
func (p *path) Deps(d *Deps) {
	switch {
	case p.from == fromSlot:
	case len(p.parts) == 0:
		d.Whole = true
	default:
		d.AddPath(strings.Join(p.parts, "."))
	}
}

// Deps collects what expressions and stages read of a document.
type Deps struct {
	// Whole says that the whole document is needed.
	Whole bool
	// Paths are the dotted paths that are needed, when Whole is false.
	Paths map[string]struct{}
	// Meta are the names of metadata that are needed.
	Meta map[string]struct{}
	// Volatile says that two evaluations over the same document may differ ($rand).
	Volatile bool
}

// AddPath adds a dotted path.
func (d *Deps) AddPath(p string) {
	if d.Paths == nil {
		d.Paths = map[string]struct{}{}
	}
	d.Paths[p] = struct{}{}
}

// AddMeta adds a kind of metadata.
func (d *Deps) AddMeta(name string) {
	if d.Meta == nil {
		d.Meta = map[string]struct{}{}
	}
	d.Meta[name] = struct{}{}
}
