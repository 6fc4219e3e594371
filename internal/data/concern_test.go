package data_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/internal/data"
)

// TestConcernsReachTheDeployment looks at the commands that the driver sends.
func TestConcernsReachTheDeployment(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var mu sync.Mutex
	sent := map[string]bson.Raw{}
	monitor := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		mu.Lock()
		defer mu.Unlock()
		sent[e.CommandName] = append(bson.Raw(nil), e.Command...)
	}}
	client, err := mongo.Connect(db.ClientOptions().SetMonitor(monitor))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	w := newWorld(t, client)
	s := w.start()
	ctx, scope := data.WithScope(t.Context())
	defer scope.End()
	do := func(action, arg string) bson.RawValue {
		t.Helper()
		v, err := s.Do(ctx, w.caller("sys"), "mongodb-atlas", action, w.argument("c", arg))
		if err != nil {
			t.Fatalf("%s %s: %v", action, arg, err)
		}
		return v
	}
	want := func(command, key, text string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		v, err := sent[command].LookupErr(strings.Split(key, ".")...)
		if got := v.String(); err != nil || got != text {
			t.Errorf("%s was sent with %s %s (%v), want %s", command, key, got, err, text)
		}
	}
	do("insertOne", `{"document": {"_id": 1}, "writeConcern": {"w": "majority", "j": true, "wtimeout": 5000}}`)
	want("insert", "writeConcern.w", `"majority"`)
	want("insert", "writeConcern.j", `true`)
	do("updateOne", `{"query": {}, "update": {"$set": {"n": 1}}, "writeConcern": 1}`)
	want("update", "writeConcern.w", `{"$numberInt":"1"}`)
	do("find", `{"readConcern": {"level": "majority"}}`)
	want("find", "readConcern.level", `"majority"`)
	do("aggregate", `{"pipeline": [{"$match": {}}], "readConcern": "local"}`)
	want("aggregate", "readConcern.level", `"local"`)
	do("dbAggregate", `{"pipeline": [{"$documents": [{"a": 1}]}], "readConcern": "majority"}`)
	want("aggregate", "readConcern.level", `"majority"`)
	do("find", `{"readPreference": {"mode": "primaryPreferred"}}`)
	want("find", "$readPreference.mode", `"primaryPreferred"`)

	v := do("startTransaction", `{"options": {"readConcern": {"level": "snapshot"}, "writeConcern": {"w": "majority"}, "readPreference": "primary", "maxCommitTimeMS": 5000}}`)
	id := v.Document().Lookup("transaction").StringValue()
	do("findOne", fmt.Sprintf(`{"transaction": %q}`, id))
	want("find", "readConcern.level", `"snapshot"`)
	do("commitTransaction", fmt.Sprintf(`{"transaction": %q, "query": {}}`, id))
	want("commitTransaction", "writeConcern.w", `"majority"`)
}

// TestTransactionOptionsAreRefusedByName checks what startTransaction does not take.
func TestTransactionOptionsAreRefusedByName(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", ownerRules)
		s := w.start()
		ctx, scope := data.WithScope(t.Context())
		defer scope.End()
		for arg, want := range map[string]string{
			`{"options": {"readConcern": {"level": "all"}}}`:                          `the option "readConcern" of a transaction must be a level`,
			`{"options": {"writeConcern": {"w": 0}}}`:                                 `a w that is not 0`,
			`{"options": {"readPreference": "secondary"}}`:                            `the readPreference of a transaction must be primary`,
			`{"options": {"readPreference": {"mode": "nearest", "tags": [{}]}}}`:      `tags are not available`,
			`{"options": {"causalConsistency": true}}`:                                `unknown option "causalConsistency"`,
			`{"options": {"maxCommitTimeMS": "soon"}}`:                                `must be milliseconds`,
			`{"options": {"writeConcern": {"w": "majority", "fsync": true}}}`:         `"writeConcern" of a transaction must be`,
			`{"options": {"readConcern": {"level": "local", "afterClusterTime": 1}}}`: `"readConcern" of a transaction must be`,
		} {
			_, err := s.Do(ctx, w.caller("u1"), "mongodb-atlas", "startTransaction", w.argument("c", arg))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", arg, err, want)
			}
		}
		begin := func(as string) string {
			v, err := s.Do(ctx, w.caller(as), "mongodb-atlas", "startTransaction", w.argument("c", `{}`))
			if err != nil {
				t.Fatal(err)
			}
			return v.Document().Lookup("transaction").StringValue()
		}
		_, err := s.Do(ctx, w.caller("sys"), "mongodb-atlas", "find", w.argument("c", fmt.Sprintf(`{"transaction": %q, "readConcern": "local"}`, begin("sys"))))
		if err == nil || !strings.Contains(err.Error(), "options of the transaction") {
			t.Error(err)
		}
		// What a failure has ended may be aborted all the same.
		id := begin("u1")
		if _, err := s.Do(ctx, w.caller("u1"), "mongodb-atlas", "insertOne", w.argument("c", fmt.Sprintf(`{"transaction": %q, "document": {"owner_id": "u2"}}`, id))); err == nil {
			t.Error("not refused")
		}
		if _, err := s.Do(ctx, w.caller("u1"), "mongodb-atlas", "abortTransaction", w.argument("c", fmt.Sprintf(`{"transaction": %q}`, id))); err != nil {
			t.Error(err)
		}
	})
}
