package store

import (
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// SessionLife is how long the result of a session's last retryable write is kept after it.
const SessionLife = 30 * time.Minute

// resultKey is where a page of the results of a session's last retryable write is kept.
func resultKey(session []byte, page int) []byte {
	if page == 0 {
		return append([]byte{spaceSession}, session...)
	}
	return binary.BigEndian.AppendUint32(resultPrefix(session), uint32(page))
}

// resultPrefix begins the keys of all pages but the first.
func resultPrefix(session []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{spaceResults}, uint16(len(session))), session...)
}

// SessionResult reads a page of what Unit.SetSession stored; ErrNotFound when there is nothing.
func (s *Store) SessionResult(session []byte, page int) (bson.Raw, error) {
	b, err := s.Present().Get(resultKey(session, page), nil)
	return bson.Raw(b), err
}

// DropSession forgets a session's results.
func (s *Store) DropSession(session []byte) error {
	b := s.db.NewBatch()
	defer b.Close()
	b.Delete(resultKey(session, 0), nil)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: resultPrefix(session), UpperBound: successor(resultPrefix(session))})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		b.Delete(it.Key(), nil)
	}
	if err := it.Error(); err != nil {
		return err
	}
	return s.write(b, false)
}

// trimSessions forgets results that are older than SessionLife; field "w" says when they were stored.
func (s *Store) trimSessions() error {
	b := s.db.NewBatch()
	defer b.Close()
	old := s.opts.Now().Add(-SessionLife).UnixMilli()
	for _, space := range []byte{spaceSession, spaceResults} {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
		if err != nil {
			return err
		}
		for ok := it.First(); ok; ok = it.Next() {
			if w, ok := bson.Raw(it.Value()).Lookup("w").DateTimeOK(); ok && w < old {
				b.Delete(it.Key(), nil)
			}
		}
		if err := it.Close(); err != nil {
			return err
		}
	}
	if b.Empty() {
		return nil
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
