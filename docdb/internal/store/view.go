package store

import (
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// ErrNotFound is answered by View.Get for a key that is not there.
var ErrNotFound = pebble.ErrNotFound

// View is a readable state of the store: the present, a snapshot, or a transaction's snapshot with its own writes over it.
// It is not safe for concurrent use unless it is the present or a snapshot.
type View interface {
	// Get appends the value of a key to dst, or answers dst and ErrNotFound.
	Get(key, dst []byte) ([]byte, error)
	// Iter walks keys in [lower, upper). The bounds must stay unchanged until Close.
	Iter(lower, upper []byte) (Iter, error)
}

// Iter walks keys in order. Key and Value are valid until the next move.
type Iter interface {
	First() bool
	Last() bool
	Next() bool
	Prev() bool
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	Valid() bool
	Key() []byte
	Value() []byte
	Error() error
	Close() error
}

// SnapshotView is a View of one moment that has to be closed.
type SnapshotView struct {
	s *Store
	*moment
}

// Get implements View.
func (v *SnapshotView) Get(key, dst []byte) ([]byte, error) {
	return v.s.records.read(v.snap, key, v.at, v.at, dst)
}

// Keep notes a value that has been read by an iterator, for Get and Take.
func (v *SnapshotView) Keep(key, value []byte) { v.s.records.put(key, v.at, value) }

// Iter implements View.
func (v *SnapshotView) Iter(lower, upper []byte) (Iter, error) {
	return v.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Close releases the moment.
func (v *SnapshotView) Close() error { return v.release() }

// present is the View of whatever has been applied.
type present struct{ s *Store }

// Get implements View. What the cache has is what was applied last, for whoever asks now.
func (v present) Get(key, dst []byte) ([]byte, error) {
	return v.s.records.read(v.s.db, key, math.MaxUint64, v.s.clock.applied.Load(), dst)
}

func (v present) Iter(lower, upper []byte) (Iter, error) {
	return v.s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Present gives a View of what is applied at the time of each call.
func (s *Store) Present() View { return present{s} }

func isNotFound(err error) bool { return errors.Is(err, pebble.ErrNotFound) }
