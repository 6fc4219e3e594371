package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

var readers = []int{1, 16}

// findLines measures findOne by _id and by an indexed field, raw results, in memory and over TCP, beside a stub that answers the same bytes.
func findLines(ctx context.Context, c *config) ([]line, error) {
	t := newTemplate(1024)
	dir, err := c.loaded(ctx, "items", t, c.docs, indexed)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(dir)
	if err != nil {
		return nil, err
	}
	bare, err := connectStub()
	if err != nil {
		db.close()
		return nil, err
	}
	plain := func(f func() (result, error)) (result, error) { return f() }
	lines, err := findOn(ctx, c, t, "in memory", db.client, bare, func(f func() (result, error)) (r result, err error) {
		err = c.profiled(func() (err error) { r, err = f(); return err })
		return r, err
	}, plain)
	disconnect(bare)
	if e := db.close(); err == nil {
		err = e
	}
	if err != nil {
		return lines, err
	}
	mine, err := startChild("docdb", dir)
	if err != nil {
		return lines, err
	}
	defer mine.stop()
	other, err := startChild("stub")
	if err != nil {
		return lines, err
	}
	defer other.stop()
	a, err := mine.connect()
	if err != nil {
		return lines, err
	}
	b, err := other.connect()
	if err != nil {
		return lines, err
	}
	defer disconnect(a, b)
	more, err := findOn(ctx, c, t, "TCP", a, b, func(f func() (result, error)) (r result, err error) {
		err = mine.profiled(c, func() (err error) { r, err = mine.measured(f); return err })
		return r, err
	}, other.measured)
	return append(lines, more...), err
}

func findOn(ctx context.Context, c *config, t *template, kind string, mine, bare *mongo.Client, measured, bareMeasured func(func() (result, error)) (result, error)) ([]line, error) {
	var lines []line
	for _, q := range []struct {
		name   string
		filter func(i int) bson.D
		aim    float64
	}{
		{"_id", func(i int) bson.D { return bson.D{{Key: "_id", Value: t.id(i)}} }, 0.5},
		{"an indexed field", func(i int) bson.D { return bson.D{{Key: "k", Value: scatter(i)}} }, 0.45},
	} {
		if err := teach(ctx, bare, mine, bson.D{{Key: "find", Value: collName}, {Key: "filter", Value: q.filter(7)}, {Key: "limit", Value: 1}, {Key: "singleBatch", Value: true}}); err != nil {
			return lines, err
		}
		op := func(client *mongo.Client) func(w, i int) error {
			coll := client.Database(dbName).Collection(collName)
			return func(w, i int) error {
				n := (w*7919 + i*31) % c.docs
				d, err := coll.FindOne(ctx, q.filter(n)).Raw()
				if err == nil && len(d) != len(t.doc) {
					err = fmt.Errorf("a document of %d bytes", len(d))
				}
				return err
			}
		}
		// Once through, so that the cache has what it can hold.
		for i := range c.docs {
			if err := op(mine)(0, i); err != nil {
				return lines, err
			}
		}
		for _, n := range readers {
			other, err := bareMeasured(func() (result, error) { return load(n, c.duration, op(bare)) })
			if err != nil {
				return lines, err
			}
			m, err := measured(func() (result, error) { return load(n, c.duration, op(mine)) })
			if err != nil {
				return lines, err
			}
			lines = append(lines, compared(fmt.Sprintf("findOne by %s, %s, %d %s", q.name, kind, n, plural(n, "reader")), m, "stub:", other, q.aim))
		}
	}
	return lines, nil
}

func plural(n int, s string) string {
	if n == 1 {
		return s
	}
	return s + "s"
}
