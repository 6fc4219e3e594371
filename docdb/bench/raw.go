package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"regent/docdb/internal/store"
)

// The layout of docdb's keys, as far as raw Pebble walks them (see package store). The first collection of a folder has id 1, its
// indexes follow from 2 on in the order in which they were made.
const (
	spaceRecord  = 0x02
	spaceIndex   = 0x03
	spaceOplog   = 0x04
	spaceSession = 0x05

	collID = 1
	firstI = 2
)

// openRaw opens a folder of docdb, or a new one, with Pebble itself under docdb's options.
func openRaw(dir string) (*pebble.DB, func() error, error) {
	// What docdb has noted about the files is true no longer once somebody else has had them.
	if err := os.Remove(filepath.Join(dir, "CLEAN")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	cache := pebble.NewCache(store.DefaultCacheBytes())
	db, err := pebble.Open(dir, store.EngineOptions(cache))
	if err != nil {
		cache.Unref()
		return nil, nil, err
	}
	return db, func() error {
		defer cache.Unref()
		return db.Close()
	}, nil
}

func key32(space byte, id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{space}, id) }

// recordBounds are the collection's documents.
func recordBounds() *pebble.IterOptions {
	return &pebble.IterOptions{LowerBound: key32(spaceRecord, collID), UpperBound: key32(spaceRecord, collID+1)}
}

func recordKey(dst []byte, id uint64) []byte {
	dst = append(dst[:0], spaceRecord, 0, 0, 0, collID)
	return binary.BigEndian.AppendUint64(dst, id)
}

// rawScan walks all documents and touches each value.
func rawScan(db *pebble.DB) (n, bytes int, err error) {
	it, err := db.NewIter(recordBounds())
	if err != nil {
		return 0, 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return 0, 0, err
		}
		n++
		bytes += len(v)
	}
	if err := it.Close(); err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("no documents under raw Pebble")
	}
	return n, bytes, nil
}

// rawInsert makes the batch of one insert: the document, its keys in the index on _id and in three others, the oplog entry that
// holds it once more, and the result that a retryable write leaves.
func rawInsert(db *pebble.DB, doc []byte, worker, i int) error {
	u := uint64(worker)<<32 | uint64(i)
	b := db.NewBatch()
	defer b.Close()
	var k, v [64]byte
	if err := b.Set(recordKey(k[:0], u), doc, nil); err != nil {
		return err
	}
	for x := range 1 + len(indexed) {
		key := append(k[:0], spaceIndex, 0, 0, 0, byte(firstI+x))
		key = binary.BigEndian.AppendUint32(append(key, 0x10), uint32(scatter(i)))
		key = binary.BigEndian.AppendUint64(key, u)
		val := v[:0]
		if x == 0 {
			val = v[:8]
		}
		if err := b.Set(key, val, nil); err != nil {
			return err
		}
	}
	if err := rawLog(b, doc, len(doc)+oplogOverhead, u); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// oplogOverhead is what an oplog entry has beside the document, sessionBytes the result of a retryable write.
const (
	oplogOverhead = 190
	sessionBytes  = 85
)

// rawLog adds an oplog entry of n bytes and a session's result to a batch.
func rawLog(b *pebble.Batch, doc []byte, n int, u uint64) error {
	var k [64]byte
	key := binary.BigEndian.AppendUint64(append(k[:0], spaceOplog), u)
	op := b.SetDeferred(len(key)+4, n)
	copy(op.Key, key)
	copy(op.Value, doc)
	if err := op.Finish(); err != nil {
		return err
	}
	session := append(k[:0], spaceSession, byte(u>>32))
	return b.Set(session[:17], doc[:sessionBytes], nil)
}
