package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// union is $unionWith.
type union struct{ from *foreign }

func compileUnion(c *compiler, _ string, spec bson.RawValue) (*union, error) {
	var stages []bson.Raw
	var ns Namespace
	var err error
	switch spec.Type {
	case bson.TypeString:
		if ns, err = c.collectionName(spec, "$unionWith"); err != nil {
			return nil, err
		}
	case bson.TypeEmbeddedDocument:
		vs, err := arguments(spec, func(n string) error {
			return mongoerr.New(40415, "BSON field '$unionWith.%s' is an unknown field.", n)
		}, "coll", "pipeline")
		if err != nil {
			return nil, err
		}
		if !expr.Missing(vs[1]) {
			if vs[1].Type != bson.TypeArray {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$unionWith.pipeline' is the wrong type '%s', expected type 'array'", typeName(vs[1]))
			}
			if stages, err = Split(vs[1]); err != nil {
				return nil, err
			}
		}
		if expr.Missing(vs[0]) {
			if len(stages) == 0 || expr.Missing(expr.Lookup(stages[0], "$documents")) {
				return nil, mongoerr.New(mongoerr.FailedToParse, "$unionWith stage without explicit collection must have a pipeline with $documents as first stage")
			}
			ns.DB = c.env.DB
		} else if vs[0].Type != bson.TypeString {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$unionWith.coll' is the wrong type '%s', expected type 'string'", typeName(vs[0]))
		} else if ns, err = c.collectionName(vs[0], "$unionWith argument 'coll'"); err != nil {
			return nil, err
		}
	default:
		return nil, mongoerr.New(mongoerr.FailedToParse, "the $unionWith stage specification must be an object or string, but found %s", typeName(spec))
	}
	f, err := c.foreignOf(ns, stages, inUnion, c.scope)
	return &union{f}, err
}

func (u *union) deps(d *expr.Deps) bool {
	// The rows of this collection go on as they are.
	return false
}

func (u *union) open(r *run, src source) (source, error) { return &joined{u: u, r: r, src: src}, nil }

// joined gives out the input, then the other collection.
type joined struct {
	u      *union
	r      *run
	src    source
	other  source
	behind bool
}

func (s *joined) next(ctx context.Context) (row, error) {
	if !s.behind {
		r, err := s.src.next(ctx)
		if !drained(err) {
			return r, err
		}
		s.behind = true
		if s.u.from.pipe.NeedsSource() {
			if err := s.u.from.resolve(ctx); err != nil {
				return row{}, err
			}
		}
		var filter bson.Raw
		if len(s.u.from.pipe.nodes) > 0 {
			if m, ok := s.u.from.pipe.nodes[0].(*matchStage); ok {
				if filter, _ = splitFilter(m.filter); len(filter) <= 5 {
					filter = nil
				}
			}
		}
		if s.other, err = s.u.from.run(s.r.ctx, filter, s.r.vars); err != nil {
			return row{}, err
		}
	}
	return s.other.next(ctx)
}

func (s *joined) close() error {
	if s.other != nil {
		s.other.close()
		s.other = nil
	}
	return s.src.close()
}
