package store

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

// What a unit writes into the indexes of its collection.

// extract fills set with the index's keys for doc; none when the index does not cover it.
func (u *Unit) extract(ix *Index, doc bson.Raw, set *keys.Set) error { return ix.Extract(doc, set) }

// Extract fills set with the index's keys for doc; none when the index does not cover it.
func (ix *Index) Extract(doc bson.Raw, set *keys.Set) error {
	if ix.Covers != nil {
		ok, err := ix.Covers(doc)
		if err != nil {
			return err
		}
		if !ok {
			set.Keys, set.Multikey = set.Keys[:0], 0
			return nil
		}
	}
	return ix.Keys.Extract(doc, set)
}

// difference splits two sorted lists into what is only in a and what is only in b.
func difference(a, b [][]byte) (onlyA, onlyB [][]byte) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch c := bytes.Compare(a[i], b[j]); {
		case c == 0:
			i++
			j++
		case c < 0:
			onlyA = append(onlyA, a[i])
			i++
		default:
			onlyB = append(onlyB, b[j])
			j++
		}
	}
	onlyA = append(onlyA, a[i:]...)
	onlyB = append(onlyB, b[j:]...)
	return onlyA, onlyB
}

// checkUnique fails when another record has the key.
func (u *Unit) checkUnique(ix *Index, k []byte, self RecordID, doc bson.Raw) error {
	u.buf = append(append(u.buf[:0], ix.prefix...), k...)
	if err := u.hold(u.buf); err != nil {
		return err
	}
	if !ix.Unique { // prepareUnique: entries carry the record in the key
		it, err := u.view.Iter(u.buf, successor(u.buf))
		if err != nil {
			return err
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if r := recordIDOf(it.Key()[len(it.Key())-8:]); r != self && len(it.Key()) == len(u.buf)+8 {
				return u.duplicate(ix, doc, r, k)
			}
		}
		return it.Error()
	}
	if r, ok := u.pend[string(u.buf)]; ok {
		if r != 0 && r != self {
			return u.duplicate(ix, doc, r, k)
		}
		return nil
	}
	if ix.IsID() {
		if above, err := u.c.above(ix, u.buf); above || err != nil {
			return err
		}
	}
	var rb [8]byte
	b, err := u.view.Get(u.buf, rb[:0])
	if err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	if r := recordIDOf(b); r != self {
		return u.duplicate(ix, doc, r, k)
	}
	return nil
}

func (u *Unit) duplicate(ix *Index, doc bson.Raw, found RecordID, key []byte) error {
	return &DuplicateKeyError{DB: u.def.DB, Coll: u.def.Name, Index: ix, Values: ix.Keys.ValuesOf(doc, key), Found: found}
}

// putKey writes an index entry.
func (u *Unit) putKey(ix *Index, k []byte, id RecordID) error {
	u.buf = append(append(u.buf[:0], ix.prefix...), k...)
	if !ix.Unique {
		u.buf = binary.BigEndian.AppendUint64(u.buf, uint64(id))
		return u.set(u.buf, nil)
	}
	if ix.IsID() {
		u.c.raise(u.buf)
	}
	if u.txn == nil && !u.one {
		if u.pend == nil {
			u.pend = map[string]RecordID{}
		}
		u.pend[string(u.buf)] = id
	}
	var v [8]byte
	binary.BigEndian.PutUint64(v[:], uint64(id))
	return u.set(u.buf, v[:])
}

// removeKey removes an index entry.
func (u *Unit) removeKey(ix *Index, k []byte, id RecordID) error {
	u.buf = append(append(u.buf[:0], ix.prefix...), k...)
	if !ix.Unique {
		u.buf = binary.BigEndian.AppendUint64(u.buf, uint64(id))
		return u.del(u.buf)
	}
	if u.txn == nil && !u.one {
		if u.pend == nil {
			u.pend = map[string]RecordID{}
		}
		if r, ok := u.pend[string(u.buf)]; ok && r != id {
			return nil // another document of this unit has taken the key over
		}
		u.pend[string(u.buf)] = 0
	}
	return u.del(u.buf)
}

func (u *Unit) noteMultikey(ix *Index, bits uint64) {
	if bits == 0 || ix.multikey.stored.Load()&bits == bits {
		return
	}
	ix.multikey.seen.Or(bits)
	u.changed = true
}
