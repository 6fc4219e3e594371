package store

import (
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// recover finds out where the oplog ends and how many documents there are: the stored counts, and what the oplog says happened
// after they were stored.
func (s *Store) recover() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceOplog}, UpperBound: []byte{spaceOplog + 1}})
	if err != nil {
		return err
	}
	last := uint64(0)
	if it.Last() {
		last = binary.BigEndian.Uint64(it.Key()[1:])
	}
	if err := it.Close(); err != nil {
		return err
	}
	asOf := uint64(0)
	if v, err := s.Present().Get(keyCounts, nil); err == nil {
		asOf = binary.BigEndian.Uint64(v)
	} else if !isNotFound(err) {
		return err
	}
	byID := map[uint32]*Collection{}
	for _, c := range *s.names.Load() {
		byID[c.ID] = c
		v, err := s.Present().Get(prefix32(spaceCount, c.ID), nil)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		c.count.Store(int64(binary.BigEndian.Uint64(v)))
		c.size.Store(int64(binary.BigEndian.Uint64(v[8:])))
	}
	if asOf > last {
		last = asOf
	}
	if err := s.checkClean(last); err != nil {
		return err
	}
	s.clock.atLeast(last)
	t := s.clock.reserve(1)
	s.clock.applied.Store(t)
	s.tail.visible.Store(t)
	if v, err := s.Present().Get(keyTrimmed, nil); err == nil {
		s.oplogFirst.Store(binary.BigEndian.Uint64(v))
	} else if !isNotFound(err) {
		return err
	}
	o, err := s.Oplog(asOf, 1<<32-1, last)
	if err != nil {
		return err
	}
	for o.Next() {
		e := o.Entry()
		id, _ := e.Lookup("c").AsInt64OK()
		c := byID[uint32(id)]
		if c == nil {
			continue
		}
		n, _ := e.Lookup("n#").AsInt64OK()
		b, _ := e.Lookup("s#").AsInt64OK()
		c.count.Add(n)
		c.size.Add(b)
		c.dirty = true
	}
	return o.Close()
}

// saveCounts stores the counts of collections that have changed.
func (s *Store) saveCounts(sync bool) error {
	_, err := s.saveCountsAt(sync)
	return err
}

// saveCountsAt is saveCounts, and gives the time up to which they are true.
func (s *Store) saveCountsAt(sync bool) (uint64, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	b := s.db.NewBatch()
	defer b.Close()
	for _, c := range *s.names.Load() {
		if !c.dirty {
			continue
		}
		v := binary.BigEndian.AppendUint64(nil, uint64(c.count.Load()))
		v = binary.BigEndian.AppendUint64(v, uint64(c.size.Load()))
		b.Set(prefix32(spaceCount, c.ID), v, nil)
		c.dirty = false
	}
	at := s.clock.applied.Load()
	b.Set(keyCounts, binary.BigEndian.AppendUint64(nil, at), nil)
	return at, s.write(b, sync)
}

// background stores the counts and trims the oplog now and then.
func (s *Store) background() {
	defer s.done.Done()
	room := time.NewTicker(time.Second)
	defer room.Stop()
	counts := time.NewTicker(10 * time.Second)
	trim := time.NewTicker(60 * time.Second)
	defer counts.Stop()
	defer trim.Stop()
	saved := uint64(0)
	for {
		select {
		case <-s.stop:
			return
		case <-room.C:
			s.disk.measure()
		case <-counts.C:
			if s.disk.err() != nil {
				continue
			}
			if a := s.Applied(); a != saved {
				if err := s.saveCounts(false); err != nil {
					s.opts.Log("docdb: storing counts: %v", err)
				}
				saved = a
			}
		case <-trim.C:
			if s.disk.err() != nil {
				continue
			}
			if err := s.TrimOplog(); err != nil {
				s.opts.Log("docdb: trimming the oplog: %v", err)
			}
			if err := s.trimSessions(); err != nil {
				s.opts.Log("docdb: trimming sessions: %v", err)
			}
		}
	}
}

// TrimOplog removes the oldest part of the oplog, as far as it is beyond the bounds of age or size.
func (s *Store) TrimOplog() error {
	first, now := s.oplogFirst.Load(), s.Applied()
	cut := max(first, s.oplogOldest())
	floor := cut
	if old := uint64(s.opts.Now().Add(-s.opts.OplogAge).Unix()) << 32; old > cut {
		cut = old
	}
	// The part to cut for size is taken in steps of a sixteenth of the kept span, since sizes on disk are estimates.
	lower := appendOplogKey(nil, 0, 0)
	for used := s.DiskUsage(lower, []byte{spaceOplog + 1}); used > uint64(s.opts.OplogBytes) && cut < now; {
		cut += (now-cut)/16 + 1
		used = s.DiskUsage(appendOplogKey(nil, cut, 0), []byte{spaceOplog + 1})
	}
	if cut <= floor {
		return nil
	}
	if err := s.saveCounts(false); err != nil {
		return err
	}
	s.oplogFirst.Store(cut)
	b := s.db.NewBatch()
	defer b.Close()
	b.Set(keyTrimmed, binary.BigEndian.AppendUint64(nil, cut), nil)
	b.DeleteRange(lower, appendOplogKey(nil, cut, 0), nil)
	return s.write(b, false)
}

// oplogOldest is the time of the oldest entry there is.
func (s *Store) oplogOldest() uint64 {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceOplog}, UpperBound: []byte{spaceOplog + 1}})
	if err != nil {
		return 0
	}
	defer it.Close()
	if !it.First() {
		return 0
	}
	return binary.BigEndian.Uint64(it.Key()[1:])
}
