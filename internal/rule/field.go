package rule

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// fieldRule is the permission of one listed field. A permission covers all that
// is inside the field; nested rules matter only where the field itself grants
// nothing (app-services.md §5.3).
type fieldRule struct {
	name        string // its whole path
	at          string // where the permission is written
	inside      string // and where those of its parts
	read, write *Expr  // nil: false
	nested      map[string]*fieldRule
}

// fieldTree is a role's fields and additional_fields.
type fieldTree struct {
	fields            map[string]*fieldRule
	addRead, addWrite *Expr // nil: false
}

// grants evaluates a field's expression with the field as %%this.
func grants(x *Expr, e *Env, this, prev bson.RawValue) (bool, error) {
	if x == nil {
		return false, nil
	}
	if v, ok := x.Constant(); ok {
		return v, nil
	}
	savedThis, savedPrev := e.This, e.Prev
	e.This, e.Prev = this, prev
	ok, err := x.eval(e)
	e.This, e.Prev = savedThis, savedPrev
	return ok, err
}

// either tells whether one of two expressions grants.
func (e *Env) either(a, b *Expr, this, prev bson.RawValue) (bool, error) {
	if ok, err := grants(a, e, this, prev); ok || err != nil {
		return ok, err
	}
	return grants(b, e, this, prev)
}

// strip appends the readable part of a document to dst. empty says that
// nothing of it is readable; removed counts what was left out.
func (t *fieldTree) strip(dst []byte, doc bson.Raw, e *Env, removed *int) (out []byte, empty bool, err error) {
	index, dst := bsoncore.AppendDocumentStart(dst)
	empty = true
	it := newIter(doc)
	for it.next() {
		before := len(dst)
		if f := t.fields[string(it.key)]; f != nil {
			dst, err = f.strip(dst, &it, e, removed)
		} else {
			var ok bool
			if ok, err = e.either(t.addRead, t.addWrite, it.value, it.value); ok {
				dst = append(dst, it.element...)
			} else {
				*removed++
			}
			e.noteField(string(it.key), "read", ok, "additional_fields")
		}
		if err != nil {
			return dst, true, err
		}
		empty = empty && len(dst) == before
	}
	dst, err = bsoncore.AppendDocumentEnd(dst, index)
	return dst, empty, err
}

// strip appends the field's readable part, or nothing.
func (f *fieldRule) strip(dst []byte, it *iter, e *Env, removed *int) ([]byte, error) {
	ok, err := e.either(f.read, f.write, it.value, it.value)
	e.noteField(f.name, "read", ok, f.at)
	if err != nil {
		return dst, err
	}
	if ok {
		return append(dst, it.element...), nil
	}
	if f.nested == nil {
		*removed++
		return dst, nil
	}
	before := len(dst)
	dst = bsoncore.AppendHeader(dst, bsoncore.Type(it.value.Type), string(it.key))
	dst, empty, err := f.stripInside(dst, it.value, e, removed)
	if empty || err != nil {
		*removed++
		return dst[:before], err
	}
	return dst, nil
}

// stripInside appends the readable part of an embedded document, or of the
// documents of an array. Scalars have nothing below them that could be granted.
func (f *fieldRule) stripInside(dst []byte, v bson.RawValue, e *Env, removed *int) (out []byte, empty bool, err error) {
	empty = true
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		var index int32
		index, dst = bsoncore.AppendDocumentStart(dst)
		for it := newIter(v.Value); it.next(); {
			n := f.nested[string(it.key)]
			if n == nil {
				*removed++
				f.noteUnlisted(e, string(it.key), "read")
				continue
			}
			before := len(dst)
			if dst, err = n.strip(dst, &it, e, removed); err != nil {
				return dst, true, err
			}
			empty = empty && len(dst) == before
		}
		dst, err = bsoncore.AppendDocumentEnd(dst, index)
		return dst, empty, err
	case bson.TypeArray:
		var index int32
		index, dst = bsoncore.AppendArrayStart(dst)
		n := 0
		for it := newIter(v.Value); it.next(); {
			before := len(dst)
			dst = bsoncore.AppendHeader(dst, bsoncore.Type(it.value.Type), arrayKey(n))
			var none bool
			if dst, none, err = f.stripInside(dst, it.value, e, removed); err != nil {
				return dst, true, err
			}
			if none {
				dst = dst[:before]
				continue
			}
			n++
			empty = false
		}
		dst, err = bsoncore.AppendArrayEnd(dst, index)
		return dst, empty, err
	}
	return dst, true, nil
}

// refusedField finds a field that differs between before and after and may not
// be written. before is nil for inserts. skip names a field that does not count.
func (t *fieldTree) refusedField(before, after bson.Raw, skip string, e *Env) (name string, refused bool, err error) {
	return eachChange(before, after, func(key string, prev, this bson.RawValue) (string, bool, error) {
		if key == skip {
			return "", false, nil
		}
		f := t.fields[key]
		if f == nil {
			ok, err := grants(t.addWrite, e, this, prev)
			e.noteField(key, "write", ok, "additional_fields")
			return key, !ok, err
		}
		return f.refused(prev, this, e)
	})
}

func (f *fieldRule) refused(prev, this bson.RawValue, e *Env) (string, bool, error) {
	ok, err := grants(f.write, e, this, prev)
	e.noteField(f.name, "write", ok, f.at)
	if ok || err != nil {
		return "", false, err
	}
	if f.nested == nil {
		return f.name, true, nil
	}
	return refusedInside(f, prev, this, e)
}

