package store

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// ErrNotFound is answered by View.Get for a key that is not there.
var ErrNotFound = pebble.ErrNotFound

// View is a readable state of the store: the present, a snapshot, or a transaction's snapshot with its own writes over it.
// It is not safe for concurrent use unless it is the present.
type View interface {
	// Get gives the value of a key, valid until done is closed, or ErrNotFound. done is nil on an error.
	Get(key []byte) (value []byte, done io.Closer, err error)
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
type SnapshotView struct{ snap *pebble.Snapshot }

// Get implements View.
func (v *SnapshotView) Get(key []byte) ([]byte, io.Closer, error) { return v.snap.Get(key) }

// Iter implements View.
func (v *SnapshotView) Iter(lower, upper []byte) (Iter, error) {
	return v.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Close releases the moment.
func (v *SnapshotView) Close() error { return v.snap.Close() }

// present is the View of whatever has been applied.
type present struct{ db *pebble.DB }

func (v present) Get(key []byte) ([]byte, io.Closer, error) { return v.db.Get(key) }

func (v present) Iter(lower, upper []byte) (Iter, error) {
	return v.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Snapshot gives a View of this moment; close it.
func (s *Store) Snapshot() *SnapshotView { return &SnapshotView{s.db.NewSnapshot()} }

// Present gives a View of what is applied at the time of each call.
func (s *Store) Present() View { return present{s.db} }

// getCopy reads a value into dst[:0].
func getCopy(v View, key, dst []byte) ([]byte, error) {
	b, done, err := v.Get(key)
	if err != nil {
		return nil, err
	}
	dst = append(dst[:0], b...)
	return dst, done.Close()
}

func isNotFound(err error) bool { return errors.Is(err, pebble.ErrNotFound) }

// SnapshotAt gives a View of this moment and its time; close it.
func (s *Store) SnapshotAt() (*SnapshotView, uint64) {
	s.commit.Lock()
	defer s.commit.Unlock()
	return s.Snapshot(), s.clock.applied.Load()
}
