package command

import (
	"cmp"
	"container/heap"
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/geo"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/store"
)

// nearest gives documents by distance; those equally far in natural order. Where the plan goes through the geo index of the path, it walks
// the index in growing rings, and gives out what is within a ring before it looks at the next; otherwise it measures all that the plan finds.
// It holds the distances and records of what it has found and not given out yet, not the documents.
type nearest struct {
	c       *call
	coll    *store.Collection
	def     *store.Def
	view    store.View
	q       *query
	s       *specialSearch
	release func()

	index   *store.Index // nil: everything is measured at once
	grid    geo.Grid
	visited []geo.Range
	radius  float64 // of the last ring: everything within has been found
	whole   bool    // everything has been found
	found   distants
	last    distant // given out
	doc     []byte
	stats   plan.Stats
	use     *plan.Plan
}

type distant struct {
	d  float64
	id store.RecordID
}

func (a distant) compare(b distant) int {
	return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.id, b.id))
}

// distants is a heap with the nearest on top.
type distants []distant

func (h distants) Len() int           { return len(h) }
func (h distants) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h distants) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *distants) Push(x any)        { *h = append(*h, x.(distant)) }
func (h *distants) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// maxNearest bounds the documents that $near has found and not given out yet.
const maxNearest = 10_000_000

func (c *call) openSpecial(coll *store.Collection, d *store.Def, view store.View, q *query, release func()) (*nearest, error) {
	s := q.special
	if !hasGeoIndex(d, s.path.String(), s.geo.Spherical()) {
		return nil, mongoerr.New(mongoerr.NoQueryExecutionPlans, "error processing query: planner returned error: unable to find index for $geoNear query")
	}
	n := &nearest{c: c, coll: coll, def: d, view: view, q: q, s: s, release: release, radius: -1}
	p, err := c.makePlan(d, q, 0)
	if err != nil {
		return nil, err
	}
	n.use = p
	use(coll, p)
	if p.Stage == plan.IndexScan && n.bounded(p.Index) {
		n.index = p.Index
		n.grid, _ = gridOf(p.Index.Spec, s.path.String())
	}
	return n, nil
}

// bounded reports whether the keys of an index are narrowed down by the place: it has the path, behind no field that is left open.
func (n *nearest) bounded(ix *store.Index) bool {
	for _, f := range ix.Keys.Fields {
		if f.Kind == keys.Geo && f.Path == n.s.path.String() {
			return n.ringPlan(ix, nil) != nil
		}
	}
	return false
}

// ringPlan plans a scan of the parts of the geo index; nil where the place does not bound it.
func (n *nearest) ringPlan(ix *store.Index, parts []geo.Range) *plan.Plan {
	bounds := false
	ring := plan.GeoCondition{Path: n.s.path.String(), Ranges: func(*store.Index, string) []plan.Range {
		bounds = true
		out := []plan.Range{}
		for _, r := range parts {
			out = append(out, plan.Range{Low: r.Lo, High: r.Hi})
		}
		return out
	}}
	r := &plan.Request{Def: n.def, Filter: n.q.filter, Collation: n.q.collation, Collator: n.q.collator(), Hint: ix, Geo: []plan.GeoCondition{ring}}
	for _, g := range n.q.geo {
		if g.Path != ring.Path {
			r.Geo = append(r.Geo, g)
		}
	}
	p := plan.Make(r)
	if !bounds || p.Index != ix {
		return nil
	}
	return p
}

// grow looks at the next ring, or at everything.
func (n *nearest) grow(ctx context.Context) error {
	if n.index == nil {
		n.whole = true
		return n.measure(ctx, n.use, -1)
	}
	radius := n.s.geo.FirstRing(n.grid)
	switch {
	case n.radius < 0:
	case len(n.found) == 0:
		radius = n.radius * 4
	default:
		radius = n.radius * 2
	}
	parts, whole := n.s.geo.Ring(n.grid, radius)
	fresh := geo.Without(parts, n.visited)
	n.visited = geo.With(n.visited, parts)
	if len(fresh) > 0 {
		if err := n.measure(ctx, n.ringPlan(n.index, fresh), n.radius); err != nil {
			return err
		}
	}
	n.radius, n.whole = radius, whole
	return ctx.Err()
}

// measure notes how far is what a plan finds, but for what is within the inner ring, which is known.
func (n *nearest) measure(ctx context.Context, p *plan.Plan, inner float64) error {
	sc, err := p.Open(n.coll, n.view)
	if err != nil {
		return err
	}
	defer func() {
		n.stats.Keys += sc.Stats.Keys
		n.stats.Docs += sc.Stats.Docs
		sc.Close()
	}()
	for {
		doc, err := sc.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		ok, err := n.q.matcher().Match(doc)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		d, _, ok := n.s.distance(doc)
		if !ok || d <= inner {
			continue
		}
		if len(n.found) >= maxNearest {
			return mongoerr.New(mongoerr.ExceededMemoryLimit, "$near finds more than %d documents; narrow it with $maxDistance", maxNearest)
		}
		heap.Push(&n.found, distant{d, sc.ID()})
	}
}

// Next implements stream.
func (n *nearest) Next(ctx context.Context) (bson.Raw, error) {
	for {
		for !n.whole && (len(n.found) == 0 || n.found[0].d > n.radius) {
			if err := n.grow(ctx); err != nil {
				return nil, err
			}
		}
		if len(n.found) == 0 {
			return nil, io.EOF
		}
		next := heap.Pop(&n.found).(distant)
		if next == n.last {
			continue // it has several places in the index
		}
		v, err := n.view.Get(n.coll.RecordKey(nil, next.id), n.doc[:0])
		if err == store.ErrNotFound {
			continue
		}
		n.last, n.doc = next, v
		return n.doc, err
	}
}

// RecordID is the record of the last document.
func (n *nearest) RecordID() store.RecordID { return n.last.id }

// Close implements stream.
func (n *nearest) Close() error {
	if n.release != nil {
		n.release()
		n.release = nil
	}
	return nil
}
