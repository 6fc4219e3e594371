package plan

import (
	"bytes"
	"slices"
	"strings"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// wildcard plans a scan of a wildcard index: one path's conditions on plain values.
func wildcard(r *Request, c *conjunction, ix *store.Index) *Plan {
	if !bytes.Equal(r.Collation, ix.Collation) {
		return nil
	}
	f := ix.Keys.Fields[0]
	under := strings.TrimSuffix(strings.TrimSuffix(f.Path, "$**"), ".")
	var top *Plan
	best := 0
	for k := range c.conds {
		x := &c.conds[k]
		if !x.exists || !x.scalar || x.scope != 0 && x.value || numericPart(x.path) {
			continue
		}
		if under != "" && x.path != under && !strings.HasPrefix(x.path, under+".") {
			continue
		}
		if ix.Keys.Included != nil && !ix.Keys.Included(x.path) {
			continue
		}
		w := width(x.ivs)
		if top != nil && w >= best {
			continue
		}
		best = w
		pre := keys.AppendWildcardPath(append([]byte(nil), ix.Prefix()...), x.path)
		top = &Plan{Stage: IndexScan, Def: r.Def, Index: ix, Limited: 1, Sorted: r.Sort == nil,
			Bounds: []Bound{{Path: x.path, ivs: x.ivs, desc: f.Desc, collated: ix.Keys.Collator != nil}}}
		ivs := slices.Clone(x.ivs)
		if f.Desc {
			slices.Reverse(ivs)
		}
		for _, iv := range ivs {
			lo, hi := append([]byte(nil), pre...), append([]byte(nil), pre...)
			if f.Desc {
				lo, hi = iv.hi.descending(lo), iv.lo.descending(hi)
			} else {
				lo, hi = iv.lo.ascending(lo), iv.hi.ascending(hi)
			}
			top.Ranges = append(top.Ranges, Range{lo, hi})
		}
	}
	return top
}
