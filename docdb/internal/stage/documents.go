package stage

import (
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// documentsStage is $documents: an expression that makes an array of documents.
type documentsStage struct{ e expr.Expr }

func compileDocuments(c *compiler, _ string, spec bson.RawValue) ([]node, error) {
	if spec.Type != bson.TypeArray && spec.Type != bson.TypeEmbeddedDocument && spec.Type != bson.TypeString {
		return nil, mongoerr.New(5858203, "an array is expected")
	}
	e, err := expr.Compile(spec, c.scope)
	if err != nil {
		return nil, err
	}
	return []node{&documentsStage{e}}, nil
}

func (n *documentsStage) deps(*expr.Deps) bool { return true }

func (n *documentsStage) open(r *run, src source) (source, error) {
	env := r.expressions()
	env.Reset(emptyDocument)
	v, err := n.e.Eval(env)
	if err != nil {
		src.close()
		return nil, err
	}
	if v.Type != bson.TypeArray {
		src.close()
		return nil, mongoerr.New(5858203, "an array is expected")
	}
	return &valuesSource{it: expr.Each(expr.Clone(v).Value), src: src}, nil
}

type valuesSource struct {
	it  expr.Members
	src source
}

func (s *valuesSource) next(context.Context) (row, error) {
	_, v, ok := s.it.Next()
	if !ok {
		return row{}, io.EOF
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return row{}, mongoerr.New(40228, "'newRoot' expression must evaluate to an object, but resulting value was of type '%s'. $documents holds documents only", typeName(v))
	}
	return row{doc: v.Value}, nil
}

func (s *valuesSource) close() error { return s.src.close() }

// drained reports whether err is the end of a stream.
func drained(err error) bool { return errors.Is(err, io.EOF) }
