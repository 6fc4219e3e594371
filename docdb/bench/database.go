package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
)

// dbName and collName are where all documents are.
const (
	dbName   = "bench"
	collName = "items"
)

// indexed are the fields with an index of their own.
var indexed = []string{"n", "k", "g"}

// database is an open docdb with an in-memory client.
type database struct {
	*docdb.DB
	client *mongo.Client
	coll   *mongo.Collection
}

func openDatabase(dir string) (*database, error) {
	db, err := docdb.Open(dir, docdb.Options{})
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		db.Close()
		return nil, err
	}
	return &database{db, client, client.Database(dbName).Collection(collName)}, nil
}

func (d *database) close() error {
	d.client.Disconnect(context.Background())
	return d.DB.Close()
}

// makeIndexes makes an index on each of the fields.
func makeIndexes(ctx context.Context, coll *mongo.Collection, fields []string) error {
	for _, f := range fields {
		if _, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: f, Value: 1}}}); err != nil {
			return err
		}
	}
	return nil
}

// fill inserts the documents from..to of a template with large insertMany.
func fill(ctx context.Context, coll *mongo.Collection, t *template, from, to int) error {
	batch := make([]any, 0, 10_000)
	size := len(t.doc)
	for from < to {
		n := min(to-from, cap(batch), 16<<20/size)
		buf := make([]byte, n*size)
		batch = batch[:0]
		for j := range n {
			batch = append(batch, t.make(buf[j*size:j*size:(j+1)*size], from+j))
		}
		if _, err := coll.InsertMany(ctx, batch, options.InsertMany().SetOrdered(true)); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// loaded makes a folder with n documents and closes it, so that docdb and raw Pebble find it in the same state.
func (c *config) loaded(ctx context.Context, name string, t *template, n int, fields []string) (string, error) {
	dir := filepath.Join(c.dir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	db, err := openDatabase(dir)
	if err != nil {
		return "", err
	}
	if err = makeIndexes(ctx, db.coll, fields); err == nil {
		err = fill(ctx, db.coll, t, 0, n)
	}
	if err == nil {
		err = db.Compact(ctx)
	}
	if e := db.close(); err == nil {
		err = e
	}
	if err != nil {
		return "", fmt.Errorf("filling a folder: %w", err)
	}
	return dir, nil
}
