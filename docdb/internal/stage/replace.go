package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// replaceRoot is $replaceRoot and $replaceWith.
type replaceRoot struct{ with expr.Expr }

func compileReplaceRoot(c *compiler, name string, spec bson.RawValue) (*replaceRoot, error) {
	v := spec
	if name == "$replaceRoot" {
		if spec.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(40229, "expected an object as specification for $replaceRoot stage, got %s", typeName(spec))
		}
		vs, err := arguments(spec, func(n string) error {
			return mongoerr.New(40415, "BSON field '$replaceRoot.%s' is an unknown field.", n)
		}, "newRoot")
		if err != nil {
			return nil, err
		}
		if v = vs[0]; expr.Missing(v) {
			return nil, mongoerr.New(40231, "no newRoot specified for the $replaceRoot stage")
		}
	}
	e, err := expr.Compile(v, c.scope)
	return &replaceRoot{e}, err
}

func (n *replaceRoot) open(r *run, src source) (source, error) {
	return &replacing{n, src, r.expressions()}, nil
}

func (n *replaceRoot) deps(d *expr.Deps) bool {
	n.with.Deps(d)
	return true
}

type replacing struct {
	n   *replaceRoot
	src source
	env *expr.Env
}

func (s *replacing) next(ctx context.Context) (row, error) {
	r, err := s.src.next(ctx)
	if err != nil {
		return r, err
	}
	s.env.ResetMeta(r.doc, r.meta)
	v, err := s.n.with.Eval(s.env)
	if err != nil {
		return row{}, err
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return row{}, mongoerr.New(40228, "'newRoot' expression must evaluate to an object, but resulting value was: %s. Type of resulting value: '%s'.", value.Show(v), typeName(v))
	}
	return row{v.Value, r.meta}, nil
}

func (s *replacing) close() error {
	s.env.Release()
	return s.src.close()
}

// redact is $redact. Its expression answers one of three constants, which are told apart by their addresses' stand-ins: strings
// that a document cannot hold.
type redact struct{ e expr.Expr }

var (
	redactKeep    = value.String("\x00keep")
	redactPrune   = value.String("\x00prune")
	redactDescend = value.String("\x00descend")
)

func compileRedact(c *compiler, _ string, spec bson.RawValue) (*redact, error) {
	scope := c.scope.Fix("KEEP", redactKeep).Fix("PRUNE", redactPrune).Fix("DESCEND", redactDescend)
	e, err := expr.Compile(spec, scope)
	return &redact{e}, err
}

func (n *redact) open(r *run, src source) (source, error) {
	return &redacting{n, src, r.expressions(), nil}, nil
}

func (n *redact) deps(d *expr.Deps) bool {
	d.Whole = true
	return false
}

type redacting struct {
	n   *redact
	src source
	env *expr.Env
	buf []byte
}

func (s *redacting) next(ctx context.Context) (row, error) {
	for {
		r, err := s.src.next(ctx)
		if err != nil {
			return r, err
		}
		s.env.ResetMeta(r.doc, r.meta)
		var keep bool
		if s.buf, keep, err = s.document(s.buf[:0], r.doc); err != nil {
			return row{}, err
		}
		if keep {
			out := row{s.buf, r.meta}
			if cap(s.buf) > keepBytes {
				s.buf = nil
				s.env.Release()
			}
			return out, nil
		}
		if err := ctx.Err(); err != nil {
			return row{}, err
		}
	}
}

// document appends what is left of a document.
func (s *redacting) document(dst, doc []byte) ([]byte, bool, error) {
	s.env.SetCurrent(value.Doc(doc))
	v, err := s.n.e.Eval(s.env)
	if err != nil {
		return dst, false, err
	}
	switch {
	case v.Type == bson.TypeString && string(v.Value) == string(redactKeep.Value):
		return append(dst, doc...), true, nil
	case v.Type == bson.TypeString && string(v.Value) == string(redactPrune.Value):
		return dst, false, nil
	case v.Type != bson.TypeString || string(v.Value) != string(redactDescend.Value):
		return dst, false, mongoerr.New(17053, "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned %s", value.Show(v))
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for it := expr.Each(doc); ; {
		name, v, ok := it.Next()
		if !ok {
			return finish(dst, start), true, nil
		}
		if dst, err = s.member(dst, name, v); err != nil {
			return dst, false, err
		}
	}
}

func (s *redacting) member(dst, name []byte, v bson.RawValue) ([]byte, error) {
	head := len(dst)
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		dst = append(dst, byte(v.Type))
		dst = append(append(dst, name...), 0)
		dst, keep, err := s.document(dst, v.Value)
		if !keep {
			dst = dst[:head]
		}
		return dst, err
	case bson.TypeArray:
		dst = append(dst, byte(v.Type))
		dst = append(append(dst, name...), 0)
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		i := 0
		var number [20]byte
		for it := expr.Each(v.Value); ; {
			_, el, ok := it.Next()
			if !ok {
				return finish(dst, start), nil
			}
			before := len(dst)
			var err error
			if dst, err = s.member(dst, appendInt(number[:0], i), el); err != nil {
				return dst, err
			}
			if len(dst) > before {
				i++
			}
		}
	}
	return appendMember(dst, name, v), nil
}

func (s *redacting) close() error {
	s.env.Release()
	return s.src.close()
}
