package store

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

// plain is the Language of collections without anything that has to be compiled.
type plain struct{ Language }

func (plain) Collator(bson.Raw) (keys.Collator, error) { return nil, nil }
func (plain) Validator(bson.Raw) (Validator, error)    { return nil, nil }
func marshal(t *testing.T, d any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestMultikeyIsStoredByWhoeverWritesTheFirstArray has a unit note an array and give up: the next one with an array has to store that
// there are arrays, or the index would be taken for one without after a restart.
func TestMultikeyIsStoredByWhoeverWritesTheFirstArray(t *testing.T) {
	dir := t.TempDir()
	open := func() *Store {
		s, err := Open(dir, plain{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	c, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateIndexes(t.Context(), c, []bson.Raw{marshal(t, bson.D{{Key: "name", Value: "k_1"}, {Key: "key", Value: bson.D{{Key: "k", Value: 1}}}})}); err != nil {
		t.Fatal(err)
	}
	insert := func(id int) *Unit {
		u, err := s.BeginOne(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Insert(marshal(t, bson.D{{Key: "_id", Value: id}, {Key: "k", Value: bson.A{1, 2}}}), true); err != nil {
			t.Fatal(err)
		}
		return u
	}
	insert(1).Rollback()
	if _, err := insert(2).Commit(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	if s.Collection("app", "items").Def().Index("k_1").Multikey() == 0 {
		t.Fatal("the index has forgotten its arrays")
	}
}

// TestUnitsOfOtherDocumentsRunBesideEachOther holds a document and writes another.
func TestUnitsOfOtherDocumentsRunBesideEachOther(t *testing.T) {
	s, err := Open(t.TempDir(), plain{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})})
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.BeginOne(c)
	if err != nil {
		t.Fatal(err)
	}
	held.Lock(1)
	for id := 1; ; id++ {
		// The first whose key has a stripe of its own; all that are tried before would have to wait.
		var a, b stripeSet
		key := func(n int) []byte {
			var set keys.Set
			if err := c.Def().Indexes[0].Extract(marshal(t, bson.D{{Key: "_id", Value: n}}), &set); err != nil {
				t.Fatal(err)
			}
			return set.Keys[0]
		}
		a.add(&s.stripes, c.Def().Indexes[0], key(0))
		b.add(&s.stripes, c.Def().Indexes[0], key(id))
		if a == b {
			continue
		}
		if _, err := held.Insert(marshal(t, bson.D{{Key: "_id", Value: 0}}), true); err != nil {
			t.Fatal(err)
		}
		u, err := s.BeginOne(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Insert(marshal(t, bson.D{{Key: "_id", Value: id}}), true); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Commit(false); err != nil {
			t.Fatal(err)
		}
		break
	}
	if _, err := held.Commit(false); err != nil {
		t.Fatal(err)
	}
	if n := c.Count(); n != 2 {
		t.Fatalf("%d documents", n)
	}
}
