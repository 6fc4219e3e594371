package plan

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

// endpoint is a place in the ascending order of encoded values: just before everything that begins with b, or just after it.
// With typ, b is one type byte and the place is before all values of that type and the types behind it.
type endpoint struct {
	b     []byte
	after bool
	typ   bool
}

func (e endpoint) ascending(dst []byte) []byte {
	dst = append(dst, e.b...)
	if e.after {
		dst = append(dst, 0xFF)
	}
	return dst
}

// descending is the same place where the bytes are inverted, and so the order is turned round.
func (e endpoint) descending(dst []byte) []byte {
	if e.typ {
		if e.b[0] == 0 {
			return append(dst, 0xFF)
		}
		return append(dst, byte(256-int(e.b[0])))
	}
	n := len(dst)
	dst = append(dst, e.b...)
	keys.Invert(dst[n:])
	if e.after {
		return dst
	}
	// Behind everything that begins with the inverted bytes: a string that ends here goes on with an inverted zero, which is 0xFF.
	for i := len(dst) - 1; i >= n; i-- {
		if dst[i] != 0xFF {
			dst[i]++
			return dst[:i+1]
		}
	}
	return append(dst, 0xFF)
}

func (e endpoint) compare(o endpoint) int {
	return bytes.Compare(e.ascending(nil), o.ascending(nil))
}

// interval is a range of values, from lo to hi.
type interval struct{ lo, hi endpoint }

func (i interval) empty() bool { return i.lo.compare(i.hi) >= 0 }

func (i interval) point() bool {
	return !i.lo.typ && !i.hi.typ && !i.lo.after && i.hi.after && bytes.Equal(i.lo.b, i.hi.b)
}

// full is all values.
var full = interval{endpoint{b: []byte{0}, typ: true}, endpoint{b: []byte{255}, typ: true}}

func typeInterval(t bson.Type) interval {
	lo, hi := keys.TypeRange(t)
	return interval{endpoint{b: []byte{lo}, typ: true}, endpoint{b: []byte{hi}, typ: true}}
}

func pointInterval(v bson.RawValue, c keys.Collator) interval {
	b := keys.AppendValue(nil, v, c)
	return interval{endpoint{b: b}, endpoint{b: b, after: true}}
}

// nullInterval has null, missing and undefined.
func nullInterval() interval {
	return interval{typeInterval(bson.TypeUndefined).lo, typeInterval(bson.TypeNull).hi}
}

func intersect(a, b interval) (interval, bool) {
	if b.lo.compare(a.lo) > 0 {
		a.lo = b.lo
	}
	if b.hi.compare(a.hi) < 0 {
		a.hi = b.hi
	}
	return a, !a.empty()
}

// intersectLists intersects two lists of disjoint intervals in order.
func intersectLists(a, b []interval) []interval {
	out := []interval{}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if x, ok := intersect(a[i], b[j]); ok {
			out = append(out, x)
		}
		if a[i].hi.compare(b[j].hi) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}

// normalize sorts intervals and joins those that overlap.
func normalize(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int { return a.lo.compare(b.lo) })
	out := list[:0]
	for _, i := range list {
		if i.empty() {
			continue
		}
		if n := len(out); n > 0 && i.lo.compare(out[n-1].hi) < 0 {
			if i.hi.compare(out[n-1].hi) > 0 {
				out[n-1].hi = i.hi
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// within reports whether every interval of a lies in one of b.
func within(a, b []interval) bool {
	for _, i := range a {
		found := false
		for _, j := range b {
			if j.lo.compare(i.lo) <= 0 && i.hi.compare(j.hi) <= 0 {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
