package store

import (
	"context"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

// buildBatch is the size at which an index build writes out what it has.
const buildBatch = 4 << 20

// CreateIndexes builds indexes from their specifications (as listIndexes shows them) and adds them to the collection. Writers of
// the collection wait meanwhile, readers do not. It fails with *DuplicateKeyError or an error of key extraction, and then
// adds none.
func (s *Store) CreateIndexes(ctx context.Context, c *Collection, specs []bson.Raw) error {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	return s.createIndexes(ctx, c, specs, false)
}

// createIndexes builds indexes; the caller holds ddl.
func (s *Store) createIndexes(ctx context.Context, c *Collection, specs []bson.Raw, quiet bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped.Load() {
		return ErrCollectionGone
	}
	if err := s.disk.room(); err != nil {
		return err
	}
	d := c.def.Load()
	var added []*Index
	for _, spec := range specs {
		ix, err := newIndex(s.newID(), spec, 0, rulesNow, s.lang, s.opts.Now())
		if err != nil {
			return err
		}
		added = append(added, ix)
	}
	// The ids are used up before anything is written under them, so that what a crash leaves behind is never read.
	b := s.db.NewBatch()
	s.putIDs(b)
	if err := s.write(b, true); err != nil {
		return err
	}
	if err := s.build(ctx, c, d, added); err != nil {
		return err
	}
	n := *d
	n.Indexes = append(append([]*Index(nil), d.Indexes...), added...)
	b = s.db.NewBatch()
	now := s.Applied() + 1 // a snapshot of this time or later has the entries
	for _, ix := range added {
		ix.Built = now
	}
	if err := c.putEntry(b, &n); err != nil {
		return err
	}
	return s.change(b, c, d, catalogEvent{cmd: createIndexesEvent(added), quiet: quiet}, func() { c.def.Store(&n) })
}

// createIndexesEvent is what the oplog says of new indexes.
func createIndexesEvent(added []*Index) bson.D {
	list := bson.A{}
	for _, ix := range added {
		list = append(list, ix.Spec)
	}
	return bson.D{{Key: "cmd", Value: "createIndexes"}, {Key: "indexes", Value: list}}
}

// build writes the entries of new indexes for all documents; the caller holds the collection's lock.
func (s *Store) build(ctx context.Context, c *Collection, d *Def, added []*Index) (err error) {
	b := s.db.NewBatch()
	defer func() {
		b.Close()
		if err != nil {
			clean := s.db.NewBatch()
			defer clean.Close()
			for _, ix := range added {
				clean.DeleteRange(ix.prefix, ix.upper, nil)
			}
			s.write(clean, false)
		}
	}()
	lower, upper := c.Bounds()
	it, err := s.Present().Iter(lower, upper)
	if err != nil {
		return err
	}
	defer it.Close()
	var set keys.Set
	var key []byte
	var val [8]byte
	seen := map[string]RecordID{}
	flush := func() error {
		if err := s.disk.room(); err != nil {
			return err
		}
		if err := s.write(b, false); err != nil {
			return err
		}
		b.Close()
		b = s.db.NewBatch()
		clear(seen)
		return ctx.Err()
	}
	for ok := it.First(); ok; ok = it.Next() {
		id, doc := RecordIDOf(it.Key()), bson.Raw(it.Value())
		for _, ix := range added {
			if err := ix.Extract(doc, &set); err != nil {
				return err
			}
			if set.Multikey != 0 {
				ix.multikey.seen.Or(set.Multikey)
			}
			for _, k := range set.Keys {
				key = append(append(key[:0], ix.prefix...), k...)
				if !ix.Unique {
					key = binary.BigEndian.AppendUint64(key, uint64(id))
					b.Set(key, nil, nil)
					continue
				}
				other, dup := seen[string(key)]
				if !dup {
					v, done, err := s.db.Get(key)
					if err == nil {
						other, dup = recordIDOf(v), true
						done.Close()
					} else if !isNotFound(err) {
						return err
					}
				}
				if dup && other != id {
					return &DuplicateKeyError{DB: d.DB, Coll: d.Name, Index: ix, Values: ix.Keys.ValuesOf(append(bson.Raw(nil), doc...), k), Found: other}
				}
				seen[string(key)] = id
				binary.BigEndian.PutUint64(val[:], uint64(id))
				b.Set(key, val[:], nil)
			}
		}
		if b.Len() > buildBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	return flush()
}

// DropIndexes removes indexes by name, never the one on _id; ErrIndexNotFound when one is not there, and then removes none.
func (s *Store) DropIndexes(c *Collection, names []string) error {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped.Load() {
		return ErrCollectionGone
	}
	if err := s.disk.err(); err != nil {
		return err
	}
	d := c.def.Load()
	out := map[string]bool{}
	list := bson.A{}
	for _, n := range names {
		ix := d.Index(n)
		if ix == nil || ix.IsID() {
			return ErrIndexNotFound
		}
		if !out[n] {
			list = append(list, ix.Spec)
		}
		out[n] = true
	}
	n := *d
	n.Indexes = nil
	b := s.db.NewBatch()
	for _, ix := range d.Indexes {
		if out[ix.Name] {
			b.DeleteRange(ix.prefix, ix.upper, nil)
			continue
		}
		n.Indexes = append(n.Indexes, ix)
	}
	if err := c.putEntry(b, &n); err != nil {
		return err
	}
	c.def.Store(&n)
	return s.change(b, c, &n, catalogEvent{cmd: bson.D{{Key: "cmd", Value: "dropIndexes"}, {Key: "indexes", Value: list}}}, nil)
}
