package command

import (
	"context"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// evaluator runs one compiled expression over documents, by any number of goroutines.
type evaluator struct {
	e    expr.Expr
	envs sync.Pool
}

func newEvaluator(ctx context.Context, e expr.Expr) *evaluator {
	if ctx == nil {
		ctx = context.Background()
	}
	return &evaluator{e: e, envs: sync.Pool{New: func() any { return expr.NewEnv(ctx) }}}
}

// exprPredicate is a $expr as a condition.
func exprPredicate(ctx context.Context, e expr.Expr) func(bson.Raw) (bool, error) {
	ev := newEvaluator(ctx, e)
	return func(doc bson.Raw) (bool, error) {
		env := ev.envs.Get().(*expr.Env)
		defer ev.envs.Put(env)
		env.Reset(doc)
		v, err := ev.e.Eval(env)
		return err == nil && value.Truthy(v), err
	}
}

// exprValue is an expression whose results outlive the next evaluation.
func exprValue(ctx context.Context, e expr.Expr) func(bson.Raw) (bson.RawValue, error) {
	ev := newEvaluator(ctx, e)
	return func(doc bson.Raw) (bson.RawValue, error) {
		env := ev.envs.Get().(*expr.Env)
		defer ev.envs.Put(env)
		env.Reset(doc)
		v, err := ev.e.Eval(env)
		if err != nil || v.Type == 0 {
			return v, err
		}
		return expr.Clone(v), nil
	}
}

// stageEnv is what a pipeline of this command runs in.
func (c *call) stageEnv(q *query, coll string) stage.Env {
	return stage.Env{
		DB: c.db, Collection: coll, Options: q.exprOpts, CollationSpec: q.collation, Let: q.let,
		AllowDiskUse: true, TempDir: c.e.opts.TempDir, MemoryLimit: c.e.opts.SortBytes, Memory: c.e.memory.Ledger(),
		Match: matchOptions(q.strings(), q.scope, q.exprOpts),
	}
}

// sortStream puts documents in order where no index does; with a limit it keeps only as many.
func (c *call) sortStream(src stream, q *query, limit int64) stream {
	stages := []bson.Raw{value.DocOf(value.Field{Name: "$sort", Value: value.Doc(q.sort)})}
	if limit > 0 {
		stages = append(stages, value.DocOf(value.Field{Name: "$limit", Value: value.Int64(limit)}))
	}
	env := c.stageEnv(q, "x")
	if v := c.arg("allowDiskUse"); v.Type != 0 && !value.Truthy(v) || q.noDisk {
		env.AllowDiskUse = false
	}
	p, err := stage.Compile(stages, env)
	if err != nil {
		return &failing{src, err}
	}
	return p.Run(context.Background(), src)
}

// failing is a stream that could not start.
type failing struct {
	src stream
	err error
}

func (f *failing) Next(context.Context) (bson.Raw, error) { return nil, f.err }
func (f *failing) Close() error                           { return f.src.Close() }

// pipelineUpdate compiles the pipelines of updates, with the command's variables and the statement's constants.
func (c *call) pipelineUpdate(q *query, constants bson.Raw) func(bson.RawValue) (func(bson.Raw) (bson.Raw, error), error) {
	return func(stages bson.RawValue) (func(bson.Raw) (bson.Raw, error), error) {
		env := c.stageEnv(q, "x")
		if constants != nil {
			env.Let = slices.Clone(env.Let)
			for it := expr.Each(constants); ; {
				name, v, ok := it.Next()
				if !ok {
					break
				}
				// Constants are values as they stand, and no expressions.
				if err := expr.ValidVariable(string(name)); err != nil {
					return nil, err
				}
				env.Let = append(env.Let, stage.Variable{Name: string(name), Value: v})
			}
		}
		p, err := stage.CompileUpdate(stages, env)
		if err != nil {
			return nil, err
		}
		return func(doc bson.Raw) (bson.Raw, error) { return p.Apply(c.ctx, doc) }, nil
	}
}
