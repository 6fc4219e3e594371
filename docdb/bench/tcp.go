package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// tcpLines measures what FerretDB 2.5 on PostgreSQL was measured with (100,000 documents of 350 bytes, one index, the Go driver on
// the same two cores). docdb should be twice as fast on every line.
func tcpLines(ctx context.Context, c *config) ([]line, error) {
	const docs = 100_000
	t := newTemplate(350)
	dir, err := c.loaded(ctx, "tcp", t, docs, []string{"k"})
	if err != nil {
		return nil, err
	}
	s, err := startChild("docdb", dir)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	client, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer disconnect(client)
	coll := client.Database(dbName).Collection(collName)
	fresh := client.Database(dbName).Collection("fresh")
	if err := makeIndexes(ctx, fresh, []string{"k"}); err != nil {
		return nil, err
	}
	var lines []line
	rate := func(name string, least float64, op func(w, i int) error) error {
		var r result
		err := s.profiled(c, func() (err error) {
			r, err = s.measured(func() (result, error) { return load(16, c.duration, op) })
			return err
		})
		if err == nil {
			lines = append(lines, line{name: "TCP, 16 clients, 350 bytes: " + name, docdb: r.String(), against: fmt.Sprintf("FerretDB %.0f/s", least/2), ratio: r.rate / (least / 2), aim: fmt.Sprintf("≥ %.0f/s", least), reached: r.rate >= least})
		}
		return err
	}
	took := func(name string, most time.Duration, op func() error) error {
		var d elapsed
		err := s.profiled(c, func() (err error) { d, err = best(c.duration, op); return err })
		if err == nil {
			lines = append(lines, line{name: "TCP, 1 client: " + name, docdb: millis(d.wall), against: "FerretDB " + millis(2*most), ratio: float64(2*most) / float64(d.wall), aim: "≤ " + millis(most), reached: d.wall <= most})
		}
		return err
	}
	if err := took("scan of 100,000 with a filter", 15*time.Millisecond, func() error { return scanFind(ctx, coll) }); err != nil {
		return lines, err
	}
	if err := took("$match + $group over 100,000", 95*time.Millisecond, func() error { return scanGroup(ctx, coll) }); err != nil {
		return lines, err
	}
	err = rate("findOne by _id", 18_400, func(w, i int) error {
		_, err := coll.FindOne(ctx, bson.D{{Key: "_id", Value: t.id((w*7919 + i*31) % docs)}}).Raw()
		return err
	})
	if err != nil {
		return lines, err
	}
	err = rate("insertOne", 12_600, func(w, i int) error {
		_, err := fresh.InsertOne(ctx, bson.Raw(t.make(nil, w<<24|i)))
		return err
	})
	if err != nil {
		return lines, err
	}
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}
	err = rate("updateOne $inc by _id", 10_000, func(w, i int) error {
		_, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: t.id((w*7919 + i*31) % docs)}}, inc)
		return err
	})
	return lines, err
}

// hugeLines measures how long a folder of many small documents takes to open, and the memory that a quiet database then has, at a
// tenth of the documents and at all of them.
func hugeLines(ctx context.Context, c *config) ([]line, error) {
	dir := filepath.Join(c.dir, "huge")
	t := newTemplate(100)
	var lines []line
	from := 0
	for _, n := range []int{c.hugeDocs / 10, c.hugeDocs} {
		db, err := openDatabase(dir)
		if err != nil {
			return lines, err
		}
		began := time.Now()
		err = fill(ctx, db.coll, t, from, n)
		took := time.Since(began)
		if e := db.close(); err == nil {
			err = e
		}
		if err != nil {
			return lines, err
		}
		rate := float64(n-from) / took.Seconds()
		from = n
		s, err := startChild("docdb", dir)
		if err != nil {
			return lines, err
		}
		client, err := s.connect()
		if err != nil {
			return lines, err
		}
		began = time.Now()
		_, err = client.Database(dbName).Collection(collName).FindOne(ctx, bson.D{{Key: "_id", Value: t.id(n / 2)}}).Raw()
		first := time.Since(began)
		if err != nil {
			return lines, err
		}
		_, resident, err := s.memory()
		if err != nil {
			return lines, err
		}
		disconnect(client)
		if err := s.stop(); err != nil {
			return lines, err
		}
		lines = append(lines,
			line{name: fmt.Sprintf("open with %d documents of 100 bytes (filled at %.0f/s)", n, rate), docdb: fmt.Sprintf("%s, first findOne %s", millis(s.opened), millis(first)), aim: "< 1 s", reached: s.opened < time.Second},
			line{name: fmt.Sprintf("resident memory at rest with %d documents", n), docdb: fmt.Sprintf("%d MB", resident>>20), aim: "< 150 MB", reached: resident < 150<<20})
	}
	return lines, nil
}
