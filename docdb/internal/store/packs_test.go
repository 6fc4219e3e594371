package store

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// packAt reads a pack's records with an iterator of the view, past the cache.
func (v *SnapshotView) packAt(t *testing.T, c *Collection, first RecordID, each func(id RecordID, doc []byte)) {
	it, err := v.Iter(c.RecordKey(nil, first), c.RecordKey(nil, first+PackRecords))
	if err != nil {
		t.Error(err)
		return
	}
	for ok := it.First(); ok; ok = it.Next() {
		each(RecordIDOf(it.Key()), it.Value())
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
}

// TestPacksBesideWriters has readers at snapshots of every age make and use packs beside writers that insert, change and remove: each
// pack has what the storage engine has for the snapshot.
func TestPacksBesideWriters(t *testing.T) {
	s, err := Open(t.TempDir(), plain{}, Options{CacheBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})})
	if err != nil {
		t.Fatal(err)
	}
	const packs = 12
	doc := func(id int64, n int) bson.Raw {
		b, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: n}, {Key: "pad", Value: strings.Repeat("x", n*n%1500)}})
		if err != nil {
			t.Error(err)
		}
		return b
	}
	var ids, highest atomic.Int64
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for i := range 5000 {
				u, err := s.BeginOne(c)
				if r.IntN(8) == 0 {
					u.Rollback()
					u, err = s.Begin(c)
				}
				if err != nil {
					t.Error(err)
					return
				}
				id := RecordID(1 + r.IntN(packs*PackRecords))
				u.Lock(id)
				old, err := u.Read(id, nil)
				switch {
				case err == ErrNotFound && highest.Load() < packs*PackRecords:
					n := ids.Add(1)
					if id, err = u.Insert(doc(n, i), false); err == nil && int64(id) > highest.Load() {
						highest.Store(int64(id))
					}
				case err == ErrNotFound:
					err = nil
				case r.IntN(4) == 0:
					err = u.Delete(id, old)
				default:
					err = u.Update(id, old, doc(old.Lookup("_id").Int64(), i), Change{})
				}
				if err == nil {
					_, err = u.Commit(false)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i%1000 == 0 {
					// What is applied as a range, as a drop is.
					b := s.db.NewBatch()
					lo := RecordID(r.IntN(packs * PackRecords))
					b.DeleteRange(c.RecordKey(nil, lo), c.RecordKey(nil, lo+200), nil)
					if _, err := s.apply(&write{b: b}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	var used, made atomic.Int64
	for w := range 3 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 6))
			var views []*SnapshotView
			var pk Packer
			for !stop.Load() {
				if len(views) < 4 {
					views = append(views, s.Snapshot())
				}
				for range 20 {
					v := views[r.IntN(len(views))]
					first := RecordID(r.IntN(packs+1) * PackRecords)
					p, wanted := v.Pack(c, first+RecordID(r.IntN(PackRecords)))
					if p == nil {
						if wanted || r.IntN(3) == 0 {
							pk.Reset()
							v.packAt(t, c, first, func(id RecordID, doc []byte) { pk.Add(id, doc) })
							pk.Keep(v, c, first)
							made.Add(1)
						}
						continue
					}
					used.Add(1)
					i := 0
					v.packAt(t, c, first, func(id RecordID, doc []byte) {
						if i < p.Len() {
							if got, raw := p.At(i); got != id || !bytes.Equal(raw, doc) || p.From(id) != i {
								t.Errorf("pack %d at %d: document %d is %d (from %d), not %d", first, v.at, i, got, p.From(id), id)
							}
						}
						i++
					})
					if i != p.Len() {
						t.Errorf("pack %d at %d has %d documents, not %d", first, v.at, p.Len(), i)
					}
				}
				if i := r.IntN(len(views)); r.IntN(3) == 0 {
					views[i].Close()
					views = append(views[:i], views[i+1:]...)
				}
			}
			for _, v := range views {
				v.Close()
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if used.Load() < 100 || made.Load() < 100 {
		t.Errorf("%d packs made and %d used", made.Load(), used.Load())
	}
	s.packs.mu.Lock()
	defer s.packs.mu.Unlock()
	bytes := int64(0)
	for _, p := range s.packs.packs {
		bytes += p.size()
	}
	if bytes != s.packs.bytes || bytes > s.packs.most {
		t.Errorf("%d bytes of packs, counted as %d, of at most %d", bytes, s.packs.bytes, s.packs.most)
	}
}

// TestPacksOfMoreThanThereIsRoomFor keeps the first of them as long as they are used.
func TestPacksOfMoreThanThereIsRoomFor(t *testing.T) {
	c := newPackCache(2 * maxPack)
	p := func() *Pack { return &Pack{data: make([]byte, maxPack/4)} }
	for n := range uint64(20) {
		c.put(packKey{1, n}, 1, p())
	}
	kept := 0
	for n := range uint64(20) {
		q, wanted := c.get(packKey{1, n}, 1)
		if q != nil {
			kept++
		}
		if _, again := c.get(packKey{1, n}, 1); wanted || again {
			t.Errorf("pack %d is wanted, and there is no room", n)
		}
	}
	if kept != 7 {
		t.Errorf("%d packs are kept, not 7", kept)
	}
	large := packKey{3, 0}
	c.full = 0
	c.get(large, 1)
	if _, wanted := c.get(large, 1); !wanted {
		t.Error("a pack that is read again is not wanted")
	}
	c.refuse(large)
	if _, wanted := c.get(large, 1); wanted {
		t.Error("a pack that is too large is wanted again")
	}
	for _, q := range c.packs {
		q.used.Store(0)
	}
	c.put(packKey{2, 0}, 1, p())
	if q, _ := c.get(packKey{2, 0}, 1); q == nil {
		t.Error("a pack did not take the place of one that nobody uses")
	}
}
