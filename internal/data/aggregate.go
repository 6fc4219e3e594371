package data

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// aggregate runs a pipeline. A user's pipeline sees only what its user may read:
// roles and field permissions apply to the documents that enter it
// (app-services.md §5.7).
func (r *request) aggregate() (bson.RawValue, error) {
	if r.args.pipeline.Type == 0 {
		return bson.RawValue{}, invalid("the argument \"pipeline\" is missing")
	}
	stages, err := elements(r.args.pipeline, "pipeline")
	if err != nil {
		return bson.RawValue{}, err
	}
	ctx, _, err := r.session()
	if err != nil {
		return bson.RawValue{}, err
	}
	ctx, cancel := r.timed(ctx)
	defer cancel()
	if r.access == nil {
		return r.pipeline(ctx, r.coll.Collection, stages)
	}
	if len(stages) > r.s.limits.PipelineStages {
		return bson.RawValue{}, invalid("the pipeline has more than %d stages (user_pipeline_max_stages)", r.s.limits.PipelineStages)
	}
	paths, refused := r.strict()
	if err := checkPipeline(stages, paths); err != nil {
		return bson.RawValue{}, err
	}
	if err := refusedPath(*refused); err != nil {
		return bson.RawValue{}, err
	}
	if r.query.None {
		return newList().end(), nil
	}
	searched := len(stages) > 0 && (stageName(stages[0]) == "$search" || stageName(stages[0]) == "$vectorSearch")
	if r.query.Exact && r.query.Whole && len(r.query.Projections) == 0 && !searched {
		if match := r.judged(nil); len(match) > 5 {
			stages = append([]bson.Raw{documentOf("$match", documentOrNull(match))}, stages...)
		}
		return r.pipeline(ctx, r.coll.Collection, stages)
	}
	return r.aggregateJudged(ctx, stages, searched)
}

func stageName(stage bson.Raw) string {
	e, err := stage.IndexErr(0)
	if err != nil {
		return ""
	}
	return e.Key()
}

// aggregateJudged collects what the caller may read and runs the pipeline over
// that.
func (r *request) aggregateJudged(ctx context.Context, stages []bson.Raw, searched bool) (bson.RawValue, error) {
	filter := r.judged(nil)
	if !searched && r.query.Whole {
		// Documents are whole or hidden, so a leading $match may select them first.
		if len(stages) > 0 && stageName(stages[0]) == "$match" {
			filter = r.judged(stages[0].Index(0).Value().Document())
		}
	}
	r.args.projection = nil
	proj, err := r.projections()
	if err != nil {
		return bson.RawValue{}, err
	}
	var cursor *mongo.Cursor
	if searched {
		lead := []bson.Raw{stages[0]}
		if len(filter) > 5 {
			lead = append(lead, documentOf("$match", documentOrNull(filter)))
		}
		stages = stages[1:]
		cursor, err = r.coll.Aggregate(ctx, lead)
	} else {
		cursor, err = r.coll.Find(ctx, filter)
	}
	if err != nil {
		return bson.RawValue{}, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	read := r.access.Read
	if searched {
		read = r.access.ReadSearched
	}
	limit := r.s.limits.PipelineBytes
	if len(stages) == 0 {
		limit = r.s.limits.FindBytes
	}
	b := r.budget("the set of documents that enter the pipeline", limit)
	docs := newList()
	first := firstOf(stages)
	for (first == 0 || docs.n < first) && cursor.Next(ctx) {
		d, err := read(bson.Raw(cursor.Current))
		if err != nil {
			return bson.RawValue{}, err
		}
		if d == nil {
			continue
		}
		if d, err = projected(d, proj); err != nil {
			return bson.RawValue{}, err
		}
		if err := b.take(d); err != nil {
			return bson.RawValue{}, err
		}
		docs.document(d)
	}
	if err := cursor.Err(); err != nil {
		return bson.RawValue{}, err
	}
	if len(stages) == 0 {
		return docs.end(), nil
	}
	return r.overDocuments(ctx, docs.end(), stages)
}

// firstOf is how many documents a pipeline takes that begins with $limit, 0 for all.
func firstOf(stages []bson.Raw) int {
	if len(stages) == 0 || stageName(stages[0]) != "$limit" {
		return 0
	}
	n, ok := wholeNumber(stages[0].Index(0).Value())
	if !ok || n < 1 || n > 1<<31-1 {
		return 0 // the database says so
	}
	return int(n)
}

// overDocuments runs stages over an array of documents in the database, which
// sees nothing but them.
func (r *request) overDocuments(ctx context.Context, docs bson.RawValue, stages []bson.Raw) (bson.RawValue, error) {
	all := append([]bson.Raw{documentOf("$documents", literal(docs))}, stages...)
	return r.pipeline(ctx, r.coll.Database(), all)
}

// literal keeps strings that begin with $ and documents from being read as
// expressions.
func literal(v bson.RawValue) bson.RawValue { return documentOrNull(documentOf("$literal", v)) }

// aggregator is a collection or a database.
type aggregator interface {
	Aggregate(ctx context.Context, pipeline any, opts ...options.Lister[options.AggregateOptions]) (*mongo.Cursor, error)
}

// pipeline runs stages in the database and gives the results as an array.
func (r *request) pipeline(ctx context.Context, on aggregator, stages []bson.Raw) (bson.RawValue, error) {
	opts := options.Aggregate()
	if err := tune(r, opts); err != nil {
		return bson.RawValue{}, err
	}
	cursor, err := on.Aggregate(ctx, stages, opts)
	if err != nil {
		return bson.RawValue{}, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	out := newList()
	b := r.budget("the answer", r.s.limits.FindBytes)
	for cursor.Next(ctx) {
		if err := b.take(bson.Raw(cursor.Current)); err != nil {
			return bson.RawValue{}, err
		}
		out.document(bson.Raw(cursor.Current))
	}
	return out.end(), cursor.Err()
}
