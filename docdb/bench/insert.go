package main

import (
	"context"
	"path/filepath"
)

const writers = 16

// insertLines measures insertOne, durable, with three indexes and 16 writers, beside raw Pebble committing the same batches.
func insertLines(ctx context.Context, c *config) ([]line, error) {
	t := newTemplate(1024)
	bufs := make([][]byte, writers)
	docOf := func(w, i int) []byte {
		bufs[w] = t.make(bufs[w], w<<24|i)
		return bufs[w]
	}
	db, err := openDatabase(filepath.Join(c.dir, "insert"))
	if err != nil {
		return nil, err
	}
	defer db.close()
	if err := makeIndexes(ctx, db.coll, indexed); err != nil {
		return nil, err
	}
	var mine result
	err = c.profiled(func() (err error) {
		mine, err = load(writers, c.duration, func(w, i int) error {
			_, err := db.coll.InsertOne(ctx, t.make(nil, w<<24|i))
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, closeRaw, err := openRaw(filepath.Join(c.dir, "insert-raw"))
	if err != nil {
		return nil, err
	}
	defer closeRaw()
	other, err := load(writers, c.duration, func(w, i int) error { return rawInsert(raw, docOf(w, i), w, i) })
	if err != nil {
		return nil, err
	}
	return []line{compared("insertOne, durable, 3 indexes, 16 writers", mine, "raw Pebble, the same batches:", other, 0.5)}, nil
}
