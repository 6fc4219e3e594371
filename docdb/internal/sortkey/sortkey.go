// Package sortkey compiles sort specifications and takes the keys that documents sort by (mongo-engine.md §2.3, §3.1).
package sortkey

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxKeys is the most keys of a sort; more are refused with code 13103.
const MaxKeys = 32

// Part is one key of a sort.
type Part struct {
	// Field is the dotted path, empty for a $meta key.
	Field string
	Path  value.Path
	Desc  bool
	// Meta is the name of a computed value such as textScore; it sorts descending.
	Meta string
}

// Sort is a compiled sort. It is safe for concurrent use.
type Sort struct {
	// Parts are the keys in order; none for an empty sort and for $natural.
	Parts []Part
	// Natural is 1 or -1 for {$natural: …}, else 0.
	Natural int

	collation value.StringComparer
}

// Options are what a sort needs from its surroundings.
type Options struct {
	// Collation compares strings; nil compares bytes.
	Collation value.StringComparer
}

// Meta returns a document's computed value by name: textScore, geoNearDistance, …; missing if it has none.
type Meta func(name string) bson.RawValue

// metaSorts are the values that a sort may name.
var metaSorts = [...]string{"textScore", "randVal", "geoNearDistance", "searchScore", "vectorSearchScore", "indexKey", "recordId"}

// Compile compiles {field: 1, other: -1, score: {$meta: "textScore"}}. An empty document is no order.
func Compile(spec bson.Raw, opts Options) (*Sort, error) {
	s := &Sort{collation: opts.Collation}
	it := value.Over(spec)
	for it.Next() {
		name, v := it.Key(), it.Value()
		if name == "$natural" {
			n, exact := value.Integer(v)
			if !exact || n != 1 && n != -1 {
				return nil, mongoerr.New(mongoerr.BadValue, "$natural sort must be 1 or -1")
			}
			if value.Count(spec) != 1 {
				return nil, mongoerr.New(mongoerr.BadValue, "Cannot include '$natural' in compound sort: %s", value.ShowDoc(spec))
			}
			s.Natural = int(n)
			return s, nil
		}
		p, err := part(name, v)
		if err != nil {
			return nil, err
		}
		for _, other := range s.Parts {
			if p.Meta == "" && other.Meta == "" && other.Field == p.Field {
				return nil, mongoerr.New(7472500, "$sort key must not contain duplicate keys (duplicate: '%s')", p.Field)
			}
		}
		if s.Parts = append(s.Parts, p); len(s.Parts) > MaxKeys {
			return nil, mongoerr.New(13103, "too many compound keys")
		}
	}
	if it.Bad() {
		return nil, mongoerr.New(mongoerr.InvalidBSON, "invalid BSON in a sort")
	}
	return s, nil
}

func part(name string, v bson.RawValue) (Part, error) {
	if v.Type == bson.TypeEmbeddedDocument {
		meta := value.Lookup(v.Value, "$meta")
		if meta.Type == 0 || value.Count(v.Value) != 1 {
			return Part{}, mongoerr.New(17312, "Illegal key in sort specification: %s: %s. $meta is the only expression supported by $sort right now", name, value.Show(v))
		}
		what, _ := value.Text(meta)
		for _, m := range metaSorts {
			if m == what {
				return Part{Meta: m, Desc: true}, nil
			}
		}
		return Part{}, mongoerr.New(31138, "Illegal $meta sort: %s", value.ShowElement("$meta", meta))
	}
	if !value.IsNumber(v) {
		return Part{}, mongoerr.New(15974, "Illegal key in sort specification: %s: %s", name, value.Show(v))
	}
	n, ok := value.Direction(v)
	if !ok {
		return Part{}, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
	}
	path, err := value.ParseFieldPath(name)
	if err != nil {
		return Part{}, err
	}
	return Part{Field: strings.Clone(name), Path: path, Desc: n < 0}, nil
}

// Empty reports whether the sort orders nothing.
func (s *Sort) Empty() bool { return len(s.Parts) == 0 }

// NeedsMeta reports whether a key is a computed value.
func (s *Sort) NeedsMeta() bool {
	for _, p := range s.Parts {
		if p.Meta != "" {
			return true
		}
	}
	return false
}

// Key is what a document sorts by, a value for each part. The values share the document's memory.
type Key []bson.RawValue

