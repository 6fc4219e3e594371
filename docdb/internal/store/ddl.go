package store

import (
	"context"
	"crypto/rand"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// NewCollection says what Create makes.
type NewCollection struct {
	DB, Name string
	View     bool
	// Options are stored as they are; see Def.
	Options bson.Raw
	// ID is the specification of the index on _id; not for views.
	ID bson.Raw
	// Quiet makes no event in the oplog (for the collection that $out fills before it gets its name).
	Quiet bool
}

// Create makes a collection or view; ErrNamespaceExists (with the present one) when there is one of that name.
func (s *Store) Create(n NewCollection) (*Collection, error) {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	return s.create(n)
}

// create makes a collection; the caller holds ddl.
func (s *Store) create(n NewCollection) (*Collection, error) {
	if c := s.Collection(n.DB, n.Name); c != nil {
		return c, ErrNamespaceExists
	}
	if err := s.disk.room(); err != nil {
		return nil, err
	}
	c := &Collection{ID: s.newID(), store: s, nextRecord: 1}
	rand.Read(c.UUID[:])
	c.UUID[6], c.UUID[8] = c.UUID[6]&0x0F|0x40, c.UUID[8]&0x3F|0x80
	var indexes []*Index
	if !n.View {
		ix, err := newIndex(s.newID(), n.ID, 0, rulesNow, s.lang, s.opts.Now())
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, ix)
	}
	if n.Options == nil {
		n.Options = bson.Raw{5, 0, 0, 0, 0}
	}
	d, err := s.newDef(n.DB, n.Name, n.View, n.Options, indexes)
	if err != nil {
		return nil, err
	}
	c.def.Store(d)
	b := s.db.NewBatch()
	if err := c.putEntry(b, d); err != nil {
		return nil, err
	}
	if err := s.putIDs(b); err != nil {
		return nil, err
	}
	return c, s.change(b, c, d, catalogEvent{cmd: createEvent(d), quiet: n.Quiet || n.View}, func() {
		s.register(func(m map[nsKey]*Collection) { m[nsKey{n.DB, n.Name}] = c })
	})
}

// createEvent is what the oplog says of a new collection.
func createEvent(d *Def) bson.D {
	cmd := bson.D{{Key: "cmd", Value: "create"}, {Key: "options", Value: d.Options}}
	if !d.View {
		cmd = append(cmd, bson.E{Key: "idIndex", Value: d.Indexes[0].Spec})
	}
	return cmd
}

// catalogEvent is what the oplog says of a change of the catalogue. What happens to views is told to nobody: their documents are others'.
type catalogEvent struct {
	cmd   bson.D
	quiet bool
	to    *Def // of a rename: the definition under the new name
}

// change applies a batch that changes the catalogue, with its event, durably; done runs once readers can see the batch.
func (s *Store) change(b *pebble.Batch, c *Collection, d *Def, ev catalogEvent, done func()) error {
	var entries []pending
	if !ev.quiet {
		doc, err := bson.Marshal(ev.cmd)
		if err != nil {
			return err
		}
		ch := change{kind: OpCommand, doc: doc}
		entries = append(entries, pending{kind: OpCommand, doc: appendEntry(nil, c, d, &ch, s.opts.Now(), nil, 0), coll: c, to: ev.to})
	}
	ts, err := s.apply(&write{b: b, sync: true, entries: entries})
	if err != nil {
		b.Close()
		return err
	}
	c.changed.Store(ts)
	if done != nil {
		done()
	}
	err = s.finish(b, true, ts, d, !ev.quiet)
	if err == nil && ev.to != nil {
		s.tail.notify(ev.to)
	}
	return err
}

// erase removes a collection's records, indexes and catalogue entry.
func (c *Collection) erase(b *pebble.Batch, d *Def) {
	b.Delete(prefix32(spaceCatalog, c.ID), nil)
	b.Delete(prefix32(spaceCount, c.ID), nil)
	lower, upper := c.Bounds()
	b.DeleteRange(lower, upper, nil)
	for _, ix := range d.Indexes {
		b.DeleteRange(ix.prefix, ix.upper, nil)
	}
}

// Drop removes a collection or view with its indexes. ErrCollectionGone when it was dropped before.
func (s *Store) Drop(c *Collection) error {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	return s.drop(c, false)
}

// drop drops a collection; the caller holds ddl.
func (s *Store) drop(c *Collection, quiet bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped.Load() {
		return ErrCollectionGone
	}
	if err := s.disk.err(); err != nil {
		return err
	}
	d := c.def.Load()
	// First out of sight, then the data: a reader that finds the definition unchanged after its snapshot has a whole one.
	gone := *d
	c.def.Store(&gone)
	c.dropped.Store(true)
	s.register(func(m map[nsKey]*Collection) { delete(m, nsKey{d.DB, d.Name}) })
	b := s.db.NewBatch()
	c.erase(b, d)
	return s.change(b, c, d, catalogEvent{cmd: bson.D{{Key: "cmd", Value: "drop"}}, quiet: quiet || d.View}, nil)
}

