package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/value"
)

// Report is what Check found.
type Report struct {
	Documents int64
	Bytes     int64
	Invalid   int
	Keys      map[string]int64
	// Problems describes what is wrong, at most a hundred of them.
	Problems []string
}

const maxProblems = 100

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Check compares a collection's indexes with its documents: every key of every document is there, and there are no others. It also
// compares the stored count, when nobody writes meanwhile. looked, if not nil, is told now and then of the number of documents.
func (s *Store) Check(ctx context.Context, c *Collection, looked func(documents int64)) (*Report, error) {
	c.mu.Lock()
	d := c.def.Load()
	snap := s.Snapshot()
	count, size := c.Count(), c.Size()
	c.mu.Unlock()
	defer snap.Close()
	r := &Report{Keys: map[string]int64{}}
	want := map[string]int64{}
	lower, upper := c.Bounds()
	it, err := snap.Iter(lower, upper)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var set keys.Set
	var key []byte
	for ok := it.First(); ok; ok = it.Next() {
		if r.Documents++; r.Documents&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if looked != nil {
				looked(r.Documents)
			}
		}
		id, doc := RecordIDOf(it.Key()), it.Value()
		r.Bytes += int64(len(doc))
		if err := value.Validate(doc, 300); err != nil {
			r.Invalid++
			r.problem("record %d: %v", id, err)
			continue
		}
		for _, ix := range d.Indexes {
			if err := ix.Extract(doc, &set); err != nil {
				r.problem("record %d: index %s: %v", id, ix.Name, err)
				continue
			}
			want[ix.Name] += int64(len(set.Keys))
			for _, k := range set.Keys {
				key = append(append(key[:0], ix.prefix...), k...)
				if !ix.Unique {
					key = binary.BigEndian.AppendUint64(key, uint64(id))
				}
				v, done, err := snap.snap.Get(key) // what is stored, not what the cache has
				if err != nil {
					if !isNotFound(err) {
						return nil, err
					}
					r.problem("record %d: index %s lacks a key of it", id, ix.Name)
					continue
				}
				if ix.Unique && !bytes.Equal(v, binary.BigEndian.AppendUint64(nil, uint64(id))) {
					r.problem("record %d: index %s has its key for another record", id, ix.Name)
				}
				done.Close()
			}
		}
	}
	if err := it.Error(); err != nil {
		return nil, err
	}
	for _, ix := range d.Indexes {
		xi, err := snap.Iter(ix.prefix, ix.upper)
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for ok := xi.First(); ok && err == nil; ok = xi.Next() {
			if n++; n&0xffff == 0 {
				err = ctx.Err()
			}
		}
		if err == nil {
			err = xi.Error()
		}
		xi.Close()
		if err != nil {
			return nil, err
		}
		r.Keys[ix.Name] = n
		if n != want[ix.Name] {
			r.problem("index %s has %d keys, the documents have %d", ix.Name, n, want[ix.Name])
		}
	}
	if count != r.Documents || size != r.Bytes {
		r.problem("the count says %d documents of %d bytes, there are %d of %d", count, size, r.Documents, r.Bytes)
	}
	return r, nil
}
