package main

import (
	"context"
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

// findRaw answers a find of rangeSize documents and looks at the answer's size.
func (e *engine) findRaw(filter bson.D, least int) error {
	c := e.clients.Get().(*engineClient)
	defer e.clients.Put(c)
	body, err := bson.Marshal(bson.D{{Key: "find", Value: collName}, {Key: "filter", Value: filter}, {Key: "limit", Value: rangeSize}, {Key: "$db", Value: dbName}})
	if err != nil {
		return err
	}
	c.request = wire.Request{Body: body}
	c.reply, _ = c.Serve(context.Background(), &c.request, c.reply[:0])
	if len(c.reply) < least {
		return fmt.Errorf("an answer of %d bytes: %v", len(c.reply), bson.Raw(c.reply))
	}
	return nil
}
