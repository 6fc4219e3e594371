package stage

import (
	"context"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/value"
)

// hashTable holds the documents of a foreign collection by the values of one field, in the order of the collection. When it would
// exceed the memory limit there is none, and $lookup asks the collection for each document.
type hashTable struct {
	docs   []bson.Raw
	index  map[string][]int32
	tooBig bool
}

// load reads the foreign collection into a table.
func (s *looking) load(ctx context.Context) error {
	t := &hashTable{index: map[string][]int32{}}
	s.table = t
	src, err := s.l.from.find(ctx, s.l.filter)
	if err != nil {
		return err
	}
	defer src.close()
	coll := s.r.env.collation()
	path := value.ParsePath(s.l.path)
	s.mem = s.r.env.held()
	bytes := 0
	var key []byte
	for n := 0; ; n++ {
		r, err := src.next(ctx)
		if drained(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if n&0x3ff == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		at := int32(len(t.docs))
		doc := slices.Clone(r.doc)
		t.docs = append(t.docs, doc)
		bytes += len(doc) + rowOverhead
		add := func(v bson.RawValue) {
			if v.Type == 0 || v.Type == bson.TypeUndefined {
				v = expr.Null
			}
			key = value.AppendKeyWith(key[:0], v, coll)
			list := t.index[string(key)]
			if len(list) > 0 && list[len(list)-1] == at {
				return
			}
			t.index[string(key)] = append(list, at)
			bytes += len(key) + 24
		}
		foreignValues(doc, path, add)
		if ok, err := s.mem.fits(bytes); !ok || err != nil {
			*t = hashTable{tooBig: true}
			s.mem.release()
			return nil
		}
	}
}

// foreignValues visits every value that an equality on path can find in doc: the value itself, an array's elements, and null where
// the field is missing (mongo-engine.md §3.3).
func foreignValues(doc []byte, path value.Path, add func(bson.RawValue)) {
	v := expr.Lookup(doc, path[0])
	if len(path) == 1 {
		add(v)
		if v.Type == bson.TypeArray {
			for it := expr.Each(v.Value); ; {
				_, el, ok := it.Next()
				if !ok {
					return
				}
				add(el)
			}
		}
		return
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		foreignValues(v.Value, path[1:], add)
	case bson.TypeArray:
		// A number may be a position as well as a name.
		if i, ok := value.ArrayIndex(path[1]); ok {
			if el := value.Index(v.Value, i); !expr.Missing(el) {
				if len(path) == 2 {
					add(el)
				} else if el.Type == bson.TypeEmbeddedDocument {
					foreignValues(el.Value, path[2:], add)
				}
			}
		}
		for it := expr.Each(v.Value); ; {
			_, el, ok := it.Next()
			if !ok {
				return
			}
			if el.Type == bson.TypeEmbeddedDocument {
				foreignValues(el.Value, path[1:], add)
			}
		}
	default:
		add(expr.Null)
	}
}

// probe finds the foreign documents that equal one of keys.
func (s *looking) probe(ctx context.Context, keys, vars []bson.RawValue) (source, error) {
	if s.table == nil {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	if s.table.tooBig {
		s.hash = false
		filter := equalityFilter(s.l.path, keys)
		if s.l.filter != nil {
			filter = value.DocOf(value.Field{Name: "$and", Value: value.ArrayOf([]bson.RawValue{value.Doc(s.l.filter), value.Doc(filter)})})
		}
		return s.l.from.run(s.r.ctx, filter, vars)
	}
	var hits []int32
	coll := s.r.env.collation()
	var key []byte
	for _, k := range keys {
		if k.Type == bson.TypeUndefined {
			k = expr.Null
		}
		key = value.AppendKeyWith(key[:0], k, coll)
		hits = append(hits, s.table.index[string(key)]...)
	}
	if len(keys) > 1 {
		slices.Sort(hits)
		hits = slices.Compact(hits)
	}
	return s.l.from.pipe.start(&run{ctx: s.r.ctx, env: s.l.from.env, vars: vars}, &hitSource{s.table.docs, hits})
}

type hitSource struct {
	docs []bson.Raw
	hits []int32
}

func (h *hitSource) next(context.Context) (row, error) {
	if len(h.hits) == 0 {
		return row{}, io.EOF
	}
	d := h.docs[h.hits[0]]
	h.hits = h.hits[1:]
	return row{doc: d}, nil
}

func (h *hitSource) close() error { return nil }