// refusedInside judges a change of a field of which only parts may be written:
// the document around them may come and go, everything in it that changes must
// be permitted. Arrays must keep their length and their scalars.
func refusedInside(f *fieldRule, prev, this bson.RawValue, e *Env) (string, bool, error) {
	isDocument := func(v bson.RawValue) bool { return v.Type == 0 || v.Type == bson.TypeEmbeddedDocument }
	if isDocument(prev) && isDocument(this) {
		return eachChange(prev.Value, this.Value, func(key string, prev, this bson.RawValue) (string, bool, error) {
			n := f.nested[key]
			if n == nil {
				f.noteUnlisted(e, key, "write")
				return f.name + "." + key, true, nil
			}
			return n.refused(prev, this, e)
		})
	}
	if prev.Type != bson.TypeArray || this.Type != bson.TypeArray {
		return f.name, true, nil
	}
	a, b := newIter(prev.Value), newIter(this.Value)
	for {
		oka, okb := a.next(), b.next()
		if oka != okb {
			return f.name, true, nil
		}
		if !oka {
			return "", false, nil
		}
		if same(a.value, b.value) {
			continue
		}
		if name, no, err := refusedInside(f, a.value, b.value, e); no || err != nil {
			return name, no, err
		}
	}
}

func same(a, b bson.RawValue) bool { return a.Type == b.Type && bytes.Equal(a.Value, b.Value) }

// eachChange calls judge for every field that is new, gone or not byte for byte
// the same, and stops at the first refusal.
func eachChange(before, after bson.Raw, judge func(key string, prev, this bson.RawValue) (string, bool, error)) (string, bool, error) {
	for it := newIter(after); it.next(); {
		prev, _ := lookup(before, string(it.key))
		if same(prev, it.value) {
			continue
		}
		if name, no, err := judge(string(it.key), prev, it.value); no || err != nil {
			return name, no, err
		}
	}
	for it := newIter(before); it.next(); {
		if _, ok := lookup(after, string(it.key)); ok {
			continue
		}
		if name, no, err := judge(string(it.key), it.value, bson.RawValue{}); no || err != nil {
			return name, no, err
		}
	}
	return "", false, nil
}

// mayRead tells whether some expression of the tree could make path readable.
func (t *fieldTree) mayRead(path []string) bool {
	if len(path) == 0 {
		return true
	}
	f := t.fields[path[0]]
	if f == nil {
		return possible(t.addRead) || possible(t.addWrite)
	}
	return f.mayRead(path[1:])
}

func (f *fieldRule) mayRead(path []string) bool {
	if possible(f.read) || possible(f.write) {
		return true
	}
	for len(path) > 0 {
		if n := f.nested[path[0]]; n != nil {
			return n.mayRead(path[1:])
		}
		if _, numeric := arrayIndex(path[0]); !numeric {
			return false
		}
		path = path[1:]
	}
	// The field as a whole: readable in part at most.
	for _, n := range f.nested {
		if n.mayRead(nil) {
			return true
		}
	}
	return false
}

// possible tells whether an expression could be true for somebody.
func possible(x *Expr) bool {
	if x == nil {
		return false
	}
	v, ok := x.Constant()
	return !ok || v
}

// compileFields reads {name: {read, write, fields}}. A dotted name is a path. path is
// that of the document around the fields, with a dot at its end.
func (b *builder) compileFields(raw bson.Raw, at, path string, depth int) map[string]*fieldRule {
	if depth > maxDepth {
		b.warn(at, "fields nest more than %d levels: the deeper ones grant nothing", maxDepth)
		return nil
	}
	fields := map[string]*fieldRule{}
	for it := newIter(raw); it.next(); {
		list, at := at, at+"."+string(it.key)
		d, ok := it.value.DocumentOK()
		if !ok {
			b.warn(at, "a field's permission is an object {read, write, fields}, not %s: it grants nothing", typeName(it.value.Type))
			d = emptyDocument
		}
		into, name := fields, string(it.key)
		if strings.Contains(name, ".") {
			parts := strings.Split(name, ".")
			for i, p := range parts[:len(parts)-1] {
				f := into[p]
				if f == nil {
					f = &fieldRule{name: path + strings.Join(parts[:i+1], "."), at: list[1:], inside: list[1:]}
					into[p] = f
				}
				if f.nested == nil {
					f.nested = map[string]*fieldRule{}
				}
				into = f.nested
			}
			name = parts[len(parts)-1]
		}
		f := into[name]
		if f == nil {
			f = &fieldRule{}
			into[name] = f
		}
		f.name, f.at, f.inside = path+string(it.key), at[1:], at[1:]+".fields"
		for p := newIter(d); p.next(); {
			at := at + "." + string(p.key)
			switch string(p.key) {
			case "read":
				f.read = b.permission(p.value, at)
			case "write":
				f.write = b.permission(p.value, at)
			case "fields":
				nested, ok := p.value.DocumentOK()
				if !ok {
					b.warn(at, "fields is an object, not %s: it grants nothing", typeName(p.value.Type))
					continue
				}
				for k, n := range b.compileFields(nested, at, f.name+".", depth+1) {
					if f.nested == nil {
						f.nested = map[string]*fieldRule{}
					}
					f.nested[k] = n
				}
			default:
				b.warn(at, "unknown key %q in a field's permission: it is ignored (known: read, write, fields)", string(p.key))
			}
		}
	}
	return fields
}
