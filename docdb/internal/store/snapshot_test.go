package store

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestSnapshotsAreShared has readers share a snapshot as long as nothing is written, with and without a time, and an idle store keep none.
func TestSnapshotsAreShared(t *testing.T) {
	s, err := Open(t.TempDir(), plain{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := s.Snapshot(), s.Snapshot()
	if a.moment != b.moment {
		t.Error("two readers have snapshots of their own")
	}
	a.Close()
	c := s.Snapshot()
	if c.moment != b.moment {
		t.Error("the snapshot ended with its first reader")
	}
	c.Close()
	if err := s.PutNamed("x", bson.Raw{5, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if s.latest.Load() != nil {
		t.Error("a snapshot is kept after a write")
	}
	key := append([]byte{spaceNamed}, 'x')
	after := s.Snapshot()
	if _, err := after.Get(key, nil); err != nil {
		t.Errorf("a snapshot after a write does not have it: %v", err)
	}
	if _, err := b.Get(key, nil); err != ErrNotFound {
		t.Errorf("a snapshot before a write has it: %v", err)
	}
	b.Close()
	if _, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})}); err != nil {
		t.Fatal(err)
	}
	later := s.Snapshot()
	if later.moment == after.moment {
		t.Error("a snapshot is shared across a write")
	}
	after.Close()
	later.Close()
	if err := s.Close(); err != nil { // fails when a snapshot is open
		t.Fatal(err)
	}
}
