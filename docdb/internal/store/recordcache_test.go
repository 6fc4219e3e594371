package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/keys"
)

// written is a value of a key from a time on; nil where there is none.
type written struct {
	time  uint64
	value []byte
}

// history has all values of all keys.
type history map[string][]written

func (h history) at(key string, time uint64) (v []byte) {
	for _, w := range h[key] {
		if w.time <= time {
			v = w.value
		}
	}
	return v
}

// TestRecordCacheSerially has readers of all times, which may be slow between their read and what they keep of it, and writers of
// single keys and ranges take turns in every order, in a cache that is too small: what it gives is what was so at the reader's time.
func TestRecordCacheSerially(t *testing.T) {
	db, err := pebble.Open("", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &Store{records: newRecordCache(int64(3+r.IntN(20)) * chunkBytes)}
		c := s.records
		h := history{}
		now, hits := uint64(1), 0
		keys := 20 + r.IntN(3000)
		key := func() string { return string(appendRecordKey(nil, uint32(1+r.IntN(2)), RecordID(r.IntN(keys)))) }
		type slow struct {
			key  string
			from uint64
			v    []byte
		}
		var late []slow
		for step := range 60_000 {
			switch n := r.IntN(100); {
			case n < 20: // a batch
				b := db.NewBatch()
				now++
				for range 1 + r.IntN(4) {
					k := key()
					if r.IntN(5) == 0 {
						b.Delete([]byte(k), nil)
						h[k] = append(h[k], written{now, nil})
						continue
					}
					v := binary.BigEndian.AppendUint64(nil, uint64(step))
					v = append(v, make([]byte, r.IntN(1500))...)
					b.Set([]byte(k), v, nil)
					h[k] = append(h[k], written{now, v})
				}
				held, err := s.invalidate(b, now)
				if err != nil {
					t.Fatal(err)
				}
				if held {
					s.renew(b, now)
				}
				b.Close()
			case n == 20 && r.IntN(20) == 0: // a range
				b := db.NewBatch()
				now++
				lo := appendRecordKey(nil, 1, RecordID(r.IntN(keys)))
				hi := appendRecordKey(nil, uint32(1+r.IntN(2)), RecordID(keys))
				b.DeleteRange(lo, hi, nil)
				for k, ws := range h {
					if bytes.Compare([]byte(k), lo) >= 0 && bytes.Compare([]byte(k), hi) < 0 {
						h[k] = append(ws, written{now, nil})
					}
				}
				if _, err := s.invalidate(b, now); err != nil {
					t.Fatal(err)
				}
				b.Close()
			case n < 25 && len(late) > 0: // a slow reader keeps what it has read
				i := r.IntN(len(late))
				c.put([]byte(late[i].key), late[i].from, late[i].v)
				late = append(late[:i], late[i+1:]...)
			default:
				k, at := key(), now
				if r.IntN(3) == 0 {
					at -= min(at, uint64(r.IntN(50)))
				}
				sees := at
				if at == now && r.IntN(2) == 0 {
					sees = math.MaxUint64
				}
				want := h.at(k, at)
				got, ok := c.get([]byte(k), sees, nil)
				if ok {
					hits++
					if want == nil || !bytes.Equal(got, want) {
						t.Fatalf("seed %d, step %d: key %x at %d of %d: % .12x, not % .12x", seed, step, k, at, now, got, want)
					}
					continue
				}
				if want == nil {
					continue
				}
				// A state may have more than what is known of it.
				from := at - min(at, uint64(r.IntN(3)))
				if r.IntN(4) == 0 {
					late = append(late, slow{k, from, want})
				} else {
					c.put([]byte(k), from, want)
				}
			}
		}
		for i := range c.shards {
			c.shards[i].check(t)
		}
		if hits < 1000 {
			t.Errorf("seed %d: %d hits only", seed, hits)
		}
	}
}

// check compares a shard's slots with its chunks.
func (s *cacheShard) check(t *testing.T) {
	t.Helper()
	// Slots double at times, and what they then take was not foreseen.
	if n := len(s.chunks)*chunkBytes + 8*len(s.slots); n > s.most+s.most/4 {
		t.Errorf("%d bytes, not %d", n, s.most)
	}
	live := 0
	for i, b := range s.chunks {
		for at := 0; at < len(b); {
			e := entryAt(b[at:])
			if e[18]&flagLive != 0 {
				live++
				if j := s.find(e.key(), uint64(e.hash())<<32); j < 0 || uint32(s.slots[j]) != place(i, at) {
					t.Fatalf("the entry in chunk %d at %d has no slot", i, at)
				}
			}
			at += e.size()
		}
	}
	used := 0
	for _, v := range s.slots {
		if v != 0 {
			used++
		}
	}
	if live != s.n || used != s.n {
		t.Errorf("%d entries, %d slots, counted as %d", live, used, s.n)
	}
}

