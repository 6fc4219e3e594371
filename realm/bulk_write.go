package realm

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// BulkOperation is one operation of [Collection.BulkWrite]: [BulkInsertOne],
// [BulkUpdateOne], [BulkUpdateMany], [BulkReplaceOne], [BulkDeleteOne] or
// [BulkDeleteMany].
type BulkOperation interface {
	bulk() bson.D
}

// BulkInsertOne inserts a document.
type BulkInsertOne struct {
	Document any // the document
}

// BulkUpdateOne changes the first document that matches the filter.
type BulkUpdateOne struct {
	Filter       any   // which document
	Update       any   // the change
	Upsert       bool  // insert a document if none matches
	ArrayFilters []any // which array elements the update's $[name] means
}

// BulkUpdateMany changes all documents that match the filter.
type BulkUpdateMany struct {
	Filter       any   // which documents
	Update       any   // the change
	Upsert       bool  // insert a document if none matches
	ArrayFilters []any // which array elements the update's $[name] means
}

// BulkReplaceOne replaces the first document that matches the filter.
type BulkReplaceOne struct {
	Filter      any  // which document
	Replacement any  // the new document
	Upsert      bool // insert the document if none matches
}

// BulkDeleteOne deletes the first document that matches the filter.
type BulkDeleteOne struct {
	Filter any // which document
}

// BulkDeleteMany deletes all documents that match the filter.
type BulkDeleteMany struct {
	Filter any // which documents
}

func (o BulkInsertOne) bulk() bson.D {
	return bson.D{{Key: "insertOne", Value: bson.D{{Key: "document", Value: o.Document}}}}
}

func (o BulkUpdateOne) bulk() bson.D {
	return bulkUpdate("updateOne", o.Filter, o.Update, o.Upsert, o.ArrayFilters)
}

func (o BulkUpdateMany) bulk() bson.D {
	return bulkUpdate("updateMany", o.Filter, o.Update, o.Upsert, o.ArrayFilters)
}

func (o BulkReplaceOne) bulk() bson.D {
	fields := bson.D{{Key: "filter", Value: orEmpty(o.Filter)}, {Key: "replacement", Value: o.Replacement}}
	return bson.D{{Key: "replaceOne", Value: add(fields, "upsert", o.Upsert)}}
}

func (o BulkDeleteOne) bulk() bson.D {
	return bson.D{{Key: "deleteOne", Value: bson.D{{Key: "filter", Value: orEmpty(o.Filter)}}}}
}

func (o BulkDeleteMany) bulk() bson.D {
	return bson.D{{Key: "deleteMany", Value: bson.D{{Key: "filter", Value: orEmpty(o.Filter)}}}}
}

func bulkUpdate(name string, filter, update any, upsert bool, arrayFilters []any) bson.D {
	fields := add(bson.D{{Key: "filter", Value: orEmpty(filter)}, {Key: "update", Value: update}}, "upsert", upsert)
	if len(arrayFilters) > 0 {
		fields = add(fields, "arrayFilters", arrayFilters)
	}
	return bson.D{{Key: name, Value: fields}}
}

// BulkWriteOptions are for [Collection.BulkWrite].
type BulkWriteOptions struct {
	// Unordered asks to go on after an operation that fails. Regent makes a
	// user's operations all or nothing, whatever is asked.
	Unordered bool
}

// BulkWriteResult is the result of [Collection.BulkWrite].
type BulkWriteResult struct {
	InsertedCount int64 `bson:"insertedCount"` // documents inserted, upserts not counted
	MatchedCount  int64 `bson:"matchedCount"`  // documents that matched an update
	ModifiedCount int64 `bson:"modifiedCount"` // documents that an update changed
	DeletedCount  int64 `bson:"deletedCount"`  // documents deleted
	UpsertedCount int64 `bson:"upsertedCount"` // documents inserted by upserts
	// InsertedIDs are the _id of the inserted documents, in order.
	InsertedIDs []any `bson:"insertedIds"`
	// UpsertedIDs are the _id of the documents inserted by upserts.
	UpsertedIDs []BulkUpsert `bson:"upsertedIds"`
}

// BulkUpsert is a document that an upsert of a bulk write inserted.
type BulkUpsert struct {
	Index int `bson:"index"` // position of the operation
	ID    any `bson:"_id"`   // the document's _id
}

// BulkWrite makes several changes in one request. It is an extension of
// Regent: other servers answer [ErrServiceCommandNotFound].
func (c *Collection[T]) BulkWrite(ctx context.Context, operations []BulkOperation, opts ...BulkWriteOptions) (BulkWriteResult, error) {
	o, err := one(opts)
	if err != nil {
		return BulkWriteResult{}, err
	}
	docs := make([]bson.D, 0, len(operations))
	for i, op := range operations {
		if op == nil {
			return BulkWriteResult{}, fmt.Errorf("realm: BulkWrite: operation %d is nil", i)
		}
		docs = append(docs, op.bulk())
	}
	return action[BulkWriteResult](ctx, c, "bulkWrite", bson.D{{Key: "operations", Value: docs}, {Key: "ordered", Value: !o.Unordered}})
}
