package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func notYet(what string) error {
	return mongoerr.New(mongoerr.NotImplemented, "docdb does not implement %s", what)
}

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

// metaOf gives a stream's metadata about its last document.
func metaOf(src stream) func(string) bson.RawValue {
	return func(name string) bson.RawValue { return bson.RawValue{} }
}
