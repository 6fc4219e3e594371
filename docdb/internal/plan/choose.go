package plan

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/store"
)

// maxRanges bounds the ranges of one index scan; longer $in lists are narrowed down by fewer fields, or scanned as one range.
const maxRanges = 20_000

// SortField is a field to sort by.
type SortField struct {
	Path string
	Desc bool
}

// Request says what documents are wanted.
type Request struct {
	Def    *store.Def
	Filter bson.Raw
	// Collation is the query's collation document (nil: simple), Collator what it compiles to.
	Collation bson.Raw
	Collator  keys.Collator
	// Sort is nil when no order is wanted, or when an index cannot give it.
	Sort []SortField
	// Hint is the index to use, Natural says to walk the collection (-1: from its end).
	Hint    *store.Index
	Natural int
	// Min and Max bound the keys of the hinted index.
	Min, Max bson.Raw
	// Geo are the geographic conditions that all results satisfy.
	Geo []GeoCondition
	// Text are the tokens of a $text of which every result has one; nil without a $text.
	Text [][]byte
	// Snapshot is the time of the view that is read; indexes built later are not used.
	Snapshot uint64
}

// GeoCondition gives the ranges of tokens, in order, in which a geo index has the documents that satisfy a condition.
type GeoCondition struct {
	Path   string
	Ranges func(ix *store.Index, path string) []Range
}

// Stage is the kind of a plan.
type Stage string

// The kinds of plan.
const (
	CollScan  Stage = "COLLSCAN"
	IndexScan Stage = "IXSCAN"
	Union     Stage = "OR"
	Nothing   Stage = "EOF"
)

// Range is a range of keys of the store, [Low, High).
type Range struct{ Low, High []byte }

// Plan is how documents are found.
type Plan struct {
	Stage Stage
	Def   *store.Def
	// Index and Ranges are for IndexScan; the ranges are in the index's order and do not overlap.
	Index  *store.Index
	Ranges []Range
	// Bounds describe the ranges, field by field, for explain.
	Bounds []Bound
	// Reverse walks from the end.
	Reverse bool
	// Sorted says that the documents come in the wanted order.
	Sorted bool
	// Distinct says that no document can come twice.
	Distinct bool
	// Exact says that every key in the ranges belongs to a document that matches, so that counting needs no documents.
	Exact bool
	// Branches are the plans of Union.
	Branches []*Plan
	// Limited is the number of fields that ranges narrow down.
	Limited int
}

// Make chooses a plan.
func Make(r *Request) *Plan {
	if r.Natural != 0 {
		return &Plan{Stage: CollScan, Def: r.Def, Reverse: r.Natural < 0, Distinct: true, Sorted: r.Sort == nil}
	}
	c := analyze(r.Filter, r.Collator)
	if p := best(r, c); p != nil {
		return p
	}
	return &Plan{Stage: CollScan, Def: r.Def, Distinct: true, Sorted: r.Sort == nil}
}

// best gives the best plan that uses an index, or nil.
func best(r *Request, c *conjunction) *Plan {
	var top *Plan
	var topScore int
	for _, ix := range r.Def.Indexes {
		if r.Hint != nil {
			if ix != r.Hint {
				continue
			}
		} else if ix.Hidden || ix.Built > r.Snapshot && r.Snapshot != 0 {
			continue
		}
		p := use(r, c, ix)
		if p == nil {
			continue
		}
		if s := score(p, r); top == nil || s > topScore {
			top, topScore = p, s
		}
	}
	if r.Hint != nil {
		return top
	}
	if top != nil && top.Limited > 0 {
		return top
	}
	if u := union(r, c); u != nil {
		return u
	}
	return top
}

// score orders plans: more fields that hold one value first, then other narrowed fields, then order.
func score(p *Plan, r *Request) int {
	s := 0
	if p.Stage == Nothing {
		return 1 << 30
	}
	points := 0
	for _, b := range p.Bounds {
		if b.text == "" && b.ivs == nil {
			break
		}
		points++
	}
	one := len(p.Ranges) == 1 && p.Index.Unique && p.Limited == len(p.Index.Keys.Fields) && p.Exact
	if one {
		s += 100_000
	}
	s += p.Limited * 1000
	s += points * 100
	if p.Sorted && r.Sort != nil {
		s += 500
	}
	if p.Index.IsID() {
		s += 5
	}
	return s*32 - len(p.Index.Keys.Fields)
}