// TestRecordCacheBesideWriters has readers at snapshots of every age beside writers of single documents, of many, and transactions:
// each value is the one that the storage engine has for the snapshot, and the present never goes back.
func TestRecordCacheBesideWriters(t *testing.T) {
	s, err := Open(t.TempDir(), plain{}, Options{CacheBytes: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Create(NewCollection{DB: "app", Name: "items", Options: marshal(t, bson.D{}), ID: marshal(t, bson.D{{Key: "name", Value: "_id_"}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}})})
	if err != nil {
		t.Fatal(err)
	}
	if s.records == nil {
		t.Fatal("no cache of records")
	}
	const docs = 1500
	doc := func(i, n int) bson.Raw {
		j, b := bsoncore.AppendDocumentStart(nil)
		b = bsoncore.AppendInt32Element(b, "_id", int32(i))
		b = bsoncore.AppendInt64Element(b, "n", int64(n))
		b = bsoncore.AppendStringElement(b, "pad", fmt.Sprintf("%*d", 20+n%700, n))
		b, _ = bsoncore.AppendDocumentEnd(b, j)
		return b
	}
	u, err := s.Begin(c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range docs {
		if _, err := u.Insert(doc(i, 0), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.Commit(false); err != nil {
		t.Fatal(err)
	}
	number := func(d bson.Raw) int64 { return d.Lookup("n").Int64() }
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	var acknowledged [docs + 1]atomic.Int64 // by record
	for w := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 2))
			for range 3000 {
				id := RecordID(1 + r.IntN(docs))
				var u *Unit
				var tx *Txn
				var err error
				switch r.IntN(4) {
				case 0:
					tx = s.Start()
					u, err = tx.Begin(c)
				case 1:
					u, err = s.Begin(c)
				default:
					u, err = s.BeginOne(c)
				}
				if err != nil {
					t.Error(err)
					return
				}
				u.Lock(id)
				old, err := u.Read(id, nil)
				if err != nil {
					t.Error(err)
				}
				n := number(old) + 1
				err = u.Update(id, old, doc(int(id-1), int(n)), Change{})
				if _, held := Held(err); held || err == ErrWriteConflict {
					u.Rollback()
					if tx != nil {
						tx.Abort()
					}
					continue
				}
				if err != nil {
					t.Error(err)
				}
				_, err = u.Commit(false)
				if tx != nil && err == nil {
					if r.IntN(3) == 0 {
						tx.Abort()
						continue
					}
					_, err = tx.Commit(false)
				}
				if err != nil {
					t.Error(err)
					return
				}
				for a := &acknowledged[id]; ; {
					if was := a.Load(); was >= n || a.CompareAndSwap(was, n) {
						break
					}
				}
			}
		})
	}
	for w := range 3 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			var views []*SnapshotView
			for !stop.Load() {
				if len(views) < 5 {
					id := RecordID(1 + r.IntN(docs))
					least := acknowledged[id].Load()
					v := s.Snapshot()
					if now, err := v.Get(c.RecordKey(nil, id), nil); err != nil || number(now) < least {
						t.Errorf("a snapshot without what was acknowledged: record %d: %v, %d after %d", id, err, number(now), least)
					}
					views = append(views, v)
				}
				for range 50 {
					v := views[r.IntN(len(views))]
					id := RecordID(1 + r.IntN(docs))
					key := c.RecordKey(nil, id)
					if r.IntN(4) == 0 {
						key = keys.AppendField(bytes.Clone(c.Def().Indexes[0].prefix), doc(int(id-1), 0).Lookup("_id"), false, nil)
					}
					got, err := v.Get(key, nil)
					want, done, e := v.snap.Get(key)
					if err != nil || e != nil {
						t.Errorf("key %x: %v, %v", key, err, e)
						return
					}
					if !bytes.Equal(got, want) {
						t.Errorf("key %x at %d: % x, not % x", key, v.at, got, want)
					}
					done.Close()
					least := acknowledged[id].Load()
					now, err := s.Present().Get(c.RecordKey(nil, id), nil)
					if err != nil || number(now) < least {
						t.Errorf("record %d: %v, %d after %d", id, err, number(now), least)
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
	for i := range s.records.shards {
		s.records.shards[i].check(t)
	}
}
