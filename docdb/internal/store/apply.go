package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// write is what apply takes.
type write struct {
	b       *pebble.Batch
	sync    bool
	entries []pending
	// together gives all entries one time.
	together bool
	// catalog are the entries of the catalogue that are written with it, as they are then.
	catalog []catalogWrite
}

type catalogWrite struct {
	c *Collection
	d *Def
}

// apply gives entries their times and applies a batch: from then on readers see it.
func (s *Store) apply(w *write) (uint64, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.disk.err(); err != nil {
		return 0, err
	}
	// An entry of the catalogue is made here, so that a later one has all the bits of an earlier one.
	for _, e := range w.catalog {
		if err := e.c.putEntry(w.b, e.d); err != nil {
			return 0, err
		}
	}
	n := len(w.entries)
	if w.together || n == 0 {
		n = 1
	}
	ts := s.clock.reserve(n)
	var kb [oplogKeySize]byte
	for i, e := range w.entries {
		t, seq := ts, uint32(i)
		if !w.together {
			t, seq = ts+uint64(i), 0
		}
		key := appendOplogKey(kb[:0], t, seq)
		if e.doc == nil {
			if err := setOplogKey(w.b, e.at, key); err != nil {
				return 0, err
			}
		} else if err := w.b.Set(key, e.doc, nil); err != nil {
			return 0, err
		}
		if e.coll != nil {
			s.tail.mark(e.coll.def.Load(), e.kind, t)
		}
		if e.to != nil {
			s.tail.mark(e.to, e.kind, t)
		}
	}
	ts += uint64(n) - 1
	held, err := s.invalidate(w.b, ts)
	if err != nil {
		return 0, err
	}
	if w.sync {
		err = s.db.ApplyNoSyncWait(w.b, pebble.Sync)
	} else {
		err = s.db.Apply(w.b, pebble.NoSync)
	}
	if err != nil {
		return 0, err
	}
	for _, e := range w.entries {
		if e.coll == nil {
			continue
		}
		e.coll.count.Add(e.dCount)
		e.coll.size.Add(e.dSize)
		e.coll.dirty = true
		e.coll.lastWrite.Store(ts)
	}
	for _, e := range w.catalog {
		for _, ix := range e.d.Indexes {
			ix.multikey.stored.Or(ix.multikey.written)
		}
	}
	s.clock.applied.Store(ts)
	if held {
		s.renew(w.b, ts)
	}
	return ts, nil
}

// setOplogKey puts the key of an oplog entry into a batch in which it stands at a place already, with another time. Pebble writes a
// Set as its kind, the length of the key, the key, the length of the value and the value (package batchrepr).
func setOplogKey(b *pebble.Batch, at int, key []byte) error {
	data := b.Repr()
	if len(data) < at+2+len(key) || data[at+1] != oplogKeySize || data[at+2] != spaceOplog {
		return fmt.Errorf("the batch has no oplog entry at byte %d", at)
	}
	copy(data[at+2:], key)
	return nil
}

// finish waits until an applied batch is durable and wakes who watches the collections.
func (s *Store) finish(b *pebble.Batch, sync bool, ts uint64, def *Def, notify bool) error {
	s.passed()
	var err error
	if sync {
		err = b.SyncWait()
	}
	if e := b.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.disk.err()
	}
	if err != nil {
		return err
	}
	s.tail.advance(ts)
	if notify && def != nil {
		s.tail.notify(def)
	}
	return nil
}

// Sync returns when everything applied so far is durable.
func (s *Store) Sync() error {
	if err := s.disk.err(); err != nil {
		return err
	}
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return err
	}
	return s.disk.err()
}
