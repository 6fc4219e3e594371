package store

import (
	"bytes"

	"github.com/RaduBerinde/btreemap"
)

// overIter walks a snapshot's keys with a transaction's writes over them.
type overIter struct {
	base         Iter
	over         *btreemap.BTreeMap[[]byte, []byte]
	lower, upper []byte
	back         bool

	ok   bool // ok: the iterator stands on k, v
	k, v []byte
	ok2  bool // the overlay's next entry
	ok1  bool // the base's next entry
	ok2k []byte
	ok2v []byte
}

func (o *overIter) inBounds(k []byte) bool {
	return (o.lower == nil || bytes.Compare(k, o.lower) >= 0) && (o.upper == nil || bytes.Compare(k, o.upper) < 0)
}

func (o *overIter) overFirst(from btreemap.LowerBound[[]byte]) {
	o.ok2 = false
	o.over.AscendFunc(from, btreemap.Max[[]byte](), func(k, v []byte) bool {
		if o.inBounds(k) {
			o.ok2, o.ok2k, o.ok2v = true, k, v
		}
		return false
	})
}

func (o *overIter) overLast(from btreemap.UpperBound[[]byte]) {
	o.ok2 = false
	o.over.DescendFunc(from, btreemap.Min[[]byte](), func(k, v []byte) bool {
		if o.inBounds(k) {
			o.ok2, o.ok2k, o.ok2v = true, k, v
		}
		return false
	})
}

// settle picks the nearer of the two next entries, skipping what the transaction has removed.
func (o *overIter) settle() bool {
	for {
		if !o.ok1 && !o.ok2 {
			o.ok = false
			return false
		}
		c := 0
		switch {
		case !o.ok1:
			c = 1
		case !o.ok2:
			c = -1
		default:
			c = bytes.Compare(o.base.Key(), o.ok2k)
			if o.back {
				c = -c
			}
		}
		if c < 0 {
			// Copied: the base moves before the caller is done with the entry.
			o.k, o.v = append(o.k[:0:0], o.base.Key()...), append(o.v[:0:0], o.base.Value()...)
			o.step1()
			o.ok = true
			return true
		}
		k, v := o.ok2k, o.ok2v
		if c == 0 {
			o.step1()
		}
		if o.back {
			o.overLast(btreemap.LT(k))
		} else {
			o.overFirst(btreemap.GT(k))
		}
		if v[0] != 0 {
			o.k, o.v, o.ok = k, v[1:], true
			return true
		}
	}
}

func (o *overIter) step1() {
	if o.back {
		o.ok1 = o.base.Prev()
	} else {
		o.ok1 = o.base.Next()
	}
}

func (o *overIter) First() bool {
	o.back = false
	o.ok1 = o.base.First()
	if o.lower != nil {
		o.overFirst(btreemap.GE(o.lower))
	} else {
		o.overFirst(btreemap.Min[[]byte]())
	}
	return o.settle()
}

func (o *overIter) Last() bool {
	o.back = true
	o.ok1 = o.base.Last()
	if o.upper != nil {
		o.overLast(btreemap.LT(o.upper))
	} else {
		o.overLast(btreemap.Max[[]byte]())
	}
	return o.settle()
}

func (o *overIter) SeekGE(key []byte) bool {
	o.back = false
	o.ok1 = o.base.SeekGE(key)
	if o.lower != nil && bytes.Compare(key, o.lower) < 0 {
		key = o.lower
	}
	o.overFirst(btreemap.GE(key))
	return o.settle()
}

func (o *overIter) SeekLT(key []byte) bool {
	o.back = true
	o.ok1 = o.base.SeekLT(key)
	if o.upper != nil && bytes.Compare(key, o.upper) > 0 {
		key = o.upper
	}
	o.overLast(btreemap.LT(key))
	return o.settle()
}

func (o *overIter) Next() bool {
	if !o.ok {
		return false
	}
	if o.back {
		return o.SeekGE(append(bytes.Clone(o.k), 0))
	}
	return o.settle()
}

func (o *overIter) Prev() bool {
	if !o.ok {
		return false
	}
	if !o.back {
		return o.SeekLT(bytes.Clone(o.k))
	}
	return o.settle()
}

func (o *overIter) Valid() bool   { return o.ok }
func (o *overIter) Key() []byte   { return o.k }
func (o *overIter) Value() []byte { return o.v }
func (o *overIter) Error() error  { return o.base.Error() }
func (o *overIter) Close() error  { return o.base.Close() }
