package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/command"
	"regent/docdb/internal/store"
	"regent/docdb/internal/wire"
)

// engine is docdb without connections and drivers: the bytes of a command go in, those of the answer come out.
type engine struct {
	st *store.Store
	*command.Engine
	clients sync.Pool
}

// engineClient is what stands for a connection, with the memory of its answers.
type engineClient struct {
	wire.Client
	request wire.Request
	reply   []byte

	of       *finder // whose command body is, with the bounds in it
	body     bson.Raw
	from, to []byte
}

func openEngine(dir string) (*engine, error) {
	st, err := store.Open(dir, command.Language{}, store.Options{})
	if err != nil {
		return nil, err
	}
	e := &engine{st: st, Engine: command.New(st, command.Options{})}
	e.clients.New = func() any { return &engineClient{Client: e.NewClient(nil, true, "")} }
	return e, nil
}

func (e *engine) close() error {
	e.Engine.Close()
	return e.st.Close()
}

// finder makes commands that find rangeSize documents by an interval of a field: the command of each client is made once, and only its
// bounds change.
type finder struct {
	field    string
	interval func(i int) (from, to int32)
}

// filter is the filter of command number i.
func (f *finder) filter(i int) bson.D {
	from, to := f.interval(i)
	return bson.D{{Key: f.field, Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}}
}

// findRaw answers a finder's command number i and looks at the answer's size.
func (e *engine) findRaw(f *finder, i, least int) error {
	c := e.clients.Get().(*engineClient)
	defer e.clients.Put(c)
	if c.of != f {
		body, err := bson.Marshal(bson.D{{Key: "find", Value: collName},
			{Key: "filter", Value: bson.D{{Key: f.field, Value: bson.D{{Key: "$gte", Value: int32(0)}, {Key: "$lt", Value: int32(0)}}}}},
			{Key: "limit", Value: rangeSize}, {Key: "$db", Value: dbName}})
		if err != nil {
			return err
		}
		c.of, c.body = f, body
		c.from, c.to = c.body.Lookup("filter", f.field, "$gte").Value, c.body.Lookup("filter", f.field, "$lt").Value
	}
	from, to := f.interval(i)
	binary.LittleEndian.PutUint32(c.from, uint32(from))
	binary.LittleEndian.PutUint32(c.to, uint32(to))
	c.request = wire.Request{Body: c.body}
	c.reply, _ = c.Serve(context.Background(), &c.request, c.reply[:0])
	if len(c.reply) < least {
		return fmt.Errorf("an answer of %d bytes: %v", len(c.reply), bson.Raw(c.reply))
	}
	return nil
}