// Compare orders two keys.
func (s *Sort) Compare(a, b Key) int {
	for i := range s.Parts {
		d := value.CompareWith(a[i], b[i], s.collation)
		if d != 0 {
			if s.Parts[i].Desc {
				return -d
			}
			return d
		}
	}
	return 0
}

// CompareDocs orders two documents.
func (s *Sort) CompareDocs(a, b bson.Raw) (int, error) {
	ka, err := s.Key(a, nil)
	if err != nil {
		return 0, err
	}
	kb, err := s.Key(b, nil)
	if err != nil {
		return 0, err
	}
	return s.Compare(ka, kb), nil
}

// Key returns what a document sorts by. An array sorts by the element that comes first in the sort's direction, an empty one as
// undefined, a missing field as null. Keys that go through one array take their values from one element of it; two arrays side by
// side are an error, as in MongoDB.
func (s *Sort) Key(doc bson.Raw, meta Meta) (Key, error) {
	out := make(Key, len(s.Parts))
	cursors := make([]cursor, len(s.Parts))
	for i := range s.Parts {
		if name := s.Parts[i].Meta; name != "" {
			v := value.Null
			if meta != nil {
				if m := meta(name); m.Type != 0 {
					v = m
				}
			}
			cursors[i] = cursor{v: v, done: true}
			continue
		}
		cursors[i] = cursor{v: value.Doc(doc), rest: s.Parts[i].Path}
	}
	first := true
	err := s.expand(cursors, func(k []cursor) {
		if !first {
			// Taken only if it comes before the best so far.
			for i := range s.Parts {
				d := value.CompareWith(k[i].v, out[i], s.collation)
				if s.Parts[i].Desc {
					d = -d
				}
				if d > 0 {
					return
				}
				if d < 0 {
					break
				}
			}
		}
		first = false
		for i := range k {
			out[i] = k[i].v
		}
	})
	return out, err
}

// cursor is how far one key has come on its path.
type cursor struct {
	v    bson.RawValue
	rest value.Path
	done bool
}

// advance follows the path up to its end or to an array that has to be opened; it reports the latter.
func (c *cursor) advance() bool {
	for !c.done {
		switch {
		case c.v.Type == bson.TypeArray:
			if len(c.rest) > 0 {
				if i, numeric := value.ArrayIndex(c.rest[0]); numeric {
					c.v, c.rest = value.Index(c.v.Value, i), c.rest[1:]
					if len(c.rest) == 0 && c.v.Type == bson.TypeArray {
						c.done = true // a named element is not opened
					}
					continue
				}
			}
			return true
		case len(c.rest) == 0:
			c.done = true
		case c.v.Type == bson.TypeEmbeddedDocument:
			c.v, c.rest = value.Lookup(c.v.Value, c.rest[0]), c.rest[1:]
		default:
			c.v, c.done = value.Null, true
		}
	}
	if c.v.Type == 0 {
		c.v = value.Null
	}
	return false
}

// expand calls emit with every combination of values that the keys have.
func (s *Sort) expand(cs []cursor, emit func([]cursor)) error {
	var arr []byte
	for i := range cs {
		if !cs[i].advance() {
			continue
		}
		a := cs[i].v.Value
		if arr == nil {
			arr = a
		} else if &arr[0] != &a[0] {
			return mongoerr.New(mongoerr.BadValue, "cannot sort with keys that are parallel arrays")
		}
	}
	if arr == nil {
		emit(cs)
		return nil
	}
	it := value.Over(arr)
	any := false
	next := make([]cursor, len(cs))
	for it.Next() {
		any = true
		copy(next, cs)
		for i := range next {
			if next[i].done {
				continue
			}
			next[i].v = it.Value()
			if len(next[i].rest) == 0 {
				next[i].done = true
			} else if it.Value().Type == bson.TypeArray {
				next[i].v, next[i].done = value.Null, true // an array in an array is not opened
			}
		}
		if err := s.expand(next, emit); err != nil {
			return err
		}
	}
	if any {
		return nil
	}
	for i := range cs {
		if !cs[i].done {
			cs[i].done = true
			cs[i].v = value.Null
			if len(cs[i].rest) == 0 {
				cs[i].v = bson.RawValue{Type: bson.TypeUndefined}
			}
		}
	}
	emit(cs)
	return nil
}
