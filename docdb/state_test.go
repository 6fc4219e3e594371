package docdb_test

import (
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// TestAwaitableHello asks as a driver's monitor does: a hello that knows the server's state is answered when its time is up, one that does
// not, at once; and no later than the server ends.
func TestAwaitableHello(t *testing.T) {
	db, _ := open(t)
	conn := rawDial(t, db)
	r := conn.run(t, "admin", bson.D{{Key: "hello", Value: 1}})
	known := r.Lookup("topologyVersion")
	hello := func(version any, wait int) (bson.Raw, time.Duration) {
		start := time.Now()
		r := conn.run(t, "admin", bson.D{{Key: "hello", Value: 1}, {Key: "topologyVersion", Value: version}, {Key: "maxAwaitTimeMS", Value: wait}})
		return r, time.Since(start)
	}
	if r, took := hello(known, 50); took < 50*time.Millisecond || !r.Lookup("topologyVersion").Equal(known) {
		t.Errorf("answered after %v: %v", took, r)
	}
	other := bson.D{{Key: "processId", Value: bson.NewObjectID()}, {Key: "counter", Value: int64(6)}}
	if r, took := hello(other, 60_000); took > 30*time.Second || !r.Lookup("topologyVersion").Equal(known) {
		t.Errorf("answered after %v: %v", took, r)
	}
	// While one waits, others are answered; when the server ends, so does the wait.
	waits := rawDial(t, db)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		waits.exchange("admin", bson.D{{Key: "hello", Value: 1}, {Key: "topologyVersion", Value: known}, {Key: "maxAwaitTimeMS", Value: 600_000}})
	}()
	conn.run(t, "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// TestDriverKeepsTheServer fails commands with what a server says that steps down or ends: the driver sees by the topologyVersion that the
// server is as it was, tries again at once, and does not wait for its next heartbeat.
func TestDriverKeepsTheServer(t *testing.T) {
	db, err := docdb.Open(t.TempDir(), docdb.Options{TestCommands: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var lost atomic.Int32
	o := db.ClientOptions().SetServerMonitor(&event.ServerMonitor{ServerDescriptionChanged: func(e *event.ServerDescriptionChangedEvent) {
		if e.PreviousDescription.Kind != "Unknown" && e.NewDescription.Kind == "Unknown" {
			lost.Add(1)
		}
	}})
	client, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	coll := client.Database("app").Collection("c")
	for _, code := range []int{91, 189, 10107, 11600, 11602, 13435, 13436} {
		for _, command := range []string{"find", "insert"} {
			fail := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: 1}}},
				{Key: "data", Value: bson.D{{Key: "failCommands", Value: bson.A{command}}, {Key: "errorCode", Value: code}}}}
			if err := client.Database("admin").RunCommand(t.Context(), fail).Err(); err != nil {
				t.Fatal(err)
			}
			if command == "insert" {
				_, err = coll.InsertOne(t.Context(), bson.D{{Key: "code", Value: code}})
			} else {
				_, err = coll.Find(t.Context(), bson.D{}, options.Find())
			}
			if err != nil {
				t.Errorf("%s failing with %d: %v", command, code, err)
			}
		}
	}
	if n := lost.Load(); n != 0 {
		t.Errorf("the driver took the server for lost %d times", n)
	}
}
