package plan

import (
	"bytes"
	"slices"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// wildcard plans a scan of a wildcard index: one path's conditions on plain values, behind and before those on the fields beside it.
// Without a path, the fields before the wildcard find documents by themselves: each has a key there.
func wildcard(r *Request, c *conjunction, ix *store.Index, at int) *Plan {
	if !bytes.Equal(r.Collation, ix.Collation) {
		return nil
	}
	if ix.Partial != nil && !implied(r, c, ix) && r.Hint == nil {
		return nil
	}
	s := wildcardScan{conj: c, ix: ix}
	s.plan = &Plan{Stage: IndexScan, Def: r.Def, Index: ix, Sorted: r.Sort == nil}
	s.prefixes = [][]byte{ix.Prefix()}
	for i := range at {
		s.beside(i)
	}
	if x := narrowest(c, ix, at); x != nil && s.prefixes != nil {
		for i, pre := range s.prefixes {
			s.prefixes[i] = keys.AppendWildcardPath(slices.Clone(pre), x.path)
		}
		name := value.Show(value.String(x.path))
		s.plan.Bounds = append(s.plan.Bounds, Bound{Path: "$_path", text: "[" + name + ", " + name + "]"})
		s.field(x.path, at, x.ivs)
		for i := at + 1; i < len(ix.Keys.Fields); i++ {
			s.beside(i)
		}
	}
	p := s.plan
	if s.none {
		return &Plan{Stage: Nothing, Def: r.Def, Distinct: true, Sorted: true, Limited: 1}
	}
	for _, pre := range s.prefixes {
		p.Ranges = append(p.Ranges, prefixRange(pre, ix))
	}
	if p.Limited == 0 {
		return nil
	}
	return p
}

// narrowest finds the condition on a path of the wildcard that finds least. It must hold of a key of every document that matches: the
// path exists, and its value is not a document or an array, whose members and elements have the keys.
func narrowest(c *conjunction, ix *store.Index, at int) *condition {
	var top *condition
	for k := range c.conds {
		x := &c.conds[k]
		if !x.exists || !x.scalar || numericPart(x.path) || !ix.Keys.Reaches(at, x.path) {
			continue
		}
		if top == nil || width(x.ivs) < width(top.ivs) {
			top = x
		}
	}
	return top
}

// wildcardScan collects the ranges of a scan field by field.
type wildcardScan struct {
	conj *conjunction
	ix   *store.Index
	plan *Plan
	// prefixes begin the keys wanted; nil once a field is no list of points, and ranges have been made.
	prefixes [][]byte
	none     bool
}

// beside narrows the scan down by a field beside the wildcard, which holds no arrays.
func (s *wildcardScan) beside(i int) {
	if s.prefixes == nil {
		return
	}
	f := s.ix.Keys.Fields[i]
	ivs, _ := fieldIntervals(s.conj, f, i, s.ix, 0, true, nil)
	if ivs == nil {
		ivs = []interval{full}
	}
	s.field(f.Path, i, ivs)
}

// field narrows the scan down by the intervals of a field.
func (s *wildcardScan) field(path string, i int, ivs []interval) {
	f := s.ix.Keys.Fields[i]
	if len(ivs) == 0 {
		s.none = true
	}
	if len(s.prefixes)*len(ivs) > maxRanges {
		ivs = []interval{{ivs[0].lo, ivs[len(ivs)-1].hi}}
	}
	points, all := true, len(ivs) == 1 && ivs[0].lo.compare(full.lo) == 0 && ivs[0].hi.compare(full.hi) == 0
	for _, iv := range ivs {
		points = points && iv.point()
	}
	s.plan.Bounds = append(s.plan.Bounds, Bound{Path: path, ivs: ivs, desc: f.Desc, collated: s.ix.Keys.Collator != nil})
	if all && f.Kind != keys.Wildcard {
		for _, pre := range s.prefixes {
			s.plan.Ranges = append(s.plan.Ranges, prefixRange(pre, s.ix))
		}
		s.prefixes = nil
		return
	}
	s.plan.Limited++
	if f.Desc {
		ivs = slices.Clone(ivs)
		slices.Reverse(ivs)
	}
	var next [][]byte
	for _, pre := range s.prefixes {
		for _, iv := range ivs {
			if points {
				b := append(slices.Clone(pre), iv.lo.b...)
				if f.Desc {
					keys.Invert(b[len(pre):])
				}
				next = append(next, b)
				continue
			}
			lo, hi := slices.Clone(pre), slices.Clone(pre)
			if f.Desc {
				lo, hi = iv.hi.descending(lo), iv.lo.descending(hi)
			} else {
				lo, hi = iv.lo.ascending(lo), iv.hi.ascending(hi)
			}
			s.plan.Ranges = append(s.plan.Ranges, Range{lo, hi})
		}
	}
	s.prefixes = next
}
