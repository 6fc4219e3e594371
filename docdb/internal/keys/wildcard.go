package keys

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// extractWildcard writes a key for every leaf of the document below the path of the wildcard field, among the values of the other fields:
//
//	[fields before …][path as string bytes][value][fields after …]
//
// Where there are other fields, a document without leaves has one key, with MinKey for both path and value, so that the fields before
// the wildcard find every document.
func (s *Spec) extractWildcard(doc bson.Raw, set *Set, at int) error {
	w := wildcard{spec: s, set: set, at: at}
	for i := range s.Fields {
		if i == at {
			continue
		}
		v, err := s.single(doc, i)
		if err != nil {
			return err
		}
		if i < at {
			w.before = s.appendPlace(w.before, i, v)
		} else {
			w.after = s.appendPlace(w.after, i, v)
		}
	}
	w.walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, "", s.Fields[at].Parts)
	if len(s.Fields) > 1 && len(set.starts) == 0 {
		w.begin()
		set.buf = append(set.buf, byteMinKey)
		set.buf = AppendField(set.buf, bson.RawValue{Type: bson.TypeMinKey}, s.Fields[at].Desc, nil)
		set.buf = append(set.buf, w.after...)
	}
	return nil
}

// single gives the value of a field beside a wildcard; the zero value where it is missing.
func (s *Spec) single(doc bson.Raw, i int) (bson.RawValue, error) {
	v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	for _, part := range s.Fields[i].Parts {
		if v.Type != bson.TypeEmbeddedDocument {
			return bson.RawValue{}, nil
		}
		if v, _ = Member(v.Value, part); v.Type == bson.TypeArray {
			return v, &WildcardArrayError{s.Fields[i].Path}
		}
	}
	return v, nil
}

// AppendWildcardPath appends the part of a wildcard key that names the path.
func AppendWildcardPath(dst []byte, path string) []byte {
	return appendEscaped(append(dst, byteString), path)
}

// wildcard writes the keys of the leaves of one document.
type wildcard struct {
	spec          *Spec
	set           *Set
	at            int
	before, after []byte // the values of the other fields
}

func (w *wildcard) walk(v bson.RawValue, path string, under []string) {
	if len(under) > 0 && under[0] != "$**" {
		if v.Type == bson.TypeArray {
			for rem := elements(v.Value); len(rem) > 0; {
				e, rest, ok := bsoncore.ReadElement(rem)
				if !ok {
					return
				}
				rem = rest
				if cv := e.Value(); bson.Type(cv.Type) == bson.TypeEmbeddedDocument {
					w.set.Multikey |= 1 << w.at
					w.walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: cv.Data}, path, under)
				}
			}
			return
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return
		}
		if m, ok := Member(v.Value, under[0]); ok {
			w.walk(m, join(path, under[0]), under[1:])
		}
		return
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		rem := elements(v.Value)
		if len(rem) == 0 && path != "" {
			w.leaf(v, path)
		}
		for len(rem) > 0 {
			e, rest, ok := bsoncore.ReadElement(rem)
			if !ok {
				return
			}
			rem = rest
			cv := e.Value()
			w.walk(bson.RawValue{Type: bson.Type(cv.Type), Value: cv.Data}, join(path, e.Key()), nil)
		}
	case bson.TypeArray:
		w.set.Multikey |= 1 << w.at
		rem := elements(v.Value)
		if len(rem) == 0 {
			w.leaf(bson.RawValue{Type: bson.TypeUndefined}, path)
		}
		for len(rem) > 0 {
			e, rest, ok := bsoncore.ReadElement(rem)
			if !ok {
				return
			}
			rem = rest
			cv := e.Value()
			el := bson.RawValue{Type: bson.Type(cv.Type), Value: cv.Data}
			if el.Type == bson.TypeEmbeddedDocument {
				w.walk(el, path, nil)
				continue
			}
			w.leaf(el, path)
		}
	default:
		w.leaf(v, path)
	}
}

func (w *wildcard) leaf(v bson.RawValue, path string) {
	if w.spec.Included != nil && !w.spec.Included(path) {
		return
	}
	w.begin()
	w.set.buf = AppendWildcardPath(w.set.buf, path)
	w.set.buf = AppendField(w.set.buf, v, w.spec.Fields[w.at].Desc, w.spec.Collator)
	w.set.buf = append(w.set.buf, w.after...)
}

func (w *wildcard) begin() {
	w.set.starts = append(w.set.starts, len(w.set.buf))
	w.set.buf = append(w.set.buf, w.before...)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
