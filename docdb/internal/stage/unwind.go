package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// unwind is $unwind.
type unwind struct {
	path     []string
	dotted   string
	index    []string // includeArrayIndex
	preserve bool
}

func compileUnwind(c *compiler, _ string, spec bson.RawValue) (*unwind, error) {
	u := &unwind{}
	pathValue := spec
	switch spec.Type {
	case bson.TypeString:
	case bson.TypeEmbeddedDocument:
		vs, err := arguments(spec, func(n string) error {
			return mongoerr.New(28811, "unrecognized option to $unwind stage: %s", n)
		}, "path", "includeArrayIndex", "preserveNullAndEmptyArrays")
		if err != nil {
			return nil, err
		}
		if expr.Missing(vs[0]) {
			return nil, mongoerr.New(28812, "no path specified to $unwind stage")
		}
		if pathValue = vs[0]; pathValue.Type != bson.TypeString {
			return nil, mongoerr.New(28808, "expected a string as the path for $unwind stage, got %s", typeName(pathValue))
		}
		if !expr.Missing(vs[1]) {
			if vs[1].Type != bson.TypeString || text(vs[1]) == "" {
				return nil, mongoerr.New(28810, "expected a non-empty string for the includeArrayIndex option to $unwind stage, got %s", typeName(vs[1]))
			}
			if text(vs[1])[0] == '$' {
				return nil, mongoerr.New(28822, "includeArrayIndex option to $unwind stage should not be prefixed with a '$': %s", text(vs[1]))
			}
			if u.index, err = expr.SplitPath(text(vs[1])); err != nil {
				return nil, err
			}
		}
		if !expr.Missing(vs[2]) {
			if vs[2].Type != bson.TypeBoolean {
				return nil, mongoerr.New(28809, "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got %s", typeName(vs[2]))
			}
			u.preserve = expr.Truthy(vs[2])
		}
	default:
		return nil, mongoerr.New(15981, "expected either a string or an object as specification for $unwind stage, got %s", typeName(spec))
	}
	s := text(pathValue)
	if s == "" {
		return nil, mongoerr.New(28812, "no path specified to $unwind stage")
	}
	if s[0] != '$' {
		return nil, mongoerr.New(28818, "path option to $unwind stage should be prefixed with a '$': %s", s)
	}
	u.dotted = s[1:]
	var err error
	u.path, err = expr.SplitPath(u.dotted)
	return u, err
}

func (u *unwind) open(r *run, src source) (source, error) {
	return &unwinding{u: u, src: src, room: r.env.held()}, nil
}

func (u *unwind) deps(d *expr.Deps) bool {
	d.AddPath(u.dotted)
	return false
}

type unwinding struct {
	u   *unwind
	src source
	in  row // the document whose array is being given out
	arr expr.Members
	at  int64
	on  bool
	buf []byte
	tmp []byte

	room held // of large documents
}

func (s *unwinding) next(ctx context.Context) (row, error) {
	for {
		if s.on {
			_, v, ok := s.arr.Next()
			if ok {
				s.at++
				return row{s.emit(v, value.Int64(s.at-1)), s.in.meta}, nil
			}
			s.on = false
		}
		r, err := s.src.next(ctx)
		if err != nil {
			return r, err
		}
		if err := ctx.Err(); err != nil {
			return row{}, err
		}
		v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.doc}
		for _, p := range s.u.path {
			if v.Type != bson.TypeEmbeddedDocument {
				v = bson.RawValue{}
				break
			}
			v = expr.Lookup(v.Value, p)
		}
		if err := s.room.copies(r, 2); err != nil {
			return row{}, err
		}
		s.in = r
		if v.Type == bson.TypeArray {
			if len(v.Value) > 5 {
				s.arr, s.at, s.on = expr.Each(v.Value), 0, true
				continue
			}
			if s.u.preserve {
				return row{s.emit(bson.RawValue{}, expr.Null), r.meta}, nil
			}
			continue
		}
		if expr.Nullish(v) {
			if !s.u.preserve {
				continue
			}
			if s.u.index == nil {
				return r, nil
			}
		}
		return row{s.emit(v, expr.Null), r.meta}, nil
	}
}

// emit makes the document with v in the array's place.
func (s *unwinding) emit(v, index bson.RawValue) bson.Raw {
	s.buf = setDeep(s.buf[:0], s.in.doc, s.u.path, v)
	if s.u.index == nil {
		return s.buf
	}
	s.tmp = setDeep(s.tmp[:0], s.buf, s.u.index, index)
	return s.tmp
}

func (s *unwinding) close() error {
	s.room.release()
	return s.src.close()
}
