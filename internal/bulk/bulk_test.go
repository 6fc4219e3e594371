package bulk_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"regent/docdb"
	"regent/internal/bulk"
)

// fixture is a collection with a unique index on "u", and the commands that reach it.
type fixture struct {
	*bulk.Inserter
	coll     *mongo.Collection
	commands []bson.Raw // inserts, as they were sent
}

func setUp(t *testing.T, concern *writeconcern.WriteConcern) *fixture {
	t.Helper()
	db, err := docdb.Open(t.TempDir(), docdb.Options{TestCommands: true})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	f := &fixture{}
	client, err := mongo.Connect(db.ClientOptions().SetHeartbeatInterval(500 * time.Millisecond).SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "insert" {
			f.commands = append(f.commands, slices.Clone(e.Command))
		}
	}}))
	must(t, err)
	t.Cleanup(func() { client.Disconnect(context.Background()) })
	f.coll = client.Database("d").Collection("c")
	_, err = f.coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "u", Value: 1}}, Options: options.Index().SetUnique(true)})
	must(t, err)
	f.Inserter, err = bulk.New(f.coll, concern)
	must(t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func doc(t *testing.T, id, u int, filler int) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "u", Value: u}, {Key: "x", Value: bytes.Repeat([]byte{1}, filler)}})
	must(t, err)
	return raw
}

func (f *fixture) count(t *testing.T) int64 {
	t.Helper()
	n, err := f.coll.CountDocuments(t.Context(), bson.D{})
	must(t, err)
	return n
}

// What is refused is told by its position, and nothing else is held up by it.
func TestRefused(t *testing.T) {
	f := setUp(t, nil)
	refused, err := f.Insert(t.Context(), []bson.Raw{doc(t, 1, 1, 0), doc(t, 2, 1, 0), doc(t, 3, 3, 0), doc(t, 3, 4, 0)})
	must(t, err)
	if len(refused) != 2 || refused[0].Index != 1 || refused[1].Index != 3 || refused[0].Code != 11000 {
		t.Errorf("refused %v", refused)
	}
	if n := f.count(t); n != 2 {
		t.Errorf("%d documents", n)
	}
}

// More than one command may carry goes into several, and positions count through.
func TestSplit(t *testing.T) {
	f := setUp(t, nil)
	refused, err := f.Insert(t.Context(), []bson.Raw{doc(t, 1, 1, 3<<20), doc(t, 2, 2, 3<<20), doc(t, 3, 3, 3<<20), doc(t, 4, 1, 9)})
	must(t, err)
	if len(refused) != 1 || refused[0].Index != 3 {
		t.Errorf("refused %v", refused)
	}
	if n := f.count(t); n != 3 {
		t.Errorf("%d documents", n)
	}
	if len(f.commands) != 3 {
		t.Errorf("%d commands", len(f.commands))
	}
}

// A command that fails because the primary has changed is tried again; what it
// inserted all the same is not refused then.
func TestAgain(t *testing.T) {
	for name, fail := range map[string]bson.D{
		"BeforeTheWrite": {{Key: "errorCode", Value: 10107}},
		"AfterTheWrite":  {{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 91}, {Key: "errmsg", Value: "shutdown in progress"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, nil)
			data := append(bson.D{{Key: "failCommands", Value: bson.A{"insert"}}}, fail...)
			must(t, f.coll.Database().Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "configureFailPoint", Value: "failCommand"},
				{Key: "mode", Value: bson.D{{Key: "times", Value: 1}}}, {Key: "data", Value: data}}).Err())
			refused, err := f.Insert(t.Context(), []bson.Raw{doc(t, 1, 1, 0), doc(t, 2, 2, 0), doc(t, 3, 1, 0)})
			must(t, err)
			if len(refused) != 1 || refused[0].Index != 2 {
				t.Errorf("refused %v", refused)
			}
			if n := f.count(t); n != 2 {
				t.Errorf("%d documents", n)
			}
		})
	}
}

func TestWriteConcern(t *testing.T) {
	yes := true
	f := setUp(t, &writeconcern.WriteConcern{W: "majority", Journal: &yes})
	if _, err := f.Insert(t.Context(), []bson.Raw{doc(t, 1, 1, 0)}); err != nil {
		t.Fatal(err)
	}
	wc := f.commands[0].Lookup("writeConcern").Document()
	if wc.Lookup("w").StringValue() != "majority" || !wc.Lookup("j").Boolean() {
		t.Errorf("sent %v", wc)
	}
}
