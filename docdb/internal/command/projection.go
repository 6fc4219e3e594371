package command

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/project"
	"regent/docdb/internal/update"
	"regent/docdb/internal/value"
)

// projection is a find's projection with the query that positional forms refer to.
type projection struct {
	p *project.Projection
	q *query
}

// projection compiles a projection; nil for none.
func (c *call) projection(q *query, spec bson.Raw) (*projection, error) {
	if len(spec) <= 5 {
		return nil, nil
	}
	if q.scope == nil {
		t := c.e.st.Applied()
		q.exprOpts = expr.Options{Context: c.runs(), Collation: q.strings(), Now: c.e.opts.Now(), ClusterTime: bson.Timestamp{T: uint32(t >> 32), I: uint32(t)}}
		q.scope = expr.NewScope(q.exprOpts)
	}
	p, err := project.Compile(spec, project.Options{
		Match: matchOptions(q.strings(), q.scope, q.exprOpts),
		Expr: func(v bson.RawValue) (func(bson.Raw) (bson.RawValue, error), error) {
			e, err := expr.Compile(value.Clone(v), q.scope)
			if err != nil {
				return nil, err
			}
			return exprValue(q.exprOpts.Context, e), nil
		},
	})
	if err != nil {
		return nil, err
	}
	if q.text == nil && slices.Contains(p.Metas(), "textScore") {
		return nil, noTextScore()
	}
	if p.NeedsPosition() && q.filter != nil && hasExpr(q.matcher().Root()) {
		return nil, mongoerr.New(mongoerr.QueryFeatureNotAllowed, "$expr is not allowed in this context")
	}
	return &projection{p, q}, nil
}

// noTextScore is the error of asking for the score of a search where there is no search.
func noTextScore() error {
	return mongoerr.New(40218, "query requires text score metadata, but it is not available")
}

// hasExpr reports whether a filter has an $expr among its conditions.
func hasExpr(n match.Node) (found bool) {
	conjuncts(n, func(n match.Node) {
		if _, ok := n.(*match.Expr); ok {
			found = true
		}
	})
	return found
}

// needsMatch reports whether the projection depends on how the document matched, or on metadata.
func (p *projection) needsMatch() bool { return p.p.NeedsPosition() || len(p.p.Metas()) > 0 }

// apply projects a document; position is that of the matched element when it is known.
func (p *projection) apply(doc bson.Raw, position int) (bson.Raw, error) {
	return p.with(doc, position, nil)
}

func (p *projection) with(doc bson.Raw, position int, meta func(string) bson.RawValue) (bson.Raw, error) {
	if p.p.NeedsPosition() && position < 0 && p.q.filter != nil {
		_, pos, err := p.q.matcher().MatchPosition(doc)
		if err != nil {
			return nil, err
		}
		position = pos
	}
	return p.p.Apply(doc, project.Context{Position: position, Meta: meta})
}

// of projects the document that a stream gave last, with the stream's metadata.
func (p *projection) of(src stream, doc bson.Raw) (bson.Raw, error) {
	if len(p.p.Metas()) == 0 {
		return p.with(doc, -1, nil)
	}
	return p.with(doc, -1, metaOf(src))
}

// describeUpdate is the updateDescription of a change event; disambiguatedPaths is there if it is not empty. size is without these, which
// say of names that are there already how they are to be read.
func describeUpdate(before, after bson.Raw) (d bson.Raw, size int) {
	change := update.Diff(before, after)
	rem := make([]bson.RawValue, len(change.Removed))
	for i, r := range change.Removed {
		rem[i] = value.String(r)
	}
	cut := make([]bson.RawValue, len(change.Truncated))
	for i, t := range change.Truncated {
		cut[i] = value.Doc(value.DocOf(value.Field{Name: "field", Value: value.String(t.Field)}, value.Field{Name: "newSize", Value: value.Int32(int32(t.NewSize))}))
	}
	fields := []value.Field{{Name: "updatedFields", Value: value.Doc(change.Updated)}, {Name: "removedFields", Value: value.ArrayOf(rem)}, {Name: "truncatedArrays", Value: value.ArrayOf(cut)}}
	d = value.DocOf(fields...)
	size = len(d)
	if len(change.Disambiguated) > 0 {
		var paths []value.Field
		for _, p := range change.Disambiguated {
			paths = append(paths, value.Field{Name: p.Path, Value: value.ArrayOf(p.Parts)})
		}
		d = value.DocOf(append(fields, value.Field{Name: "disambiguatedPaths", Value: value.Doc(value.DocOf(paths...))})...)
	}
	return d, size
}
