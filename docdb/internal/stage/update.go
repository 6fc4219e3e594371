package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
)

// UpdatePipeline is a compiled pipeline update: [{$set: …}, {$unset: …}, …]. It is used by one goroutine at a time.
type UpdatePipeline struct{ p *Pipeline }

// CompileUpdate compiles a pipeline update. env.Let holds the variables of let, or of the statement's constants.
func CompileUpdate(pipeline bson.RawValue, env Env) (*UpdatePipeline, error) {
	stages, err := Split(pipeline)
	if err != nil {
		return nil, err
	}
	env.Context = Update
	p, err := Compile(stages, env)
	if err != nil {
		return nil, err
	}
	return &UpdatePipeline{p}, nil
}

// Apply returns the document that the pipeline makes of doc. The result does not share doc's bytes, and is the caller's.
func (u *UpdatePipeline) Apply(ctx context.Context, doc bson.Raw) (bson.Raw, error) {
	it := u.p.Run(ctx, Documents(doc))
	defer it.Close()
	out, err := it.Next(ctx)
	if err != nil {
		return nil, err
	}
	return append(bson.Raw(nil), out...), nil
}

// Reads reports whether the update reads the document that it changes (for explain and for locking).
func (u *UpdatePipeline) Reads() expr.Deps {
	var d expr.Deps
	if !u.p.deps(&d) {
		d.Whole = true
	}
	return d
}
