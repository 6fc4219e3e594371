package function

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/fault"
)

// TestErrorLabels checks that a function sees MongoDB's error labels, and that
// withTransaction goes by them alone.
func TestErrorLabels(t *testing.T) {
	conflict := mongo.CommandError{Code: 112, Name: "WriteConflict", Message: "write conflict", Labels: []string{"TransientTransactionError"}}
	var begun, refused atomic.Int64
	var options atomic.Value
	backend := &fakeBackend{data: func(_ context.Context, _ caller.Caller, _, action string, arg bson.Raw) (bson.RawValue, error) {
		switch action {
		case "startTransaction":
			begun.Add(1)
			options.Store(arg.Lookup("options").String())
			return value(bson.D{{Key: "transaction", Value: "t"}}), nil
		case "insertOne":
			if refused.Add(1) < 3 {
				return bson.RawValue{}, fault.New(fault.MongoDBError, "write conflict").WithCause(conflict)
			}
		case "deleteOne":
			return bson.RawValue{}, fault.New(fault.MongoDBError, "write conflict").WithCause(mongo.CommandError{Code: 112, Message: "write conflict"})
		case "updateOne":
			return bson.RawValue{}, fault.New(fault.MongoDBError, "duplicate").WithCause(mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000}}, Labels: []string{"RetryableWriteError"}})
		}
		return value(nil), nil
	}}
	r := mustStart(t, Config{})
	d := mustDeploy(t, r, backend, map[string]string{
		"seen": `exports = async () => {
			const c = context.services.get('mongodb-atlas').db('d').collection('c'), out = [];
			for (const f of [() => c.insertOne({}), () => c.updateOne({}, {}), () => c.deleteOne({})]) {
				try { await f(); } catch (e) { out.push([e.code, e.errorLabels, e.hasErrorLabel('TransientTransactionError'), Object.keys(e)]); }
			}
			return EJSON.stringify(out);
		}`,
		"again": `exports = async () => {
			const client = context.services.get('mongodb-atlas'), session = client.startSession(); let runs = 0;
			await session.withTransaction(async () => { runs++; await client.db('d').collection('c').insertOne({}, { session }); }, { readConcern: { level: 'local' } });
			return runs;
		}`,
		"once": `exports = async () => {
			const client = context.services.get('mongodb-atlas'), session = client.startSession(); let runs = 0;
			try { await session.withTransaction(async () => { runs++; await client.db('d').collection('c').deleteOne({}, { session }); }); } catch (e) { return [runs, e.message]; }
		}`,
	})
	got, err := call(t, d, "seen")
	for _, want := range []string{`["TransientTransactionError"],true`, `["RetryableWriteError"],false`, `[],false`} {
		if err != nil || !strings.Contains(strings.ReplaceAll(got, `\"`, `"`), want) {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
	refused.Store(0)
	if got, err := call(t, d, "again"); err != nil || got != `{"$numberInt":"3"}` || begun.Load() != 3 {
		t.Errorf("%s %v after %d transactions", got, err, begun.Load())
	}
	if got, _ := options.Load().(string); !strings.Contains(got, "local") {
		t.Errorf("the options of the transaction: %s", got)
	}
	if got, err := call(t, d, "once"); err != nil || got != `[{"$numberInt":"1"},"write conflict"]` {
		t.Errorf("%s %v", got, err)
	}
}
