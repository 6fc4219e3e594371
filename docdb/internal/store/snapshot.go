package store

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// moment is a snapshot of the storage engine, which readers share for as long as nothing is written: to make one and, more so, to close
// it, when the engine looks for compactions that it has held up, is a good part of a short read.
type moment struct {
	snap *pebble.Snapshot
	// at is the time up to which it has all writes, loads the number of writes without a time before it. While both are what they were
	// the moment is the present.
	at, loads uint64
	refs      atomic.Int32
}

// hold takes part in a moment; false if it is over.
func (m *moment) hold() bool {
	for {
		n := m.refs.Load()
		if n == 0 {
			return false
		}
		if m.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (m *moment) release() error {
	if m.refs.Add(-1) > 0 {
		return nil
	}
	return m.snap.Close()
}

// Snapshot gives a View of this moment; close it.
func (s *Store) Snapshot() *SnapshotView {
	// Both before the snapshot is made: it has at least what they say (see recordCache).
	at, loads := s.clock.applied.Load(), s.loads.Load()
	if m := s.latest.Load(); m != nil && m.at == at && m.loads == loads && m.hold() {
		return &SnapshotView{s, m}
	}
	m := &moment{snap: s.db.NewSnapshot(), at: at, loads: loads}
	m.refs.Store(2)
	if old := s.latest.Swap(m); old != nil {
		old.release()
	}
	return &SnapshotView{s, m}
}

// SnapshotAt gives a View of this moment and its time; close it.
func (s *Store) SnapshotAt() (*SnapshotView, uint64) {
	s.commit.Lock()
	defer s.commit.Unlock()
	v := s.Snapshot()
	return v, v.at
}

// passed lets go of the last moment after a write, so that an idle store holds nothing back.
func (s *Store) passed() {
	if s.latest.Load() == nil {
		return
	}
	if m := s.latest.Swap(nil); m != nil {
		m.release()
	}
}
