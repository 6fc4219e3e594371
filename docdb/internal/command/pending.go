package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func notYet(what string) error {
	return mongoerr.New(mongoerr.NotImplemented, "docdb does not implement %s", what)
}

type projector interface {
	Apply(doc bson.Raw) (bson.Raw, error)
	NeedsMatch() bool
}

func (c *call) projection(q *query, p bson.Raw) (projector, error) {
	if len(p) <= 5 {
		return nil, nil
	}
	return nil, notYet("projections")
}

func (c *call) sortStream(src stream, q *query, limit int64) stream {
	return &failing{src, notYet("sort without an index")}
}

type failing struct {
	src stream
	err error
}

func (f *failing) Next(context.Context) (bson.Raw, error) { return nil, f.err }
func (f *failing) Close() error                           { return f.src.Close() }

func (c *call) pipelineUpdate(q *query, constants bson.Raw) func(bson.RawValue) (func(bson.Raw) (bson.Raw, error), error) {
	return nil
}

func describeUpdate(before, after bson.Raw) bson.Raw { return emptyDoc }

func fullCollation(spec bson.Raw) (value.StringComparer, bson.Raw, error) {
	if simpleCollation(spec) {
		return nil, nil, nil
	}
	return nil, nil, notYet("collation")
}

type keyedComparer interface {
	value.StringComparer
	keys.Collator
}

func comparer(spec bson.Raw) (keyedComparer, error) {
	if simpleCollation(spec) {
		return nil, nil
	}
	return nil, notYet("collation")
}

func exprPredicate(e expr.Expr) func(bson.Raw) (bool, error) {
	return func(doc bson.Raw) (bool, error) {
		env := expr.NewEnv(context.Background())
		env.Reset(doc)
		v, err := e.Eval(env)
		return err == nil && value.Truthy(v), err
	}
}

func compileSchema(schema bson.Raw) (func(bson.Raw) (bool, error), error) {
	return nil, notYet("$jsonSchema")
}

func compileGeo(op string, args bson.RawValue, siblings bson.Raw) (match.Geometry, error) {
	return nil, notYet(op)
}

func failureDetails(filter, doc bson.Raw) bson.Raw { return emptyDoc }

// Terms implements store.Language.
func (l Language) Terms(spec bson.Raw) (func([]byte) ([][]byte, error), error) {
	return nil, notYet("text and geo indexes")
}

func textSpec(key bson.Raw, options, text bson.D) (bson.Raw, bson.D, error) {
	return nil, nil, notYet("text indexes")
}

type specialSearch struct{ sorted bool }

func (q *query) near() bool                                                              { return false }
func (q *query) findSpecial() error                                                      { return nil }
func (q *query) textCompiler(*store.Collection) func(bson.Raw) (match.TextSearch, error) { return nil }

func (c *call) openSpecial(ctx context.Context, coll *store.Collection, d *store.Def, v store.View, q *query, release func()) (stream, error) {
	return nil, notYet("this search")
}

type letVar struct {
	name  string
	value bson.RawValue
}

func evaluateLet(let bson.Raw, opts expr.Options) ([]letVar, error) {
	var out []letVar
	scope := expr.NewScope(opts)
	it := value.Over(let)
	for it.Next() {
		e, err := expr.Compile(value.Clone(it.Value()), scope)
		if err != nil {
			return nil, err
		}
		env := expr.NewEnv(context.Background())
		env.Reset(emptyDoc)
		v, err := e.Eval(env)
		if err != nil {
			return nil, err
		}
		n := string(append([]byte(nil), it.Key()...))
		out = append(out, letVar{n, value.Clone(v)})
		scope = scope.Fix(n, value.Clone(v))
	}
	return out, nil
}

func (c *call) findView(coll *store.Collection, skip, limit, batch int64, single bool) error {
	return notYet("views")
}
func (c *call) countView(coll *store.Collection, skip, limit int64) error { return notYet("views") }
func (c *call) distinctView(ctx context.Context, coll *store.Collection) (stream, *query, error) {
	return nil, nil, notYet("views")
}
func (c *call) checkView(name, on string, pipeline bson.RawValue) error { return notYet("views") }

func (c *call) findTailable(ctx context.Context, ns string, coll *store.Collection, q *query, p projector, skip, limit, batch int64, awaits bool) error {
	return notYet("tailable cursors")
}

func aggregate(c *call) error { return notYet("aggregate") }
func explain(c *call) error   { return notYet("explain") }

func cursorBatchSize(d bson.Raw) (int64, error) {
	it := value.Over(d)
	n := int64(defaultBatch)
	for it.Next() {
		if it.Key() != "batchSize" {
			return 0, mongoerr.New(40415, "BSON field 'cursor.%s' is an unknown field.", it.Key())
		}
		if !value.IsNumber(it.Value()) {
			return 0, wrongType("cursor.batchSize", it.Value(), integer)
		}
		v, err := whole(it.Value(), "batchSize")
		if err != nil {
			return 0, err
		}
		if v < 0 {
			return 0, mongoerr.New(51024, "BSON field 'batchSize' value must be >= 0, actual value '%d'", v)
		}
		n = v
	}
	return n, nil
}

type changeStream struct{ later error }

func (s *changeStream) interrupt()           {}
func (s *changeStream) appendResume(c *call) {}
