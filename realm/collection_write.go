package realm

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// UpdateOptions are for [Collection.UpdateOne] and [Collection.UpdateMany].
type UpdateOptions struct {
	Upsert       bool  // insert a document if none matches
	ArrayFilters []any // which array elements the update's $[name] means
}

// ReplaceOptions are for [Collection.ReplaceOne].
type ReplaceOptions struct {
	Upsert bool // insert the document if none matches
}

// FindOneAndUpdateOptions are for [Collection.FindOneAndUpdate] and
// [Collection.FindOneAndReplace].
type FindOneAndUpdateOptions struct {
	Projection        any  // fields to return; nil: all the user may read
	Sort              any  // order that decides which document is first; nil: none
	Upsert            bool // insert a document if none matches
	ReturnNewDocument bool // return the document after the change, not before
}

// FindOneAndDeleteOptions are for [Collection.FindOneAndDelete].
type FindOneAndDeleteOptions struct {
	Projection any // fields to return; nil: all the user may read
	Sort       any // order that decides which document is first; nil: none
}

// InsertOneResult is the result of [Collection.InsertOne].
type InsertOneResult struct {
	InsertedID any `bson:"insertedId"` // the document's _id
}

// InsertManyResult is the result of [Collection.InsertMany].
type InsertManyResult struct {
	InsertedIDs []any `bson:"insertedIds"` // the documents' _id in the order given
}

// UpdateResult is the result of an update or replacement.
type UpdateResult struct {
	MatchedCount  int64 `bson:"matchedCount"`  // documents that matched
	ModifiedCount int64 `bson:"modifiedCount"` // documents that are different now
	UpsertedID    any   `bson:"upsertedId"`    // _id of the inserted document, or nil
}

// DeleteResult is the result of a deletion.
type DeleteResult struct {
	DeletedCount int64 `bson:"deletedCount"` // documents that were deleted
}

// InsertOne inserts a document. Without an _id it gets a new ObjectID; give the
// struct's field the tag `bson:"_id,omitempty"`.
func (c *Collection[T]) InsertOne(ctx context.Context, document T) (InsertOneResult, error) {
	return action[InsertOneResult](ctx, c, "insertOne", bson.D{{Key: "document", Value: document}})
}

// InsertMany inserts documents in order. If one is refused, those before it
// may stay.
func (c *Collection[T]) InsertMany(ctx context.Context, documents []T) (InsertManyResult, error) {
	if documents == nil {
		documents = []T{}
	}
	return action[InsertManyResult](ctx, c, "insertMany", bson.D{{Key: "documents", Value: documents}})
}

// UpdateOne changes the first document that matches the filter. An update
// without operators such as $set replaces the document, except for its _id.
func (c *Collection[T]) UpdateOne(ctx context.Context, filter, update any, opts ...UpdateOptions) (UpdateResult, error) {
	return c.update(ctx, "updateOne", filter, update, opts)
}

// UpdateMany changes all documents that match the filter. If the user may not
// change one of them, none is changed.
func (c *Collection[T]) UpdateMany(ctx context.Context, filter, update any, opts ...UpdateOptions) (UpdateResult, error) {
	return c.update(ctx, "updateMany", filter, update, opts)
}

func (c *Collection[T]) update(ctx context.Context, name string, filter, update any, opts []UpdateOptions) (UpdateResult, error) {
	o, err := one(opts)
	if err != nil {
		return UpdateResult{}, err
	}
	fields := add(bson.D{{Key: "query", Value: orEmpty(filter)}, {Key: "update", Value: update}}, "upsert", o.Upsert)
	if len(o.ArrayFilters) > 0 {
		fields = add(fields, "arrayFilters", o.ArrayFilters)
	}
	return action[UpdateResult](ctx, c, name, fields)
}

// ReplaceOne replaces the first document that matches the filter, except for
// its _id. It is an extension of Regent: other servers answer
// [ErrServiceCommandNotFound].
func (c *Collection[T]) ReplaceOne(ctx context.Context, filter any, replacement T, opts ...ReplaceOptions) (UpdateResult, error) {
	o, err := one(opts)
	if err != nil {
		return UpdateResult{}, err
	}
	fields := bson.D{{Key: "query", Value: orEmpty(filter)}, {Key: "replacement", Value: replacement}}
	return action[UpdateResult](ctx, c, "replaceOne", add(fields, "upsert", o.Upsert))
}

// DeleteOne deletes the first document that matches the filter.
func (c *Collection[T]) DeleteOne(ctx context.Context, filter any) (DeleteResult, error) {
	return action[DeleteResult](ctx, c, "deleteOne", bson.D{{Key: "query", Value: orEmpty(filter)}})
}

// DeleteMany deletes all documents that match the filter. If the user may not
// delete one of them, none is deleted.
func (c *Collection[T]) DeleteMany(ctx context.Context, filter any) (DeleteResult, error) {
	return action[DeleteResult](ctx, c, "deleteMany", bson.D{{Key: "query", Value: orEmpty(filter)}})
}

// FindOneAndUpdate changes the first document that matches the filter and
// returns it as it was before, or after with ReturnNewDocument. It returns
// [ErrNoDocuments] if none matched, also when one was upserted and the
// document before was asked for.
func (c *Collection[T]) FindOneAndUpdate(ctx context.Context, filter, update any, opts ...FindOneAndUpdateOptions) (T, error) {
	return c.modify(ctx, "findOneAndUpdate", filter, update, opts)
}

// FindOneAndReplace is [Collection.FindOneAndUpdate] with a whole document.
func (c *Collection[T]) FindOneAndReplace(ctx context.Context, filter any, replacement T, opts ...FindOneAndUpdateOptions) (T, error) {
	return c.modify(ctx, "findOneAndReplace", filter, replacement, opts)
}

func (c *Collection[T]) modify(ctx context.Context, name string, filter, update any, opts []FindOneAndUpdateOptions) (T, error) {
	var zero T
	o, err := one(opts)
	if err != nil {
		return zero, err
	}
	fields := bson.D{{Key: "filter", Value: orEmpty(filter)}, {Key: "update", Value: update}}
	if fields, err = addSort(fields, o.Sort); err != nil {
		return zero, err
	}
	fields = add(fields, "projection", o.Projection)
	fields = add(add(fields, "upsert", o.Upsert), "returnNewDocument", o.ReturnNewDocument)
	return found(action[*T](ctx, c, name, fields))
}

// FindOneAndDelete deletes the first document that matches the filter and
// returns it, or [ErrNoDocuments].
func (c *Collection[T]) FindOneAndDelete(ctx context.Context, filter any, opts ...FindOneAndDeleteOptions) (T, error) {
	var zero T
	o, err := one(opts)
	if err != nil {
		return zero, err
	}
	fields, err := addSort(bson.D{{Key: "filter", Value: orEmpty(filter)}}, o.Sort)
	if err != nil {
		return zero, err
	}
	return found(action[*T](ctx, c, "findOneAndDelete", add(fields, "projection", o.Projection)))
}