// union plans an $or whose branches all have an index.
func union(r *Request, c *conjunction) *Plan {
	for _, or := range c.ors {
		p := &Plan{Stage: Union, Def: r.Def, Limited: 1}
		ok := true
		for _, b := range or {
			br := *r
			br.Sort = nil
			x := best(&br, b)
			if x == nil || x.Limited == 0 {
				ok = false
				break
			}
			if x.Stage == Union {
				p.Branches = append(p.Branches, x.Branches...)
				continue
			}
			p.Branches = append(p.Branches, x)
		}
		if ok && len(p.Branches) > 0 {
			p.Sorted = r.Sort == nil
			return p
		}
	}
	return nil
}

// use plans a scan of one index; nil when the index cannot serve.
func use(r *Request, c *conjunction, ix *store.Index) *Plan {
	if r.Min != nil || r.Max != nil {
		return between(r, ix)
	}
	spec := &ix.Keys
	if r.Text != nil && !hasText(spec) {
		return nil // a $text is answered by the text index, as its score is
	}
	if len(spec.Fields) == 1 && spec.Fields[0].Kind == keys.Wildcard {
		return wildcard(r, c, ix)
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
	exact := c.whole && multi == 0 && !ix.Sparse && ix.Partial == nil
	var ranges []Range
	for i, f := range spec.Fields {
		ivs, conds := fieldIntervals(c, f, i, ix, multi, sameCollation, used)
		if conds != nil {
			for _, x := range conds {
				exists = exists || x.exists
			}
			used[i] = conds[len(conds)-1]
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
	// Conditions on other paths, or several on one path, are left to the matcher.
	n := 0
	for range used {
		n++
	}
	p.Exact = exact && n == len(c.conds) && len(c.ors) == 0 && p.Limited == n
	if r.Sort == nil {
		p.Sorted = true
	} else if sameCollation && multi == 0 {
		p.Sorted, p.Reverse = order(r.Sort, spec.Fields, fixed, len(prefixes))
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

// order reports whether a scan of the index gives the wanted order, from its start or from its end. The first fixed fields hold
// one value each; when there are several prefixes, only those fields are in order.
func order(sort []SortField, fields []keys.Field, fixed, prefixes int) (ok, reverse bool) {
	isFixed := func(path string) bool {
		for _, f := range fields[:fixed] {
			if f.Path == path {
				return true
			}
		}
		return false
	}
	if prefixes > 1 {
		// $in on a field before: the scan is in the index's order all the same, if the sort begins with the index's own fields.
		fixed = 0
	}
	i := fixed
	decided := false
	for _, s := range sort {
		if prefixes <= 1 && isFixed(s.Path) {
			continue
		}
		if i >= len(fields) || fields[i].Path != s.Path || fields[i].Kind != keys.Plain {
			return false, false
		}
		rev := fields[i].Desc != s.Desc
		if decided && rev != reverse {
			return false, false
		}
		decided, reverse = true, rev
		i++
	}
	return true, reverse
}

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
		if len(list) > 1 {
			y := *list[0]
			y.exact = false
			for _, x := range list[1:] {
				y.exists = y.exists || x.exists
			}
			return ivs, []*condition{&y}
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

// between plans a scan of the hinted index from key min to key max.
func between(r *Request, ix *store.Index) *Plan {
	lo, hi := ix.Prefix(), ix.Upper()
	if r.Min != nil {
		lo = KeyOf(ix, r.Min)
	}
	if r.Max != nil {
		hi = KeyOf(ix, r.Max)
	}
	p := &Plan{Stage: IndexScan, Def: r.Def, Index: ix, Ranges: []Range{{lo, hi}}, Distinct: ix.Multikey() == 0, Limited: 1}
	if r.Sort == nil {
		p.Sorted = true
	} else if ix.Multikey() == 0 && bytes.Equal(r.Collation, ix.Collation) {
		p.Sorted, p.Reverse = order(r.Sort, ix.Keys.Fields, 0, 1)
	}
	return p
}

// KeyOf gives the store's key for the values of an index's fields, in their order.
func KeyOf(ix *store.Index, vals bson.Raw) []byte {
	key := append([]byte(nil), ix.Prefix()...)
	els, _ := vals.Elements()
	for i, f := range ix.Keys.Fields {
		if i < len(els) {
			key = keys.AppendField(key, els[i].Value(), f.Desc, ix.Keys.Collator)
		}
	}
	return key
}

// implied reports whether every document that matches is in a partial index: each condition of the index's filter has one in the query
// whose values lie within.
func implied(r *Request, c *conjunction, ix *store.Index) bool {
	if !bytes.Equal(r.Collation, ix.Collation) {
		return false
	}
	p := analyze(ix.Partial, ix.Keys.Collator)
	return implies(c, p, ix.Partial)
}

func implies(c, p *conjunction, filter bson.Raw) bool {
	if len(p.ors) > 0 || !simplePartial(filter) {
		return false
	}
	for _, want := range p.conds {
		found := false
		for _, have := range c.conds {
			if have.path != want.path || have.scope != 0 && have.value {
				continue
			}
			if want.exists && !have.exists {
				continue
			}
			if within(have.ivs, want.ivs) {
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

// simplePartial reports whether a partial filter is made of conditions whose intervals say all of it.
func simplePartial(f bson.Raw) bool {
	els, err := f.Elements()
	if err != nil {
		return false
	}
	for _, e := range els {
		switch k := e.Key(); {
		case k == "$and":
			arr, ok := e.Value().ArrayOK()
			if !ok {
				return false
			}
			vals, _ := arr.Values()
			for _, v := range vals {
				d, ok := v.DocumentOK()
				if !ok || !simplePartial(d) {
					return false
				}
			}
		case strings.HasPrefix(k, "$"):
			return false
		case operators(e.Value()):
			ops, _ := e.Value().Document().Elements()
			for _, o := range ops {
				switch o.Key() {
				case "$eq", "$gt", "$gte", "$lt", "$lte", "$in":
					switch o.Value().Type {
					case bson.TypeNull, bson.TypeEmbeddedDocument, bson.TypeMinKey, bson.TypeMaxKey, bson.TypeRegex, bson.TypeUndefined:
						return false
					case bson.TypeArray:
						if o.Key() != "$in" {
							return false
						}
						vals, _ := o.Value().Array().Values()
						for _, v := range vals {
							if v.Type == bson.TypeArray || v.Type == bson.TypeRegex || v.Type == bson.TypeNull {
								return false
							}
						}
					}
				case "$exists":
					if b, ok := o.Value().BooleanOK(); ok && !b {
						return false
					}
				default:
					return false
				}
			}
		default:
			switch e.Value().Type {
			case bson.TypeNull, bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
				return false
			}
		}
	}
	return true
}

// Whole plans a scan of the whole hinted index, where its conditions do not narrow it down.
func Whole(d *store.Def, ix *store.Index, r *Request) *Plan {
	if len(ix.Keys.Fields) == 1 && ix.Keys.Fields[0].Kind != keys.Plain && ix.Keys.Fields[0].Kind != keys.Hashed {
		return nil
	}
	return &Plan{Stage: IndexScan, Def: d, Index: ix, Ranges: []Range{{ix.Prefix(), ix.Upper()}}, Sorted: r.Sort == nil}
}

func (r *Request) geoOn(path string) bool {
	for _, g := range r.Geo {
		if g.Path == path {
			return true
		}
	}
	return false
}

// geoScan gives the ranges of a geo field behind each prefix: those of the condition with the fewest.
func (r *Request) geoScan(ix *store.Index, path string, prefixes [][]byte) []Range {
	var best []Range
	for _, g := range r.Geo {
		if g.Path != path {
			continue
		}
		if l := g.Ranges(ix, path); best == nil || len(l) < len(best) {
			best = l
		}
	}
	out := []Range{}
	for _, pre := range prefixes {
		for _, t := range best {
			out = append(out, Range{append(append([]byte(nil), pre...), t.Low...), append(append([]byte(nil), pre...), t.High...)})
		}
	}
	return out
}

func hasText(s *keys.Spec) bool {
	for _, f := range s.Fields {
		if f.Kind == keys.Text {
			return true
		}
	}
	return false
}

// textScan gives the ranges of the terms behind each prefix.
func (r *Request) textScan(prefixes [][]byte) []Range {
	tokens := slices.Clone(r.Text)
	slices.SortFunc(tokens, bytes.Compare)
	tokens = slices.CompactFunc(tokens, bytes.Equal)
	out := []Range{}
	for _, pre := range prefixes {
		for _, t := range tokens {
			lo := append(append([]byte(nil), pre...), t...)
			out = append(out, Range{lo, append(append([]byte(nil), lo...), 0xFF)})
		}
	}
	return out
}
