package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// twoConditions is a filter on two fields without an index: every second document satisfies the first condition, hardly any both.
var twoConditions = bson.D{{Key: "on", Value: true}, {Key: "v", Value: bson.D{{Key: "$lt", Value: 1.00000002}}}}

// scanLines measures a collection scan with a filter, and $match with $group, beside raw Pebble walking the same keys.
func scanLines(ctx context.Context, c *config) ([]line, error) {
	t := newTemplate(1024)
	dir, err := c.loaded(ctx, "items", t, c.docs, indexed)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(dir)
	if err != nil {
		return nil, err
	}
	var scan, group elapsed
	err = c.profiled(func() (err error) {
		if scan, err = best(c.duration, func() error { return scanFind(ctx, db.coll) }); err != nil {
			return err
		}
		group, err = best(c.duration, func() error { return scanGroup(ctx, db.coll) })
		return err
	})
	if e := db.close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	raw, closeRaw, err := openRaw(dir)
	if err != nil {
		return nil, err
	}
	defer closeRaw()
	other, err := best(c.duration, func() error { _, _, err := rawScan(raw); return err })
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d documents of 1 KB", c.docs)
	return []line{
		timed("collection scan, filter of two conditions, "+what, scan, "raw Pebble scan:", other, 0.7),
		timed("$match + $group (sum, count, avg), "+what, group, "raw Pebble scan:", other, 0.5),
	}, nil
}

// scanFind walks the collection with a filter that nearly nothing satisfies.
func scanFind(ctx context.Context, coll *mongo.Collection) error {
	cur, err := coll.Find(ctx, twoConditions)
	if err != nil {
		return err
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
	}
	return cur.Err()
}

// scanGroup groups nearly all documents by g, with three accumulators.
func scanGroup(ctx context.Context, coll *mongo.Collection) error {
	cur, err := coll.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "v", Value: bson.D{{Key: "$gte", Value: 1.0}}}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$g"}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$k"}}},
			{Key: "count", Value: bson.D{{Key: "$sum", Value: 1}}}, {Key: "avg", Value: bson.D{{Key: "$avg", Value: "$v"}}}}}},
	})
	if err != nil {
		return err
	}
	defer cur.Close(ctx)
	groups := 0
	for cur.Next(ctx) {
		groups++
	}
	if err := cur.Err(); err != nil {
		return err
	}
	if groups != 100 {
		return fmt.Errorf("%d groups", groups)
	}
	return nil
}
