package command

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// slowIndexes is a Language whose partial indexes look at no document before they are let go.
type slowIndexes struct {
	Language
	building, done chan struct{}
}

func (l slowIndexes) Filter(filter, collation bson.Raw) (func(bson.Raw) (bool, error), error) {
	f, err := l.Language.Filter(filter, collation)
	return func(doc bson.Raw) (bool, error) {
		close(l.building)
		<-l.done
		return f(doc)
	}, err
}

// TestCatalogueInTransactionsIsNotWaitedFor: a transaction that makes a collection while an index is being built is told at once to begin
// again (mongo-engine.md §1.5: 24 with its label), and can when it is finished.
func TestCatalogueInTransactionsIsNotWaitedFor(t *testing.T) {
	lang := slowIndexes{building: make(chan struct{}), done: make(chan struct{})}
	st, err := store.Open(t.TempDir(), lang, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	e := New(st, Options{Log: t.Logf})
	defer e.Close()
	c, other := e.NewClient(nil, true, ""), e.NewClient(nil, true, "")
	defer c.Close()
	defer other.Close()
	send := func(c wire.Client, d bson.D) bson.Raw {
		raw, err := bson.Marshal(append(d, bson.E{Key: "$db", Value: "t"}))
		if err != nil {
			t.Error(err)
		}
		out, _ := c.Serve(t.Context(), &wire.Request{Body: raw}, nil)
		return out
	}
	one := bson.D{{Key: "_id", Value: 1}}
	send(c, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{one}}})
	built := make(chan bson.Raw)
	go func() {
		built <- send(other, bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a"}, {Key: "partialFilterExpression", Value: bson.D{{Key: "b", Value: 1}}}}}}})
	}()
	<-lang.building
	txn := func(number int64, d bson.D) bson.Raw {
		return send(c, append(d, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}},
			bson.E{Key: "txnNumber", Value: number}, bson.E{Key: "startTransaction", Value: true}, bson.E{Key: "autocommit", Value: false}))
	}
	for i, cmd := range []bson.D{{{Key: "create", Value: "new"}}, {{Key: "insert", Value: "new"}, {Key: "documents", Value: bson.A{one}}}} {
		r := txn(int64(i+1), cmd)
		if code, _ := r.Lookup("code").AsInt64OK(); code != 24 || r.Lookup("errorLabels", "0").StringValue() != "TransientTransactionError" {
			t.Errorf("%v: %s", cmd, r)
		}
	}
	close(lang.done)
	if r := <-built; r.Lookup("ok").Double() != 1 {
		t.Error(r)
	}
	if r := txn(5, bson.D{{Key: "create", Value: "new"}}); r.Lookup("ok").Double() != 1 {
		t.Error(r)
	}
}
