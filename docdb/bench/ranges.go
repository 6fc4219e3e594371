package main

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

const rangeSize = 100

// rangeAt is where range i of a worker begins.
func (c *config) rangeAt(worker, i int) int { return (worker*7919 + i*131) % (c.docs - rangeSize) }

// rangeLines measures finds of 100 documents through an index, beside a stub that answers the same bytes and raw Pebble reading them.
// Documents that lie together (an index on a time) and such as are scattered are different work for both.
func rangeLines(ctx context.Context, c *config) ([]line, error) {
	t := newTemplate(1024)
	dir, err := c.loaded(ctx, "items", t, c.docs, indexed)
	if err != nil {
		return nil, err
	}
	var lines []line
	type measured struct{ mine, bare map[int]result }
	together := measured{map[int]result{}, map[int]result{}}
	scattered := measured{map[int]result{}, map[int]result{}}
	db, err := openDatabase(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if db != nil {
			db.close()
		}
	}()
	bare, err := connectStub()
	if err != nil {
		return nil, err
	}
	defer disconnect(bare)
	byN := &finder{"n", func(i int) (from, to int32) { return int32(i), int32(i + rangeSize) }}
	// k is scattered evenly over 32 bits: an interval of this width has a few more than a hundred.
	width := int64(1) << 32 * rangeSize / int64(c.docs) * 11 / 10
	from := func(lo int64) (from, to int32) {
		lo = min(lo, 1<<31-1-width)
		return int32(lo), int32(lo + width)
	}
	byK := &finder{"k", func(i int) (int32, int32) { return from(int64(scatter(i))) }}
	inOrder := &finder{"k", func(i int) (int32, int32) { return from(-1<<31 + int64(i)*width) }}
	if err := teach(ctx, bare, db.client, bson.D{{Key: "find", Value: collName}, {Key: "filter", Value: byN.filter(7)}}); err != nil {
		return nil, err
	}
	find := func(client *mongo.Client, f *finder, at func(w, i int) int) func(w, i int) error {
		coll := client.Database(dbName).Collection(collName)
		return func(w, i int) error {
			cur, err := coll.Find(ctx, f.filter(at(w, i)), options.Find().SetLimit(rangeSize))
			if err != nil {
				return err
			}
			n := 0
			for cur.Next(ctx) {
				n += len(cur.Current) / len(t.doc)
			}
			if err := cur.Err(); err != nil {
				return err
			}
			if n < rangeSize {
				return fmt.Errorf("%d documents", n)
			}
			return cur.Close(ctx)
		}
	}
	// Once through each, so that the caches have what they can hold.
	whole := func(f *finder, step int) *finder {
		return &finder{f.field, func(i int) (int32, int32) { return f.interval(i * step) }}
	}
	through := []*finder{whole(byN, rangeSize), inOrder}
	for _, f := range through {
		one := find(db.client, f, func(_, i int) int { return i })
		for i := range c.docs / rangeSize {
			if err := one(0, i); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range readers {
		if together.bare[n], err = load(n, c.duration, find(bare, byN, c.rangeAt)); err != nil {
			return nil, err
		}
		err = c.profiled(func() (err error) {
			together.mine[n], err = load(n, c.duration, find(db.client, byN, c.rangeAt))
			return err
		})
		if err != nil {
			return nil, err
		}
		if scattered.mine[n], err = load(n, c.duration, find(db.client, byK, c.rangeAt)); err != nil {
			return nil, err
		}
	}
	err = db.close()
	db = nil
	if err != nil {
		return nil, err
	}
	alone, aloneScattered, err := c.engineRanges(dir, byN, byK, through, len(t.doc))
	if err != nil {
		return nil, err
	}
	raw, closeRaw, err := openRaw(dir)
	if err != nil {
		return nil, err
	}
	defer closeRaw()
	if _, _, err := rawScan(raw); err != nil {
		return nil, err
	}
	for _, n := range readers {
		dst := make([][]byte, n)
		scan, err := load(n, c.duration, func(w, i int) error { return rawRange(raw, uint64(c.rangeAt(w, i)+1), &dst[w]) })
		if err != nil {
			return nil, err
		}
		gets, err := load(n, c.duration, func(w, i int) error { return rawGets(raw, c.rangeAt(w, i), &dst[w]) })
		if err != nil {
			return nil, err
		}
		who := fmt.Sprintf("%d %s", n, plural(n, "reader"))
		lines = append(lines,
			compared("range of 100 by index, documents together, "+who, together.mine[n], "stub:", together.bare[n], 0.45),
			compared("range of 100 by index, documents together, "+who, together.mine[n], "raw Pebble scan plus copy:", scan, 0.6),
			compared("the same, the engine alone (command in, answer out)", alone[n], "raw Pebble scan plus copy:", scan, 0.6),
			compared("range of 100 by index, documents scattered, "+who, scattered.mine[n], "stub:", together.bare[n], 0.45),
			compared("range of 100 by index, documents scattered, "+who, scattered.mine[n], "raw Pebble index scan, gets, copy:", gets, 0.6),
			compared("the same, the engine alone (command in, answer out)", aloneScattered[n], "raw Pebble index scan, gets, copy:", gets, 0.6))
	}
	return lines, nil
}

// engineRanges measures the same finds without a driver and a connection.
func (c *config) engineRanges(dir string, together, scattered *finder, through []*finder, size int) (alone, aloneScattered map[int]result, err error) {
	e, err := openEngine(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if e := e.close(); err == nil {
			err = e
		}
	}()
	for _, f := range through {
		for i := range c.docs / rangeSize {
			if err := e.findRaw(f, i, rangeSize*size); err != nil {
				return nil, nil, err
			}
		}
	}
	alone, aloneScattered = map[int]result{}, map[int]result{}
	for _, n := range readers {
		err := c.profiled(func() (err error) {
			alone[n], err = load(n, c.duration, func(w, i int) error {
				return e.findRaw(together, c.rangeAt(w, i), rangeSize*size)
			})
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		aloneScattered[n], err = load(n, c.duration, func(w, i int) error {
			return e.findRaw(scattered, c.rangeAt(w, i), rangeSize*size)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return alone, aloneScattered, nil
}

// rawRange walks 100 documents and copies them.
func rawRange(db *pebble.DB, from uint64, dst *[]byte) error {
	o := recordBounds()
	o.LowerBound = recordKey(nil, from)
	it, err := db.NewIter(o)
	if err != nil {
		return err
	}
	*dst = (*dst)[:0]
	n := 0
	for ok := it.First(); ok && n < rangeSize; ok = it.Next() {
		*dst = append(*dst, it.Value()...)
		n++
	}
	if n < rangeSize {
		return fmt.Errorf("%d documents", n)
	}
	return it.Close()
}

// rawGets walks 100 entries of the index on k, from that of document i on, and gets and copies their documents. An entry's key ends
// with the record.
func rawGets(db *pebble.DB, i int, dst *[]byte) error {
	prefix := key32(spaceIndex, firstI+2)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: key32(spaceIndex, firstI+3)})
	if err != nil {
		return err
	}
	defer it.Close()
	*dst = (*dst)[:0]
	n := 0
	start := keys.AppendValue(prefix, value.Int32(scatter(i)), nil)
	var kb [16]byte
	for ok := it.SeekGE(start); n < rangeSize; ok = it.Next() {
		if !ok {
			if !it.First() {
				return fmt.Errorf("no index under raw Pebble")
			}
		}
		k := it.Key()
		v, done, err := db.Get(recordKey(kb[:0], binary.BigEndian.Uint64(k[len(k)-8:])))
		if err != nil {
			return err
		}
		*dst = append(*dst, v...)
		done.Close()
		n++
	}
	return it.Error()
}
