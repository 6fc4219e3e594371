package query

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/project"
)

// Projection is a compiled find projection. It belongs to one request: its
// expressions stop when the request's context ends.
type Projection struct {
	p     *project.Projection
	where *match.Matcher
}

// CompileProjection compiles a find projection: inclusion, exclusion, literals,
// $slice, $elemMatch, expressions, and the positional form, whose element is
// the one that where matches.
func CompileProjection(ctx context.Context, projection, where bson.Raw) (*Projection, error) {
	scope := expr.NewScope(expr.Options{})
	env := expr.NewEnv(ctx)
	p, err := project.Compile(projection, project.Options{
		Expr: func(v bson.RawValue) (func(doc bson.Raw) (bson.RawValue, error), error) {
			e, err := expr.Compile(v, scope)
			if err != nil {
				return nil, err
			}
			return func(doc bson.Raw) (bson.RawValue, error) {
				env.Reset(doc)
				r, err := e.Eval(env)
				// The value lives until the next Reset.
				r.Value = append([]byte(nil), r.Value...)
				return r, err
			}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	out := &Projection{p: p}
	if p.NeedsPosition() {
		if out.where, err = match.Compile(where, match.Options{}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Exclusion tells whether the projection names what to leave out.
func (p *Projection) Exclusion() bool { return p.p.Exclusion() }

// Apply gives the projected document.
func (p *Projection) Apply(doc bson.Raw) (bson.Raw, error) {
	cx := project.Context{Position: -1}
	if p.where != nil {
		ok, at, err := p.where.MatchPosition(doc)
		if err != nil {
			return nil, err
		}
		if ok {
			cx.Position = at
		}
	}
	return p.p.Apply(doc, cx)
}
