package stage

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// mode is what happens to members that a tree of fields does not name.
type mode uint8

const (
	include mode = iota // they go, and array elements that are no documents with them
	exclude             // they stay
	set                 // they stay; scalars above a computed member become documents
)

// field is a node of the tree that $project, $addFields and $unset make of their dotted paths: a leaf that keeps, drops or computes
// a member, or an inner node with members of its own.
type field struct {
	name     string
	leaf     bool
	value    expr.Expr // of a computed leaf
	members  []*field
	computes bool // it or a node below computes
}

func (f *field) find(name []byte) (int, *field) {
	for i, m := range f.members {
		if m.name == string(name) {
			return i, m
		}
	}
	return -1, nil
}

// apply appends the document that the tree makes of doc.
func (f *field) apply(env *expr.Env, dst []byte, doc []byte, how mode) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var few [4]uint64
	seen := few[:]
	if len(f.members) > 256 {
		seen = make([]uint64, len(f.members)/64+1)
	}
	var err error
	for it := expr.Each(doc); ; {
		name, v, ok := it.Next()
		if !ok {
			break
		}
		i, m := f.find(name)
		if m == nil {
			if how != include {
				dst = appendMember(dst, name, v)
			}
			continue
		}
		twice := seen[i/64]&(1<<(i%64)) != 0
		switch {
		case !m.leaf:
			seen[i/64] |= 1 << (i % 64)
			if dst, err = m.applyValue(env, dst, name, v, how); err != nil {
				return nil, err
			}
		case m.value != nil && how == set:
			seen[i/64] |= 1 << (i % 64)
			if twice {
				continue
			}
			r, err := m.value.Eval(env)
			if err != nil {
				return nil, err
			}
			if dst, err = appendComputed(dst, name, r); err != nil {
				return nil, err
			}
		case m.value == nil && how == include:
			dst = appendMember(dst, name, v)
		}
	}
	if f.computes {
		if dst, err = f.rest(env, dst, seen); err != nil {
			return nil, err
		}
	}
	return finish(dst, start), nil
}

// rest appends the computed members that the document did not have.
func (f *field) rest(env *expr.Env, dst []byte, seen []uint64) (_ []byte, err error) {
	for i, m := range f.members {
		if !m.computes || seen[i/64]&(1<<(i%64)) != 0 {
			continue
		}
		if m.leaf {
			v, err := m.value.Eval(env)
			if err != nil {
				return nil, err
			}
			if dst, err = appendComputed(dst, []byte(m.name), v); err != nil {
				return nil, err
			}
			continue
		}
		dst = append(dst, byte(bson.TypeEmbeddedDocument))
		dst = append(append(dst, m.name...), 0)
		if dst, err = m.apply(env, dst, nil, set); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// applyValue appends a member whose name has a subtree.
func (f *field) applyValue(env *expr.Env, dst, name []byte, v bson.RawValue, how mode) ([]byte, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		dst = append(dst, byte(v.Type))
		dst = append(append(dst, name...), 0)
		return f.apply(env, dst, v.Value, how)
	case bson.TypeArray:
		dst = append(dst, byte(v.Type))
		dst = append(append(dst, name...), 0)
		return f.applyArray(env, dst, v.Value, how)
	}
	switch {
	case f.computes:
		dst = append(dst, byte(bson.TypeEmbeddedDocument))
		dst = append(append(dst, name...), 0)
		return f.apply(env, dst, nil, how)
	case how == include:
		return dst, nil
	}
	return appendMember(dst, name, v), nil
}

func (f *field) applyArray(env *expr.Env, dst, arr []byte, how mode) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var number [20]byte
	i := 0
	for it := expr.Each(arr); ; {
		_, v, ok := it.Next()
		if !ok {
			break
		}
		before := len(dst)
		var err error
		if dst, err = f.applyValue(env, dst, appendInt(number[:0], i), v, how); err != nil {
			return nil, err
		}
		if len(dst) > before {
			i++
		}
	}
	return finish(dst, start), nil
}

func appendInt(b []byte, i int) []byte {
	if i < 10 {
		return append(b, byte('0'+i))
	}
	return append(appendInt(b, i/10), byte('0'+i%10))
}

// appendComputed appends a computed value, unless it is missing. Values are references until here: a stage that names the whole
// document twice doubles it, and a pipeline of such stages would grow it without bounds.
func appendComputed(dst, name []byte, v bson.RawValue) ([]byte, error) {
	if expr.Missing(v) {
		return dst, nil
	}
	if n := len(dst) + len(v.Value); n > expr.MaxValueBytes {
		return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "a document of a pipeline would have %d bytes, more than the limit of %d bytes", n, expr.MaxValueBytes)
	}
	return appendMember(dst, name, v), nil
}

func appendMember(dst, name []byte, v bson.RawValue) []byte {
	dst = append(dst, byte(v.Type))
	dst = append(append(dst, name...), 0)
	return append(dst, v.Value...)
}

// finish ends the document that begins at start.
func finish(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// setDeep appends doc with the value at parts set, making documents on the way; a missing v takes the member out. Arrays on the way
// are replaced by documents, as $unwind and $lookup do with the path that they own.
func setDeep(dst, doc []byte, parts []string, v bson.RawValue) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	done := false
	put := func(old bson.RawValue) {
		done = true
		if len(parts) == 1 {
			if !expr.Missing(v) {
				dst = appendMember(dst, []byte(parts[0]), v)
			}
			return
		}
		if expr.Missing(v) && old.Type != bson.TypeEmbeddedDocument {
			// There is nothing to take out.
			dst = appendMember(dst, []byte(parts[0]), old)
			return
		}
		var inner []byte
		if old.Type == bson.TypeEmbeddedDocument {
			inner = old.Value
		}
		dst = append(dst, byte(bson.TypeEmbeddedDocument))
		dst = append(append(dst, parts[0]...), 0)
		dst = setDeep(dst, inner, parts[1:], v)
	}
	for it := expr.Each(doc); ; {
		name, old, ok := it.Next()
		if !ok {
			break
		}
		switch {
		case string(name) != parts[0]:
			dst = appendMember(dst, name, old)
		case !done:
			put(old)
		}
	}
	if !done && !expr.Missing(v) {
		put(bson.RawValue{})
	}
	return finish(dst, start)
}
