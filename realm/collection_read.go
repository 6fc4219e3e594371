package realm

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// FindOptions shape the result of [Collection.Find].
type FindOptions struct {
	Projection any   // fields to return; nil: all the user may read
	Sort       any   // order, such as bson.D{{"age", -1}}; nil: none
	Limit      int64 // number of documents at most; 0: no limit
}

// FindOneOptions shape the result of [Collection.FindOne].
type FindOneOptions struct {
	Projection any // fields to return; nil: all the user may read
	Sort       any // order that decides which document is first; nil: none
}

// CountOptions bound [Collection.Count].
type CountOptions struct {
	Limit int64 // count this many at most; 0: no limit
}

// Find returns the documents that match the filter and that the user may read.
func (c *Collection[T]) Find(ctx context.Context, filter any, opts ...FindOptions) ([]T, error) {
	o, err := one(opts)
	if err != nil {
		return nil, err
	}
	fields := add(bson.D{{Key: "query", Value: orEmpty(filter)}}, "project", o.Projection)
	if fields, err = addSort(fields, o.Sort); err != nil {
		return nil, err
	}
	return list(action[[]T](ctx, c, "find", add(fields, "limit", o.Limit)))
}

// list makes an empty result a slice, not nil.
func list[T any](docs []T, err error) ([]T, error) {
	if err == nil && docs == nil {
		docs = []T{}
	}
	return docs, err
}

// FindOne returns a document that matches the filter and that the user may
// read, and [ErrNoDocuments] if there is none.
func (c *Collection[T]) FindOne(ctx context.Context, filter any, opts ...FindOneOptions) (T, error) {
	var zero T
	o, err := one(opts)
	if err != nil {
		return zero, err
	}
	fields := add(bson.D{{Key: "query", Value: orEmpty(filter)}}, "project", o.Projection)
	if fields, err = addSort(fields, o.Sort); err != nil {
		return zero, err
	}
	return found(action[*T](ctx, c, "findOne", fields))
}

// Count returns how many documents match the filter.
func (c *Collection[T]) Count(ctx context.Context, filter any, opts ...CountOptions) (int64, error) {
	o, err := one(opts)
	if err != nil {
		return 0, err
	}
	return action[int64](ctx, c, "count", add(bson.D{{Key: "query", Value: orEmpty(filter)}}, "limit", o.Limit))
}

// Aggregate runs a pipeline, an array of stages such as []bson.D or bson.A, and
// returns the resulting documents as T. [AggregateAs] returns another type.
func (c *Collection[T]) Aggregate(ctx context.Context, pipeline any) ([]T, error) {
	return AggregateAs[T](ctx, c, pipeline)
}

// AggregateAs runs a pipeline whose results have another type than the
// collection's documents:
//
//	totals, err := realm.AggregateAs[Total](ctx, todos, pipeline)
func AggregateAs[R, T any](ctx context.Context, c *Collection[T], pipeline any) ([]R, error) {
	if pipeline == nil {
		pipeline = bson.A{}
	}
	return list(action[[]R](ctx, c, "aggregate", bson.D{{Key: "pipeline", Value: pipeline}}))
}

// Distinct returns the different values of a field among the documents that
// match the filter. It is an extension of Regent: other servers answer
// [ErrServiceCommandNotFound].
func (c *Collection[T]) Distinct(ctx context.Context, field string, filter any) ([]any, error) {
	return DistinctAs[any](ctx, c, field, filter)
}

// DistinctAs is [Collection.Distinct] with values of type R.
func DistinctAs[R, T any](ctx context.Context, c *Collection[T], field string, filter any) ([]R, error) {
	return list(action[[]R](ctx, c, "distinct", bson.D{{Key: "key", Value: field}, {Key: "query", Value: orEmpty(filter)}}))
}
