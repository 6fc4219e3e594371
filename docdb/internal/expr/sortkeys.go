package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxSortKeys bounds the number of keys of a sort specification.
const MaxSortKeys = 32

// SortKeys is a sort specification over documents: {a: 1, "b.c": -1, score: {$meta: "textScore"}}. A field that holds an array
// sorts by its least element ascending and its greatest descending; an empty array sorts below null (mongo-engine.md §3.1).
type SortKeys struct {
	keys []sortKey
	coll value.StringComparer
}

type sortKey struct {
	parts []string
	path  string
	meta  *meta
	dir   int
}

// ParseSortKeys reads a sort specification.
func ParseSortKeys(spec []byte, coll value.StringComparer) (*SortKeys, error) {
	s := &SortKeys{coll: coll}
	for it := Each(spec); ; {
		name, v, ok := it.Next()
		if !ok {
			break
		}
		k := sortKey{path: string(name), dir: 1}
		switch {
		case v.Type == bson.TypeEmbeddedDocument:
			first, arg, ok := firstMember(v.Value)
			if !ok || string(first) != "$meta" || count(v.Value) != 1 {
				return nil, mongoerr.New(17312, "$meta is the only expression supported by $sort right now")
			}
			if arg.Type != bson.TypeString {
				return nil, mongoerr.New(mongoerr.BadValue, "$meta argument to $sort must be a string")
			}
			k.meta = &meta{string(stringBytes(arg))}
			if k.meta.of(&Meta{}) == nil {
				return nil, mongoerr.New(31138, "Illegal $meta sort: $meta: %s", show(arg))
			}
			k.dir = -1
		case !isNumber(v):
			return nil, mongoerr.New(15974, "Illegal key in $sort specification: %s: %s", name, show(v))
		default:
			var err error
			if k.parts, err = SplitPath(string(name)); err != nil {
				return nil, err
			}
			i, ok := value.Direction(v)
			if !ok {
				return nil, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
			}
			k.dir = int(i)
		}
		for _, o := range s.keys {
			if o.path == k.path {
				return nil, mongoerr.New(7472500, "$sort key must not contain duplicate keys (field: '%s')", k.path)
			}
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 {
		return nil, mongoerr.New(15976, "$sort stage must have at least one sort key")
	}
	if len(s.keys) > MaxSortKeys {
		return nil, mongoerr.New(13103, "too many compound keys")
	}
	return s, nil
}

// Eval implements Expr: the array of the document's keys.
func (s *SortKeys) Eval(env *Env) (bson.RawValue, error) {
	keys, err := s.Of(env, nil)
	if err != nil {
		return Null, err
	}
	return env.Array(keys)
}

// Deps implements Expr.
func (s *SortKeys) Deps(d *Deps) {
	for _, k := range s.keys {
		if k.meta != nil {
			k.meta.Deps(d)
		} else {
			d.AddPath(k.path)
		}
	}
}

// Ascending returns the same keys, all from the least: metadata sorts from the greatest otherwise.
func (s *SortKeys) Ascending() *SortKeys {
	c := &SortKeys{keys: append([]sortKey(nil), s.keys...), coll: s.coll}
	for i := range c.keys {
		c.keys[i].dir = 1
	}
	return c
}

// Len returns the number of keys.
func (s *SortKeys) Len() int { return len(s.keys) }

// Of appends the keys of the document that env was reset to. They point into the document.
func (s *SortKeys) Of(env *Env, dst []bson.RawValue) ([]bson.RawValue, error) {
	arrays := 0
	for i := range s.keys {
		k := &s.keys[i]
		if k.meta != nil {
			v, _ := k.meta.Eval(env)
			if Missing(v) {
				v = Null
			}
			dst = append(dst, v)
			continue
		}
		v, arr := s.key(env.root.Value, k.parts, k.dir)
		if arr {
			arrays++
		}
		dst = append(dst, v)
	}
	if arrays > 1 {
		if err := s.parallel(env.root.Value); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// below is what an empty array sorts as.
var below = bson.RawValue{Type: bson.TypeUndefined}

// key finds the value that a document sorts by; array says whether an array was on the way.
func (s *SortKeys) key(doc []byte, parts []string, dir int) (best bson.RawValue, array bool) {
	v := Lookup(doc, parts[0])
	rest := parts[1:]
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		if len(rest) > 0 {
			return s.key(v.Value, rest, dir)
		}
	case bson.TypeArray:
		some := false
		consider := func(c bson.RawValue) {
			if !some || dir*Compare(c, best, s.coll) < 0 {
				best, some = c, true
			}
		}
		index := -1
		if len(rest) > 0 {
			if n, ok := value.ArrayIndex(rest[0]); ok {
				index = n
			}
		}
		i := 0
		for it := Each(v.Value); ; i++ {
			_, el, ok := it.Next()
			if !ok {
				break
			}
			switch {
			case len(rest) == 0:
				consider(el)
			case i == index && len(rest) == 1:
				return el, true
			case i == index && el.Type == bson.TypeEmbeddedDocument:
				k, _ := s.key(el.Value, rest[1:], dir)
				return k, true
			case el.Type == bson.TypeEmbeddedDocument:
				k, _ := s.key(el.Value, rest, dir)
				consider(k)
			default:
				consider(Null)
			}
		}
		if !some {
			if len(rest) > 0 {
				return Null, true
			}
			return below, true
		}
		return best, true
	}
	if len(rest) > 0 || v.Type == 0 {
		return Null, false
	}
	return v, false
}

// parallel refuses a document in which two keys go through different arrays.
func (s *SortKeys) parallel(doc []byte) error {
	first := ""
	for _, k := range s.keys {
		if k.meta != nil {
			continue
		}
		at := arrayOn(doc, k.parts)
		if at == "" {
			continue
		}
		if first != "" && first != at {
			return mongoerr.New(mongoerr.BadValue, "cannot sort with keys that are parallel arrays")
		}
		first = at
	}
	return nil
}

// arrayOn returns the path of the first array on the way along parts, "" when there is none.
func arrayOn(doc []byte, parts []string) string {
	path := ""
	for _, p := range parts {
		path += "." + p
		v := Lookup(doc, p)
		if v.Type == bson.TypeArray {
			return path
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return ""
		}
		doc = v.Value
	}
	return ""
}

// Compare orders two documents by their keys.
func (s *SortKeys) Compare(a, b []bson.RawValue) int {
	for i := range s.keys {
		if c := Compare(a[i], b[i], s.coll); c != 0 {
			return s.keys[i].dir * c
		}
	}
	return 0
}
