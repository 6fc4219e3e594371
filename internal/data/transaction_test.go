package data_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/data"
	"regent/internal/fault"
)

const ownerRules = `{"roles": [{"name": "owner", "apply_when": {"owner_id": "%%user.id"}, "read": true, "write": true}]}`

func TestFunctionsHoldTransactions(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", ownerRules)
		w.have("c", `{"_id": 1, "owner_id": "u1", "n": 0}`)
		s := w.start()
		ctx, scope := data.WithScope(t.Context())
		do := func(action, arg string) (bson.RawValue, error) {
			return s.Do(ctx, w.caller("u1"), "mongodb-atlas", action, w.argument("c", arg))
		}
		begin := func() string {
			t.Helper()
			v, err := do("startTransaction", "{}")
			if err != nil {
				t.Fatal(err)
			}
			return v.Document().Lookup("transaction").StringValue()
		}
		must := func(action, arg string) {
			t.Helper()
			if _, err := do(action, arg); err != nil {
				t.Fatal(err)
			}
		}
		in := func(id, arg string) string { return fmt.Sprintf(`{"transaction": %q, %s}`, id, arg) }

		id := begin()
		must("insertOne", in(id, `"document": {"_id": 2, "owner_id": "u1"}`))
		must("updateMany", in(id, `"query": {}, "update": {"$set": {"n": 5}}`))
		if got := w.stored("c"); strings.Contains(got, `"5"`) || strings.Contains(got, `"_id":{"$numberInt":"2"}`) {
			t.Error("others see what is not committed:", got)
		}
		v, err := do("count", in(id, `"query": {"n": 5}`))
		if err != nil || v.Int64() != 2 {
			t.Error("the transaction does not see its own writes", v, err)
		}
		must("commitTransaction", in(id, `"query": {}`))
		if got := w.stored("c"); strings.Count(got, `"n"`) != 2 {
			t.Error(got)
		}

		id = begin()
		must("deleteMany", in(id, `"query": {}`))
		must("abortTransaction", in(id, `"query": {}`))
		if got := w.stored("c"); got == "[]" {
			t.Error("an aborted transaction was committed")
		}
		if _, err := do("find", in(id, `"query": {}`)); err == nil {
			t.Error("a transaction lives on after its end")
		}

		// A refusal takes the whole transaction back.
		id = begin()
		must("deleteOne", in(id, `"query": {"_id": 1}`))
		if _, err := do("insertOne", in(id, `"document": {"owner_id": "u2"}`)); err == nil {
			t.Error("not refused")
		}
		if _, err := do("commitTransaction", in(id, `"query": {}`)); err == nil {
			t.Error("a transaction with a refused write was committed")
		}
		if got := w.stored("c"); strings.Count(got, `"n"`) != 2 {
			t.Error(got)
		}

		// What is left open ends with the call, and belongs to it alone.
		id = begin()
		must("deleteMany", in(id, `"query": {}`))
		other, otherScope := data.WithScope(t.Context())
		if _, err := s.Do(other, w.caller("u1"), "mongodb-atlas", "find", w.argument("c", in(id, `"query": {}`))); err == nil {
			t.Error("another call uses the transaction")
		}
		otherScope.End()
		scope.End()
		if got := w.stored("c"); strings.Count(got, `"n"`) != 2 {
			t.Error("an abandoned transaction was committed:", got)
		}
		if _, err := do("startTransaction", "{}"); err == nil {
			t.Error("a transaction begins after the end of the call")
		}
		// Nothing is locked any more.
		w.do("u1", "updateMany", "c", `{"query": {}, "update": {"$set": {"n": 6}}}`)
		if got := w.stored("c"); strings.Count(got, `"6"`) != 2 {
			t.Error(got)
		}
	})
}

// TestConcurrentChangesAreNotLost increments under a rule that needs check and
// act in one transaction, from many sides at once.
func TestConcurrentChangesAreNotLost(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.config = func(c *data.Config) { c.Limits.Attempts = 200 }
		w.rules("c", `{"roles": [{"name": "r", "apply_when": {}, "read": true, "write": {"%%root.n": {"$lte": 40}}}]}`)
		w.have("c", `{"_id": 1, "n": 0}`)
		w.start()
		c := w.caller("u1")
		var wg sync.WaitGroup
		var mu sync.Mutex
		done, refused := 0, 0
		for range 4 {
			wg.Go(func() {
				for range 15 {
					_, err := w.service.Do(context.Background(), c, "mongodb-atlas", "updateOne", w.argument("c", `{"query": {"_id": 1}, "update": {"$inc": {"n": 1}}}`))
					var f *fault.Error
					mu.Lock()
					switch {
					case err == nil:
						done++
					case errors.As(err, &f) && f.Message == "update not permitted":
						refused++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if got := w.stored("c"); done != 40 || refused != 20 || !strings.Contains(got, `"40"`) {
			t.Errorf("%d done, %d refused, %s", done, refused, got)
		}
	})
}

// TestUpsertsRace inserts one document, whoever comes first.
func TestUpsertsRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, client *mongo.Client) {
		w := newWorld(t, client)
		w.rules("c", ownerRules)
		w.start()
		c := w.caller("u1")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := w.service.Do(context.Background(), c, "mongodb-atlas", "updateOne", w.argument("c", `{"query": {"_id": 1, "owner_id": "u1"}, "update": {"$inc": {"n": 1}}, "upsert": true}`))
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := w.stored("c"); !strings.Contains(got, `"8"`) {
			t.Error(got)
		}
	})
}