// DropDatabase removes all collections of a database and makes its event.
func (s *Store) DropDatabase(db string) (dropped bool, err error) {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	cs := s.Collections(db)
	for _, c := range cs {
		if err := s.drop(c, false); err != nil {
			return false, err
		}
	}
	if len(cs) == 0 {
		return false, nil
	}
	c := &Collection{store: s}
	d := &Def{DB: db}
	c.def.Store(d)
	return true, s.change(s.db.NewBatch(), c, d, catalogEvent{cmd: bson.D{{Key: "cmd", Value: "dropDatabase"}}}, nil)
}

// Rename gives a collection another name, in any database. A target is dropped first when dropTarget is set, in one step;
// otherwise it is ErrNamespaceExists.
func (s *Store) Rename(c *Collection, db, name string, dropTarget bool) error {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	if err := s.disk.room(); err != nil {
		return err
	}
	target := s.Collection(db, name)
	if target == c {
		return ErrNamespaceExists
	}
	if target != nil && !dropTarget {
		return ErrNamespaceExists
	}
	if target != nil {
		target.mu.Lock()
		defer target.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped.Load() {
		return ErrCollectionGone
	}
	d := c.def.Load()
	n := *d
	n.DB, n.Name = db, name
	b := s.db.NewBatch()
	if err := c.putEntry(b, &n); err != nil {
		return err
	}
	cmd := bson.D{{Key: "cmd", Value: "rename"}, {Key: "db", Value: db}, {Key: "name", Value: name}}
	if target != nil {
		td := target.def.Load()
		gone := *td
		target.def.Store(&gone)
		target.dropped.Store(true)
		target.erase(b, td)
		cmd = append(cmd, bson.E{Key: "dropTarget", Value: bson.Binary{Subtype: 4, Data: target.UUID[:]}})
	}
	s.register(func(m map[nsKey]*Collection) {
		delete(m, nsKey{d.DB, d.Name})
		m[nsKey{db, name}] = c
	})
	return s.change(b, c, d, catalogEvent{cmd: cmd, to: &n}, func() { c.def.Store(&n) })
}

// Replace puts a quietly created collection in the place of the one called db.name, in one step.
func (s *Store) Replace(c *Collection, db, name string) error { return s.Rename(c, db, name, true) }

// Modify changes a collection's options and the specifications of some of its indexes (by name), as collMod does. An index that
// becomes unique is built anew and may fail with *DuplicateKeyError. The event has what was asked for, and what was before.
func (s *Store) Modify(ctx context.Context, c *Collection, options bson.Raw, specs map[string]bson.Raw, asked, before bson.D) error {
	s.ddl.Lock()
	defer s.ddl.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped.Load() {
		return ErrCollectionGone
	}
	if err := s.disk.room(); err != nil {
		return err
	}
	d := c.def.Load()
	b := s.db.NewBatch()
	var indexes []*Index
	var old []*Index
	for _, ix := range d.Indexes {
		spec, ok := specs[ix.Name]
		if !ok {
			indexes = append(indexes, ix)
			continue
		}
		n, err := newIndex(ix.ID, spec, ix.Multikey(), ix.rules, s.lang, s.opts.Now())
		if err != nil {
			return err
		}
		n.Built, n.use = ix.Built, ix.use
		if n.Unique != ix.Unique {
			if n, err = newIndex(s.newID(), spec, 0, rulesNow, s.lang, s.opts.Now()); err != nil {
				return err
			}
			if err := s.build(ctx, c, d, []*Index{n}); err != nil {
				return err
			}
			old = append(old, ix)
		}
		indexes = append(indexes, n)
	}
	if options == nil {
		options = d.Options
	}
	n, err := s.newDef(d.DB, d.Name, d.View, options, indexes)
	if err != nil {
		return err
	}
	if err := c.putEntry(b, n); err != nil {
		return err
	}
	if err := s.putIDs(b); err != nil {
		return err
	}
	for _, ix := range old {
		b.DeleteRange(ix.prefix, ix.upper, nil)
	}
	c.def.Store(n)
	cmd := append(bson.D{{Key: "cmd", Value: "modify"}}, asked...)
	return s.change(b, c, n, catalogEvent{cmd: append(cmd, bson.E{Key: "before", Value: before}), quiet: d.View}, nil)
}
