package stage

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// limit is $limit.
type limit struct{ n int64 }

func compileLimit(_ *compiler, _ string, spec bson.RawValue) (*limit, error) {
	n, ok := isInt(spec)
	if !ok {
		return nil, mongoerr.New(5107201, "invalid argument to $limit stage: Expected a number in: $limit: %s", value.Show(spec))
	}
	if n < 0 {
		return nil, mongoerr.New(5107201, "invalid argument to $limit stage: Expected a non-negative number in: $limit: %d", n)
	}
	if n == 0 {
		return nil, mongoerr.New(15958, "the limit must be positive")
	}
	return &limit{n}, nil
}

func (l *limit) open(_ *run, src source) (source, error) { return &limited{src: src, left: l.n}, nil }
func (l *limit) deps(*expr.Deps) bool                    { return false }

type limited struct {
	src  source
	left int64
}

func (s *limited) next(ctx context.Context) (row, error) {
	if s.left <= 0 {
		return row{}, io.EOF
	}
	r, err := s.src.next(ctx)
	if err == nil {
		s.left--
	}
	return r, err
}

func (s *limited) close() error { return s.src.close() }

// skip is $skip.
type skip struct{ n int64 }

func compileSkip(_ *compiler, _ string, spec bson.RawValue) (*skip, error) {
	n, ok := isInt(spec)
	if !ok {
		return nil, mongoerr.New(5107200, "invalid argument to $skip stage: Expected a number in: $skip: %s", value.Show(spec))
	}
	if n < 0 {
		return nil, mongoerr.New(5107200, "invalid argument to $skip stage: Expected a non-negative number in: $skip: %d", n)
	}
	return &skip{n}, nil
}

func (l *skip) open(_ *run, src source) (source, error) { return &skipped{src, l.n}, nil }
func (l *skip) deps(*expr.Deps) bool                    { return false }

type skipped struct {
	src  source
	left int64
}

func (s *skipped) next(ctx context.Context) (row, error) {
	for ; s.left > 0; s.left-- {
		if _, err := s.src.next(ctx); err != nil {
			return row{}, err
		}
		if s.left&0x3ff == 0 {
			if err := ctx.Err(); err != nil {
				return row{}, err
			}
		}
	}
	return s.src.next(ctx)
}

func (s *skipped) close() error { return s.src.close() }

// compileCount makes $count of $group and $project.
func compileCount(c *compiler, _ string, spec bson.RawValue) ([]node, error) {
	if spec.Type != bson.TypeString {
		return nil, mongoerr.New(40156, "the count field must be a non-empty string")
	}
	name := text(spec)
	switch {
	case name == "":
		return nil, mongoerr.New(40157, "the count field must be a non-empty string")
	case name[0] == '$':
		return nil, mongoerr.New(40158, "the count field cannot be a $-prefixed path")
	}
	for i := range name {
		switch name[i] {
		case 0:
			return nil, mongoerr.New(40159, "the count field cannot contain a null byte")
		case '.':
			return nil, mongoerr.New(40160, "the count field cannot contain '.'")
		}
	}
	if name == "_id" {
		return nil, mongoerr.New(9039800, "the count field cannot be '_id'")
	}
	return []node{&counting{name}}, nil
}

type counting struct{ name string }

func (n *counting) deps(*expr.Deps) bool { return true }
func (n *counting) open(_ *run, src source) (source, error) {
	return &counted{name: n.name, src: src}, nil
}

type counted struct {
	name string
	src  source
	done bool
}

func (s *counted) next(ctx context.Context) (row, error) {
	if s.done {
		return row{}, io.EOF
	}
	for n := int64(0); ; n++ {
		if n&0x3ff == 0x3ff {
			if err := ctx.Err(); err != nil {
				return row{}, err
			}
		}
		_, err := s.src.next(ctx)
		if err == io.EOF {
			s.done = true
			if n == 0 {
				return row{}, io.EOF
			}
			d := newDoc(nil)
			d.add(s.name, value.Int(n))
			return row{doc: d.done()}, nil
		}
		if err != nil {
			return row{}, err
		}
	}
}

func (s *counted) close() error { return s.src.close() }

// compileSortByCount makes $sortByCount of $group and $sort.
func compileSortByCount(c *compiler, name string, spec bson.RawValue) ([]node, error) {
	switch spec.Type {
	case bson.TypeEmbeddedDocument:
		it := expr.Each(spec.Value)
		n, _, ok := it.Next()
		if !ok || len(n) == 0 || n[0] != '$' {
			return nil, mongoerr.New(40147, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	case bson.TypeString:
		if s := text(spec); s == "" || s[0] != '$' {
			return nil, mongoerr.New(40148, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	default:
		return nil, mongoerr.New(40149, "the sortByCount field must be specified as a string or as an object")
	}
	g := newDoc(nil)
	g.add("_id", spec)
	g.add("count", value.Doc(value.DocOf(value.Field{Name: "$sum", Value: value.Int32(1)})))
	gn, err := compileGroup(c, "$group", value.Doc(g.done()))
	if err != nil {
		return nil, err
	}
	sn, err := compileSort(c, "$sort", value.Doc(value.DocOf(value.Field{Name: "count", Value: value.Int32(-1)})))
	return []node{gn, sn}, err
}
