package store_test

import (
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/command"
	"regent/docdb/internal/store"
)

// A watcher that wants some entries of a database is woken by these and by no others, and knows how far it need not look.
func TestNarrowWatcher(t *testing.T) {
	s, err := store.Open(t.TempDir(), command.Language{}, store.Options{})
	must(t, err)
	defer s.Close()
	busy, rare, elsewhere := create(t, s, "app", "busy"), create(t, s, "app", "rare"), create(t, s, "other", "rare")
	asked := 0
	w := s.Watch("app", "", func(d *store.Def, kind string) bool {
		asked++
		return kind == store.OpCommand || d.Name == "rare"
	})
	defer w.Close()
	everything := s.Watch("app", "", nil)
	defer everything.Close()
	woken := func(w *store.Watcher) bool {
		select {
		case <-w.Wake():
			return true
		default:
			return false
		}
	}
	before := w.Last()
	for i := range 10 {
		insert(t, busy, s, i)
		insert(t, elsewhere, s, i)
	}
	if woken(w) || w.Last() != before {
		t.Error("woken by what is not wanted")
	}
	if asked > 1 {
		t.Errorf("asked %d times for one answer", asked)
	}
	if !woken(everything) || everything.Last() == before {
		t.Error("who wants everything was not woken")
	}
	insert(t, rare, s, 1)
	if !woken(w) || w.Last() == before {
		t.Error("not woken by what is wanted")
	}
	insert(t, busy, s, 11)
	if woken(w) {
		t.Error("woken again for the same entry")
	}
	must(t, s.Rename(elsewhere, "app", "moved", false))
	if !woken(w) {
		t.Error("not woken by a collection that moves in")
	}
}

// Who is woken while an entry is not yet durable is woken again when it is.
func TestNarrowWatcherSeesDurable(t *testing.T) {
	s, err := store.Open(t.TempDir(), command.Language{}, store.Options{})
	must(t, err)
	defer s.Close()
	busy, rare := create(t, s, "app", "busy"), create(t, s, "app", "rare")
	w := s.Watch("app", "", func(d *store.Def, kind string) bool { return d.Name == "rare" })
	defer w.Close()
	stop := make(chan struct{})
	var storm sync.WaitGroup
	defer storm.Wait()
	defer close(stop)
	for n := range 4 {
		storm.Go(func() {
			for i := n; ; i += 4 {
				select {
				case <-stop:
					return
				default:
					insert(t, busy, s, i)
				}
			}
		})
	}
	seen := make(chan uint64, 1)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-w.Wake():
				select {
				case <-seen:
				default:
				}
				seen <- s.Visible()
			}
		}
	}()
	for i := range 200 {
		ts, deadline := insert(t, rare, s, i), time.After(5*time.Second)
		for last := uint64(0); last < ts; {
			select {
			case last = <-seen:
			case <-deadline:
				t.Fatal("not woken after the entry became durable")
			}
		}
	}
}

func create(t *testing.T, s *store.Store, db, name string) *store.Collection {
	t.Helper()
	id, err := bson.Marshal(bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}})
	must(t, err)
	c, err := s.Create(store.NewCollection{DB: db, Name: name, ID: id})
	must(t, err)
	return c
}

func insert(t *testing.T, c *store.Collection, s *store.Store, id int) uint64 {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}})
	must(t, err)
	u, err := s.Begin(c)
	must(t, err)
	_, err = u.Insert(doc, false)
	must(t, err)
	ts, err := u.Commit(true)
	must(t, err)
	return ts
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
