package data

import (
	"context"
	"errors"

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

// bulkWrite performs {insertOne: {document}} or {insertOne: document}, {updateOne|updateMany: {filter,
// update, upsert, arrayFilters}}, {replaceOne: {filter, replacement, upsert}},
// {deleteOne|deleteMany: {filter}}. A database error leaves what was done before it,
// and in unordered bulks what comes after it; a refusal leaves nothing.
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
	perform := r.performDirect
	if r.access != nil {
		perform = r.performJudged
	}
	res, err := perform(ops)
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

// performDirect performs the operations of a system caller one by one.
func (r *request) performDirect(ops []bulkOperation) (*bulkResult, error) {
	res := newBulkResult()
	ctx, held, err := r.session()
	if err != nil {
		return nil, err
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
	if first != nil {
		held.giveUp(ctx)
	}
	return res, first
}

// performJudged performs a user's operations in one transaction, which a database
// error takes back as a whole. What MongoDB would have left is then done again, and
// judged again: the operations before the failed one with what that one had changed
// before it failed; in unordered bulks those after it as well.
func (r *request) performJudged(ops []bulkOperation) (*bulkResult, error) {
	failed := map[int]int{} // operations that fail, by how many documents they change before
	var first error
	for {
		res, at := newBulkResult(), 0
		err := r.atomically(func(ctx context.Context) error {
			*res = *newBulkResult() // of this attempt
			for at = range ops {
				op := ops[at]
				n, fails := failed[at]
				if fails {
					op.change.first = n
				}
				if !fails || n > 0 {
					if err := r.perform(ctx, op, at, res); err != nil {
						return err
					}
				}
				if fails && !r.args.unordered {
					break
				}
			}
			return nil
		})
		if err == nil {
			return res, first
		}
		if !byDatabase(err) || r.args.transaction != "" {
			return nil, err
		}
		if len(failed) == r.s.limits.Attempts {
			text, _ := serverMessage(first)
			return nil, mongoFault("more than %d operations of the bulk fail in the database, and nothing was done; the first error: %s", r.s.limits.Attempts, text)
		}
		done := 0
		var stuck *interrupted
		if errors.As(err, &stuck) {
			done = stuck.at
		}
		if n, again := failed[at]; again && done >= n {
			return nil, err // what was possible a moment ago no longer is
		}
		if failed[at] = done; first == nil {
			first = err
		}
	}
}

func newBulkResult() *bulkResult { return &bulkResult{insertedIDs: newList(), upsertedIDs: newList()} }

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
	if op.kind == "insertOne" && len(body) > len(emptyDocument) && body.Lookup("document").Type == 0 {
		op.doc, op.newID, op.ownID = withID(body) // the short form, which drivers take too
		return op, nil
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
