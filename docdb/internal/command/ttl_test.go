package command

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// TestExpiryToTheMillisecond: a document goes when its date and the seconds of the index are over, not a millisecond before; one that was
// changed since it was seen stays until the next round.
func TestExpiryToTheMillisecond(t *testing.T) {
	st, err := store.Open(t.TempDir(), Language{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.UnixMilli(1_700_000_000_123)
	e := New(st, Options{Log: t.Logf, Now: func() time.Time { return now }, TTLInterval: time.Hour})
	defer e.Close()
	c := e.NewClient(nil, true, "")
	defer c.Close()
	send := func(d bson.D) bson.Raw {
		t.Helper()
		raw, err := bson.Marshal(append(d, bson.E{Key: "$db", Value: "t"}))
		if err != nil {
			t.Fatal(err)
		}
		out, _ := c.Serve(t.Context(), &wire.Request{Body: raw}, nil)
		if ok, _ := bson.Raw(out).Lookup("ok").DoubleOK(); ok != 1 {
			t.Fatal(bson.Raw(out))
		}
		return out
	}
	at := func(ms int64) bson.DateTime {
		return bson.NewDateTimeFromTime(now.Add(time.Duration(ms) * time.Millisecond))
	}
	for _, dir := range []int{1, -1} {
		send(bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "at", Value: dir}}}, {Key: "name", Value: "at"}, {Key: "expireAfterSeconds", Value: 100}}}}})
		send(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{
			bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: at(-100_001)}}, bson.D{{Key: "_id", Value: 2}, {Key: "at", Value: at(-100_000)}}, bson.D{{Key: "_id", Value: 3}, {Key: "at", Value: at(-99_999)}}}}})
		if err := e.expireDocuments(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := send(bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "_id"}}).Lookup("values")
		if ids, _ := left.Array().Values(); len(ids) != 1 || ids[0].Int32() != 3 {
			t.Errorf("direction %d: %v is left, want 3", dir, left)
		}
		send(bson.D{{Key: "drop", Value: "c"}})
	}
	send(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: at(5)}}}}})
	coll := st.Collection("t", "c")
	view := st.Snapshot()
	id, err := store.FindID(view, coll.Def(), bson.RawValue{Type: bson.TypeInt32, Value: []byte{1, 0, 0, 0}})
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen, err := bson.Marshal(bson.D{{Key: "_id", Value: int32(1)}, {Key: "at", Value: at(-200_000)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.expireOne(coll, id, seen); err != nil {
		t.Fatal(err)
	}
	if n := coll.Count(); n != 1 {
		t.Errorf("a document that was changed meanwhile has gone")
	}
}
