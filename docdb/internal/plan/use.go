package plan

import (
	"bytes"
	"slices"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// maxRanges bounds the ranges of one index scan; longer $in lists are narrowed down by fewer fields, or scanned as one range.
const maxRanges = 20_000

// use plans a scan of one index; nil when the index cannot serve.
func use(r *Request, c *conjunction, ix *store.Index) *Plan {
	if r.Min != nil || r.Max != nil {
		return between(r, ix)
	}
	spec := &ix.Keys
	if r.Text != nil && !hasText(spec) {
		return nil // a $text is answered by the text index, as its score is
	}
	if at := spec.WildcardAt(); at >= 0 {
		return wildcard(r, c, ix, at)
	}
	geo := -1
	for i, f := range spec.Fields {
		if f.Kind == keys.Text && r.Text == nil {
			return nil
		}
		if (f.Kind == keys.Geo || f.Kind == keys.Text) && geo < 0 {
			geo = i
		}
	}
	if geo >= 0 && spec.Fields[geo].Kind == keys.Geo && !r.geoOn(spec.Fields[geo].Path) {
		return nil // documents without a position are not in the index
	}
	sameCollation := bytes.Equal(r.Collation, ix.Collation)
	if r.Text != nil {
		sameCollation = r.Collation == nil
	}
	if ix.Partial != nil && !implied(r, c, ix) && r.Hint == nil {
		return nil
	}
	multi := ix.Multikey()
	p := &Plan{Stage: IndexScan, Def: r.Def, Index: ix, Distinct: multi == 0}
	prefixes := [][]byte{ix.Prefix()}
	exists := false
	points := true // all the fields so far hold points only
	fixed := 0     // the number of leading fields that hold one point
	used := map[int]*condition{}
	bounding := 0 // how many conditions bound a field
	exact := c.whole && multi == 0 && !ix.Sparse && ix.Partial == nil
	var ranges []Range
	for i, f := range spec.Fields {
		ivs, conds := fieldIntervals(c, f, i, ix, multi, sameCollation, used)
		if conds != nil {
			for _, x := range conds {
				exists = exists || x.exists
			}
			used[i] = conds[len(conds)-1]
			bounding += len(conds)
		}
		if f.Kind == keys.Geo || f.Kind == keys.Text {
			exact, exists = false, true
			if i == geo && points {
				if f.Kind == keys.Geo {
					ranges = r.geoScan(ix, f.Path, prefixes)
				} else {
					ranges = r.textScan(prefixes)
				}
				p.Bounds = append(p.Bounds, Bound{Path: f.Path, text: "cells"})
				p.Limited++
				p.Distinct = false
			}
			points = false
			continue
		}
		if !points {
			if conds != nil {
				exact = false
			}
			continue
		}
		if ivs == nil {
			p.Bounds = append(p.Bounds, Bound{Path: f.Path, desc: f.Desc})
			points = false
			continue
		}
		for _, x := range conds {
			exact = exact && x.exact
		}
		if len(ivs) == 0 {
			return &Plan{Stage: Nothing, Def: r.Def, Distinct: true, Sorted: true, Limited: 1}
		}
		allPoints := true
		for _, iv := range ivs {
			if !iv.point() {
				allPoints = false
			}
		}
		if f.Kind == keys.Hashed && !allPoints {
			p.Bounds = append(p.Bounds, Bound{Path: f.Path, desc: f.Desc})
			points = false
			continue
		}
		if len(prefixes)*len(ivs) > maxRanges {
			lo, hi := ivs[0], ivs[len(ivs)-1]
			ivs, allPoints, exact = []interval{{lo.lo, hi.hi}}, false, false
			if len(prefixes) > maxRanges {
				points = false
				p.Bounds = append(p.Bounds, Bound{Path: f.Path, desc: f.Desc})
				continue
			}
		}
		full := len(ivs) == 1 && ivs[0].lo.typ && ivs[0].hi.typ && ivs[0].lo.b[0] == 0 && ivs[0].hi.b[0] == 255
		p.Bounds = append(p.Bounds, Bound{Path: f.Path, ivs: ivs, desc: f.Desc, collated: ix.Keys.Collator != nil})
		if !full {
			p.Limited++
		}
		if f.Desc {
			ivs = slices.Clone(ivs)
			slices.Reverse(ivs)
		}
		if allPoints {
			next := make([][]byte, 0, len(prefixes)*len(ivs))
			for _, pre := range prefixes {
				for _, iv := range ivs {
					b := append(make([]byte, 0, len(pre)+len(iv.lo.b)), pre...)
					n := len(b)
					b = append(b, iv.lo.b...)
					if f.Desc {
						keys.Invert(b[n:])
					}
					next = append(next, b)
				}
			}
			prefixes = next
			if len(ivs) == 1 && fixed == i {
				fixed++
			}
			continue
		}
		points = false
		for _, pre := range prefixes {
			for _, iv := range ivs {
				lo, hi := append([]byte(nil), pre...), append([]byte(nil), pre...)
				if f.Desc {
					lo, hi = iv.hi.descending(lo), iv.lo.descending(hi)
				} else {
					lo, hi = iv.lo.ascending(lo), iv.hi.ascending(hi)
				}
				ranges = append(ranges, Range{lo, hi})
			}
		}
	}
	if ranges == nil {
		for _, pre := range prefixes {
			ranges = append(ranges, prefixRange(pre, ix))
		}
	}
	if ix.Sparse && !exists && r.Hint == nil {
		return nil
	}
	p.Ranges = ranges
	// Conditions on other paths are left to the matcher.
	p.Exact = exact && bounding == len(c.conds) && len(c.ors) == 0 && p.Limited == len(used)
	if r.Sort == nil {
		p.Sorted = true
	} else if sameCollation && multi == 0 {
		p.Sorted, p.Reverse = order(r.Sort, spec.Fields, fixed)
	}
	if p.Limited == 0 && !(p.Sorted && r.Sort != nil) && r.Hint == nil {
		return nil
	}
	return p
}

func prefixRange(pre []byte, ix *store.Index) Range {
	if len(pre) == len(ix.Prefix()) {
		return Range{ix.Prefix(), ix.Upper()}
	}
	return Range{pre, append(append([]byte(nil), pre...), 0xFF)}
}
