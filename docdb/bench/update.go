package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// updateEntry is about what the oplog entry of an $inc has: which field changed, to what.
const updateEntry = 290

// updateLines measures updateOne with $inc by _id, durable, with 16 writers, beside raw Pebble that reads a document, changes it and
// commits it with an oplog entry.
func updateLines(ctx context.Context, c *config) ([]line, error) {
	t := newTemplate(1024)
	source, err := c.loaded(ctx, "items", t, c.docs, indexed)
	if err != nil {
		return nil, err
	}
	dir, rawDir := filepath.Join(c.dir, "update"), filepath.Join(c.dir, "update-raw")
	for _, d := range []string{dir, rawDir} {
		if err := os.CopyFS(d, os.DirFS(source)); err != nil {
			return nil, err
		}
		defer os.RemoveAll(d)
	}
	db, err := openDatabase(dir)
	if err != nil {
		return nil, err
	}
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}
	var mine result
	err = c.profiled(func() (err error) {
		mine, err = load(writers, c.duration, func(w, i int) error {
			r, err := db.coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: t.id((w*7919 + i*31) % c.docs)}}, inc)
			if err == nil && r.ModifiedCount != 1 {
				err = fmt.Errorf("%d documents changed", r.ModifiedCount)
			}
			return err
		})
		return err
	})
	if e := db.close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	raw, closeRaw, err := openRaw(rawDir)
	if err != nil {
		return nil, err
	}
	defer closeRaw()
	u := &rawUpdater{db: raw, t: t}
	other, err := load(writers, c.duration, func(w, i int) error { return u.once((w*7919+i*31)%c.docs, w, i) })
	if err != nil {
		return nil, err
	}
	return []line{compared("updateOne $inc by _id, durable, 16 writers", mine, "raw Pebble read-modify-write:", other, 0.5)}, nil
}

// rawUpdater changes documents under raw Pebble: two that change the same one take turns, as they would have to.
type rawUpdater struct {
	db    *pebble.DB
	t     *template
	locks [256]sync.Mutex
}

func (u *rawUpdater) once(i, worker, n int) error {
	l := &u.locks[i%len(u.locks)]
	l.Lock()
	defer l.Unlock()
	var k [64]byte
	key := recordKey(k[:0], uint64(i+1))
	v, done, err := u.db.Get(key)
	if err != nil {
		return err
	}
	b := u.db.NewBatch()
	defer b.Close()
	doc := append([]byte(nil), v...)
	done.Close()
	at := doc[u.t.v:]
	binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)+1<<20)
	if err := b.Set(key, doc, nil); err != nil {
		return err
	}
	if err := rawLog(b, doc[:100], updateEntry, uint64(worker)<<32|uint64(n)); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}
