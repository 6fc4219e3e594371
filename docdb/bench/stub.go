package main

import (
	"context"
	"net"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// stub is a server that says hello and answers everything else with the same bytes: a reply that docdb has made before. It is what
// the driver and the connection cost.
type stub struct{ reply atomic.Pointer[bson.Raw] }

var stubHello = func() bson.Raw {
	b, err := bson.Marshal(bson.D{{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "setName", Value: "docdb"},
		{Key: "setVersion", Value: int32(1)}, {Key: "hosts", Value: bson.A{"docdb:27017"}}, {Key: "me", Value: "docdb:27017"}, {Key: "primary", Value: "docdb:27017"},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)}, {Key: "maxWriteBatchSize", Value: int32(100_000)},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)}, {Key: "ok", Value: 1.0}})
	if err != nil {
		panic(err)
	}
	return b
}()

// setReply is the command that gives the stub its answer.
const setReply = "setReply"

type stubClient struct{ s *stub }

// Serve implements wire.Client.
func (c stubClient) Serve(_ context.Context, r *wire.Request, dst []byte) ([]byte, bool) {
	it := value.Over(r.Body)
	it.Next()
	switch it.Key() {
	case "hello", "isMaster", "ismaster":
		return append(dst, stubHello...), false
	case "endSessions", "ping":
		return append(dst, stubHello...), false
	case setReply:
		d := append(bson.Raw(nil), it.Value().Value...)
		c.s.reply.Store(&d)
		return append(dst, stubHello...), false
	}
	return append(dst, *c.s.reply.Load()...), false
}

// Close implements wire.Client.
func (stubClient) Close() {}

// DialContext implements options.ContextDialer: a connection in memory, of the kind that docdb has.
func (s *stub) DialContext(context.Context, string, string) (net.Conn, error) {
	return wire.NewPipes(512<<20).New(stubClient{s}, nil), nil
}

// connectStub makes a stub with an in-memory client.
func connectStub() (*mongo.Client, error) {
	return mongo.Connect(options.Client().ApplyURI("mongodb://docdb:27017/?directConnection=true").SetDialer(&stub{}))
}

// teach gives a stub the reply that another server has to a command now.
func teach(ctx context.Context, stub, from *mongo.Client, cmd bson.D) error {
	reply, err := from.Database(dbName).RunCommand(ctx, cmd).Raw()
	if err != nil {
		return err
	}
	return stub.Database("admin").RunCommand(ctx, bson.D{{Key: setReply, Value: reply}}).Err()
}
