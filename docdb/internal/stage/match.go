package stage

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
)

// matchStage is $match.
type matchStage struct {
	filter bson.Raw
	m      *match.Matcher
	env    *expr.Env // of the run, for $expr
	reads  expr.Deps
}

func compileMatch(c *compiler, _ string, spec bson.RawValue) (*matchStage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15959, "the match filter must be an expression in an object")
	}
	m := &matchStage{filter: spec.Value}
	var err error
	m.m, err = c.filter(spec.Value, func() *expr.Env { return m.env }, &m.reads)
	return m, err
}

// searches reports whether the filter has a $text.
func (m *matchStage) searches() bool {
	switch n := m.m.Root().(type) {
	case *match.Text:
		return true
	case *match.And:
		return slices.ContainsFunc(n.Children, func(c match.Node) bool { _, ok := c.(*match.Text); return ok })
	}
	return false
}

func (m *matchStage) open(r *run, src source) (source, error) {
	m.env = r.expressions()
	return &matching{m: m, src: src}, nil
}

func (m *matchStage) deps(d *expr.Deps) bool {
	if m.reads.Whole {
		d.Whole = true
	}
	for p := range m.reads.Paths {
		d.AddPath(p)
	}
	for p := range m.reads.Meta {
		d.AddMeta(p)
	}
	return false
}

type matching struct {
	m   *matchStage
	src source
}

func (s *matching) next(ctx context.Context) (row, error) {
	for n := 0; ; n++ {
		if n&0xff == 0xff {
			if err := ctx.Err(); err != nil {
				return row{}, err
			}
		}
		r, err := s.src.next(ctx)
		if err != nil {
			return r, err
		}
		s.m.env.ResetMeta(r.doc, r.meta)
		ok, err := s.m.m.Match(r.doc)
		if err != nil {
			return row{}, err
		}
		if ok {
			return r, nil
		}
	}
}

func (s *matching) close() error {
	s.m.env.Release()
	return s.src.close()
}
