package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestIndexesKeepTheRulesOfTheirKeys has a wildcard index from before its keys left out _id: documents that come and go keep it whole, over
// restarts and changes of the index, and an index that is made anew goes by the rules of now.
func TestIndexesKeepTheRulesOfTheirKeys(t *testing.T) {
	dir := t.TempDir()
	open := func() (*Store, *Collection) {
		s, err := Open(dir, plain{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s, s.Collection("app", "items")
	}
	s, _ := open()
	c, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})})
	if err != nil {
		t.Fatal(err)
	}
	all := func(name string) []bson.Raw {
		return []bson.Raw{marshal(t, bson.D{{Key: "name", Value: name}, {Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}})}
	}
	if err := s.CreateIndexes(t.Context(), c, all("old")); err != nil {
		t.Fatal(err)
	}
	// The entry as it was written before there were rules.
	d := c.Def()
	before := *d.Index("old")
	before.rules = rulesFirst
	was := *d
	was.Indexes = []*Index{d.Indexes[0], &before}
	b := s.db.NewBatch()
	if err := c.putEntry(b, &was); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	check := func(what string, want map[string]int64) {
		t.Helper()
		r, err := s.Check(t.Context(), c, nil)
		if err != nil || len(r.Problems) > 0 {
			t.Fatal(what, err, r.Problems)
		}
		for name, n := range want {
			if r.Keys[name] != n {
				t.Errorf("%s: the index %s has %d keys, want %d", what, name, r.Keys[name], n)
			}
		}
	}
	write := func(f func(u *Unit) error) {
		t.Helper()
		u, err := s.BeginOne(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := f(u); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Commit(true); err != nil {
			t.Fatal(err)
		}
	}
	restart := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, c = open()
	}
	restart()
	doc := marshal(t, bson.D{{Key: "_id", Value: bson.D{{Key: "x", Value: 1}}}, {Key: "k", Value: 1}})
	var id RecordID
	write(func(u *Unit) (err error) { id, err = u.Insert(doc, true); return err })
	check("a document", map[string]int64{"old": 2})
	if err := s.Modify(t.Context(), c, nil, map[string]bson.Raw{"old": marshal(t, bson.D{{Key: "name", Value: "old"}, {Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}, {Key: "hidden", Value: true}})}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateIndexes(t.Context(), c, all("new")); err != nil {
		t.Fatal(err)
	}
	check("beside a new index", map[string]int64{"old": 2, "new": 1})
	restart()
	check("after a restart", map[string]int64{"old": 2, "new": 1})
	write(func(u *Unit) error { return u.Delete(id, doc) })
	check("without documents", map[string]int64{"old": 0, "new": 0})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
