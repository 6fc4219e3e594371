package data

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// bulkOperation is one operation of a bulkWrite, judged in form.
type bulkOperation struct {
	kind   string
	doc    bson.Raw // insertOne
	newID  bson.RawValue
	ownID  bool // the caller did not supply _id
	change change
	query  bson.Raw // deletes
}

// bulkResult adds up what the operations did.
type bulkResult struct {
	inserted, matched, modified, deleted, upserted int64
	insertedIDs, upsertedIDs                       *list
}

// bulkWrite performs {insertOne: {document}}, {updateOne|updateMany: {filter,
// update, upsert, arrayFilters}}, {replaceOne: {filter, replacement, upsert}},
// {deleteOne|deleteMany: {filter}}. For users it is one transaction: all or
// nothing. For the system it is MongoDB's: what was done before an error stays.
func (r *request) bulkWrite() (bson.RawValue, error) {
	if r.args.operations.Type == 0 {
		return bson.RawValue{}, invalid("the argument \"operations\" is missing")
	}
	given, err := elements(r.args.operations, "operations")
	if err != nil {
		return bson.RawValue{}, err
	}
	if len(given) == 0 {
		return bson.RawValue{}, mongoFault("must provide at least one element in input slice")
	}
	if r.access != nil && len(given) > r.s.limits.WriteDocuments {
		return bson.RawValue{}, invalid("more than %d operations (write_max_documents)", r.s.limits.WriteDocuments)
	}
	ops := make([]bulkOperation, len(given))
	for i, d := range given {
		if ops[i], err = r.bulkOperation(d, i); err != nil {
			return bson.RawValue{}, err
		}
	}
	var res *bulkResult
	if r.access != nil {
		err = r.atomically(func(ctx context.Context) error {
			res = &bulkResult{insertedIDs: newList(), upsertedIDs: newList()}
			for i, op := range ops {
				if err := r.perform(ctx, op, i, res); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		res = &bulkResult{insertedIDs: newList(), upsertedIDs: newList()}
		var ctx context.Context
		var held *openTransaction
		if ctx, held, err = r.session(); err != nil {
			return bson.RawValue{}, err
		}
		var first error
		for i, op := range ops {
			if err := r.perform(ctx, op, i, res); err != nil {
				if first == nil {
					first = err
				}
				if !r.args.unordered || held != nil {
					break
				}
			}
		}
		if err = first; err != nil {
			held.giveUp(ctx)
		}
	}
	if err != nil {
		return bson.RawValue{}, err
	}
	return object(func(dst []byte) []byte {
		dst = bsoncore.AppendInt32Element(dst, "insertedCount", count32(res.inserted))
		dst = bsoncore.AppendInt32Element(dst, "matchedCount", count32(res.matched))
		dst = bsoncore.AppendInt32Element(dst, "modifiedCount", count32(res.modified))
		dst = bsoncore.AppendInt32Element(dst, "deletedCount", count32(res.deleted))
		dst = bsoncore.AppendInt32Element(dst, "upsertedCount", count32(res.upserted))
		dst = appendValue(dst, "insertedIds", res.insertedIDs.end())
		return appendValue(dst, "upsertedIds", res.upsertedIDs.end())
	}), nil
}

func (r *request) bulkOperation(d bson.Raw, i int) (bulkOperation, error) {
	elems, err := d.Elements()
	if err != nil || len(elems) != 1 {
		return bulkOperation{}, invalid("operations[%d] must name one operation", i)
	}
	op := bulkOperation{kind: elems[0].Key()}
	body, ok := elems[0].Value().DocumentOK()
	if !ok {
		return op, invalid("operations[%d].%s must be a document", i, op.kind)
	}
	a, err := parseArguments(body)
	if err != nil {
		return op, err
	}
	switch op.kind {
	case "insertOne":
		if a.document == nil {
			return op, invalid("operations[%d].insertOne.document is missing", i)
		}
		op.doc, op.newID, op.ownID = withID(a.document)
	case "updateOne", "updateMany", "replaceOne":
		if op.change, err = r.newChange(a.query, a.update, a.filters, a.upsert, op.kind == "updateMany"); err != nil {
			return op, err
		}
		if op.kind == "replaceOne" && op.change.kind != replacement {
			return op, mongoFault("the replace operation document must not contain atomic operators")
		}
	case "deleteOne", "deleteMany":
		op.query = a.query
		if r.access != nil && len(a.query) > 0 {
			paths, refused := r.strict()
			if err := checkQuery(a.query, 0, paths); err != nil {
				return op, err
			}
			return op, refusedPath(*refused)
		}
	default:
		return op, invalid("operations[%d]: unknown operation %q (known: insertOne, updateOne, updateMany, replaceOne, deleteOne, deleteMany)", i, op.kind)
	}
	return op, nil
}

// perform does one operation of a bulk.
func (r *request) perform(ctx context.Context, op bulkOperation, i int, res *bulkResult) error {
	switch op.kind {
	case "insertOne":
		if err := r.permitInsert(op.doc, op.ownID); err != nil {
			return err
		}
		if _, err := r.coll.InsertOne(ctx, op.doc); err != nil {
			return err
		}
		res.inserted++
		res.insertedIDs.value(op.newID)
		return nil
	case "deleteOne", "deleteMany":
		var n int64
		var err error
		if multi := op.kind == "deleteMany"; r.access == nil {
			n, err = r.removeDirect(ctx, op.query, multi)
		} else {
			n, _, err = r.removeJudged(ctx, op.query, nil, multi)
		}
		res.deleted += n
		return err
	}
	var out changed
	var err error
	if r.access == nil && !(op.change.multi && op.change.kind == replacement) {
		out, err = r.changeDirect(ctx, op.change)
	} else {
		out, err = r.changeJudged(ctx, op.change)
	}
	if err != nil {
		return err
	}
	res.matched += out.matched
	res.modified += out.modified
	if out.upsertedID.Type != 0 {
		res.upserted++
		index, id := int32(i), out.upsertedID
		res.upsertedIDs.value(object(func(dst []byte) []byte {
			return appendValue(bsoncore.AppendInt32Element(dst, "index", index), "_id", id)
		}))
	}
	return nil
}
