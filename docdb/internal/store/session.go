package store

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// SessionLife is how long the result of a session's last retryable write is kept after it.
const SessionLife = 30 * time.Minute

// SessionKey is where the result of a session's last retryable write is kept.
func SessionKey(session []byte) []byte { return append([]byte{spaceSession}, session...) }

// SessionResult reads what Unit.SetSession stored; ErrNotFound when there is nothing.
func (s *Store) SessionResult(key []byte) (bson.Raw, error) {
	b, err := s.Present().Get(key, nil)
	return bson.Raw(b), err
}

// PutSession stores the result of a retryable write that changed nothing.
func (s *Store) PutSession(key, result []byte) error {
	b := s.db.NewBatch()
	defer b.Close()
	b.Set(key, result, nil)
	return s.write(b, false)
}

// DropSession forgets a session's result.
func (s *Store) DropSession(key []byte) error {
	b := s.db.NewBatch()
	defer b.Close()
	b.Delete(key, nil)
	return s.write(b, false)
}

// trimSessions forgets results that are older than SessionLife; field "w" says when they were stored.
func (s *Store) trimSessions() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceSession}, UpperBound: []byte{spaceSession + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	b := s.db.NewBatch()
	defer b.Close()
	old := s.opts.Now().Add(-SessionLife).UnixMilli()
	for ok := it.First(); ok; ok = it.Next() {
		if w, ok := bson.Raw(it.Value()).Lookup("w").DateTimeOK(); ok && w < old {
			b.Delete(it.Key(), nil)
		}
	}
	if err := it.Error(); err != nil || b.Empty() {
		return err
	}
	return s.write(b, false)
}

// Named reads a named setting, such as a user; ErrNotFound when there is none.
func (s *Store) Named(name string) (bson.Raw, error) {
	b, err := s.Present().Get(append([]byte{spaceNamed}, name...), nil)
	return bson.Raw(b), err
}

// PutNamed stores a named setting durably; nil removes it.
func (s *Store) PutNamed(name string, v bson.Raw) error {
	key := append([]byte{spaceNamed}, name...)
	b := s.db.NewBatch()
	defer b.Close()
	if v == nil {
		b.Delete(key, nil)
	} else {
		b.Set(key, v, nil)
	}
	return s.write(b, true)
}

// EachNamed calls f for the settings whose names begin with prefix, in order, until f answers false.
func (s *Store) EachNamed(prefix string, f func(name string, v bson.Raw) bool) error {
	lower := append([]byte{spaceNamed}, prefix...)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: successor(lower)})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if !f(string(it.Key()[1:]), append(bson.Raw(nil), it.Value()...)) {
			break
		}
	}
	return it.Error()
}
