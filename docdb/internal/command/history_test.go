package command

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
)

// TestHistoryLost resumes a change stream from a time that the history no longer reaches: error 286, with a label that keeps drivers from
// trying again (mongo-engine.md §1.4).
func TestHistoryLost(t *testing.T) {
	day := time.Now()
	st, err := store.Open(t.TempDir(), Language{}, store.Options{Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	e := New(st, Options{Now: func() time.Time { return day }})
	defer st.Close()
	defer e.Close()
	s := &script{t: t, e: e, c: e.NewClient(nil, true, "")}
	defer s.c.Close()
	open := func(spec bson.D) bson.Raw {
		return s.send(bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$changeStream", Value: spec}}}}, {Key: "cursor", Value: bson.D{}}, {Key: "$db", Value: "t"}})
	}
	insert := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}, {Key: "$db", Value: "t"}}
	s.send(insert)
	token := open(bson.D{}).Lookup("cursor", "postBatchResumeToken")
	if token.Type != bson.TypeEmbeddedDocument {
		t.Fatal("no token")
	}
	s.send(insert)
	day = day.Add(8 * 24 * time.Hour)
	s.send(insert)
	if err := st.TrimOplog(); err != nil {
		t.Fatal(err)
	}
	r := open(bson.D{{Key: "resumeAfter", Value: token}})
	if code, _ := r.Lookup("code").AsInt64OK(); code != 286 || r.Lookup("errorLabels", "0").StringValue() != "NonResumableChangeStreamError" {
		t.Fatalf("%v", r)
	}
}
