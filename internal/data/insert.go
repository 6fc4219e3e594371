package data

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// withID gives the document an ObjectId as its first field when it has no _id.
func withID(d bson.Raw) (doc bson.Raw, id bson.RawValue, generated bool) {
	if v, err := d.LookupErr("_id"); err == nil {
		return d, v, false
	}
	oid := bson.NewObjectID()
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(d)+17))
	dst = bsoncore.AppendObjectIDElement(dst, "_id", oid)
	dst = append(dst, d[4:len(d)-1]...)
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst, bson.RawValue{Type: bson.TypeObjectID, Value: oid[:]}, true
}

// permitInsert judges a new document by roles and schema.
func (r *request) permitInsert(doc bson.Raw, generatedID bool) error {
	if r.access == nil {
		return nil
	}
	if err := noDuplicates(doc); err != nil {
		return err
	}
	if err := r.access.Insert(doc, generatedID); err != nil {
		return err
	}
	return r.access.Validate(nil, doc)
}

func (r *request) insertOne() (bson.RawValue, error) {
	if r.args.document == nil {
		return bson.RawValue{}, invalid("the argument \"document\" is missing")
	}
	doc, id, generated := withID(r.args.document)
	if err := r.permitInsert(doc, generated); err != nil {
		return bson.RawValue{}, r.giveUp(err)
	}
	ctx, t, err := r.session()
	if err != nil {
		return bson.RawValue{}, err
	}
	if _, err := r.coll.InsertOne(ctx, doc); err != nil {
		t.giveUp(ctx)
		return bson.RawValue{}, err
	}
	return object(func(dst []byte) []byte { return appendValue(dst, "insertedId", id) }), nil
}

// insertMany judges all documents before it writes any. A database error leaves
// the documents before it, as MongoDB does (client-api.md §1.17).
func (r *request) insertMany() (bson.RawValue, error) {
	if r.args.documents.Type == 0 {
		return bson.RawValue{}, invalid("the argument \"documents\" is missing")
	}
	given, err := elements(r.args.documents, "documents")
	if err != nil {
		return bson.RawValue{}, err
	}
	if len(given) == 0 {
		return bson.RawValue{}, mongoFault("must provide at least one element in input slice")
	}
	if r.access != nil && len(given) > r.s.limits.WriteDocuments {
		return bson.RawValue{}, invalid("more than %d documents (write_max_documents)", r.s.limits.WriteDocuments)
	}
	ids := newList()
	docs := make([]bson.Raw, len(given))
	for i, d := range given {
		doc, id, generated := withID(d)
		if err := r.permitInsert(doc, generated); err != nil {
			return bson.RawValue{}, r.giveUp(err)
		}
		docs[i] = doc
		ids.value(id)
	}
	ctx, t, err := r.session()
	if err != nil {
		return bson.RawValue{}, err
	}
	if _, err := r.coll.InsertMany(ctx, docs, options.InsertMany().SetOrdered(!r.args.unordered)); err != nil {
		t.giveUp(ctx)
		return bson.RawValue{}, err
	}
	return object(func(dst []byte) []byte { return appendValue(dst, "insertedIds", ids.end()) }), nil
}
