package plan

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// fieldIntervals gives the intervals of one field of an index and the conditions they come from; nil when nothing narrows it down.
func fieldIntervals(c *conjunction, f keys.Field, i int, ix *store.Index, multi uint64, sameCollation bool, used map[int]*condition) ([]interval, []*condition) {
	var list []*condition
	for k := range c.conds {
		x := &c.conds[k]
		if x.path != f.Path || x.text && !sameCollation {
			continue
		}
		if f.Kind == keys.Hashed {
			if x.eq == nil {
				continue
			}
		} else if f.Kind != keys.Plain {
			continue
		}
		// Two fields below one array are bounded together only by one $elemMatch: the conditions may be met by different elements.
		if multi&(1<<i) != 0 {
			ok := true
			for j, y := range used {
				if multi&(1<<j) != 0 && root(ix.Keys.Fields[j].Path) == root(f.Path) && (x.scope == 0 || x.scope != y.scope || x.value || y.value) {
					ok = false
				}
			}
			if !ok {
				continue
			}
		}
		list = append(list, x)
	}
	if len(list) == 0 {
		return nil, nil
	}
	if f.Kind == keys.Hashed {
		x := list[0]
		var out []interval
		for _, v := range x.eq {
			b := keys.AppendHash(nil, v, false, ix.Keys.Collator)
			out = append(out, interval{endpoint{b: b}, endpoint{b: b, after: true}})
			if v.Type == bson.TypeNull {
				u := keys.AppendHash(nil, bson.RawValue{Type: bson.TypeUndefined}, false, nil)
				out = append(out, interval{endpoint{b: u}, endpoint{b: u, after: true}})
			}
		}
		y := *x
		y.exact = false
		return normalize(out), []*condition{&y}
	}
	if multi&(1<<i) == 0 {
		ivs := list[0].ivs
		for _, x := range list[1:] {
			ivs = intersectLists(ivs, x.ivs)
		}
		return ivs, list
	}
	// Through an array only one condition counts, or those of one $elemMatch on the elements themselves.
	best, bestCond := list[0].ivs, list[0]
	for _, x := range list[1:] {
		if narrower(x.ivs, best) {
			best, bestCond = x.ivs, x
		}
	}
	for _, x := range list {
		if x.scope == 0 || !x.value {
			continue
		}
		ivs := x.ivs
		for _, y := range list {
			if y != x && y.value && y.scope == x.scope {
				ivs = intersectLists(ivs, y.ivs)
			}
		}
		if narrower(ivs, best) {
			best, bestCond = ivs, x
		}
	}
	return best, []*condition{bestCond}
}

// narrower guesses which of two lists of intervals finds less.
func narrower(a, b []interval) bool { return width(a) < width(b) }

func width(list []interval) int {
	w := 0
	for _, i := range list {
		switch {
		case i.point():
			w++
		case i.lo.typ && i.hi.typ:
			w += 1_000_000
			if i.lo.b[0] == 0 {
				w += 1_000_000
			}
		case i.lo.typ || i.hi.typ:
			w += 10_000
		default:
			w += 1000
		}
	}
	return w
}

func root(path string) string {
	if i := strings.IndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return path
}
