package stage

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/geo"
	"regent/docdb/internal/value"
)

// Pushdown is the beginning of a pipeline that a planner may answer by itself, in this order: select by Match, order by Sort, skip
// Skip, take Limit. Rest is what remains to be run over that.
type Pushdown struct {
	// Match is the filter of the leading $match stages; nil when there is none.
	Match bson.Raw
	// Sort is the order of the leading $sort; nil when there is none.
	Sort bson.Raw
	// Skip and Limit are those that follow, 0 for none.
	Skip, Limit int64
	// Fields are the dotted paths that everything after Match and Sort reads, sorted and without those below another; nil when the
	// whole document is needed. A pipeline that only counts needs none: Fields is empty and not nil.
	Fields []string
	// Meta are the kinds of metadata that the pipeline reads.
	Meta []string
	// Rest is the remaining pipeline.
	Rest *Pipeline
	// Near is what the $geoNear that Rest begins with looks for; nil when it begins otherwise.
	Near *Near
}

// Near is a search by distance: Key is the path of the place, "" where the stage does not name it.
type Near struct {
	Key   string
	Query *geo.Query
}

// InOrder says that Rest is run over documents that come by distance, and all have one.
func (p *Pushdown) InOrder(key string) {
	g := *p.Rest.nodes[0].(*geoNear)
	g.key, g.ordered = key, true
	p.Rest.nodes = append([]node{&g}, p.Rest.nodes[1:]...)
}

// Pushdown takes the beginning off the pipeline.
func (p *Pipeline) Pushdown() Pushdown {
	var out Pushdown
	nodes := slices.Clone(p.nodes)
	var filters []bson.RawValue
	// A $match behind the first $sort may go first: neither changes documents.
	for i := 0; i < len(nodes); {
		if m, ok := nodes[i].(*matchStage); ok {
			filters = append(filters, value.Doc(m.filter))
			filters = append(filters, p.implied(m.filter)...)
			nodes = slices.Delete(nodes, i, i+1)
			continue
		}
		if _, ok := nodes[i].(*sorting); !ok || i > 0 {
			break
		}
		i++
	}
	switch len(filters) {
	case 0:
	case 1:
		out.Match = filters[0].Value
	default:
		out.Match = value.DocOf(value.Field{Name: "$and", Value: value.ArrayOf(filters)})
	}
	if len(nodes) > 0 {
		// An order by metadata stays: it is known here only.
		if s, ok := nodes[0].(*sorting); ok && !s.meta() {
			out.Sort = s.spec
			nodes = nodes[1:]
		}
	}
	if len(nodes) > 0 {
		if s, ok := nodes[0].(*skip); ok {
			out.Skip = s.n
			nodes = nodes[1:]
		}
	}
	for len(nodes) > 0 {
		l, ok := nodes[0].(*limit)
		if !ok {
			break
		}
		if out.Limit == 0 || l.n < out.Limit {
			out.Limit = l.n
		}
		nodes = nodes[1:]
	}
	if len(nodes) > 0 {
		if g, ok := nodes[0].(*geoNear); ok {
			if q, err := geo.Near(g.near, g.spherical, g.min, g.max); err == nil {
				out.Near = &Near{g.key, q}
			}
		}
	}
	out.Rest = &Pipeline{env: p.env, nodes: nodes, vars: p.vars, specs: p.specs}
	var d expr.Deps
	if out.Rest.deps(&d) && !d.Whole {
		out.Fields = prune(d.Paths)
	}
	for m := range d.Meta {
		out.Meta = append(out.Meta, m)
	}
	slices.Sort(out.Meta)
	return out
}

// implied are the filters on fields that follow from the equalities of a filter's $expr, for which an index may serve.
func (p *Pipeline) implied(filter bson.Raw) (out []bson.RawValue) {
	e := expr.Lookup(filter, "$expr")
	if expr.Missing(e) {
		return nil
	}
	scope, vars := p.env.scope()
	env := expr.NewEnv(context.Background())
	env.Reset(emptyDocument)
	for i, v := range vars {
		env.Bind(i, v)
	}
	for _, d := range equalities(e, scope) {
		if f, ok, err := d.filter(env); ok && err == nil {
			out = append(out, value.Doc(f))
		}
	}
	return out
}

// deps adds what the pipeline reads, and reports whether that is all that can be seen of its input.
func (p *Pipeline) deps(d *expr.Deps) bool {
	for _, n := range p.nodes {
		if n.deps(d) {
			return true
		}
	}
	return false
}

// prune sorts paths and leaves out those below another. A path ends before a number: that may be a position, which a projection does
// not go to.
func prune(names map[string]struct{}) []string {
	paths := make(map[string]struct{}, len(names))
	for p := range names {
		parts := strings.Split(p, ".")
		for i, part := range parts[1:] {
			if _, number := value.ArrayIndex(part); number {
				parts = parts[:i+1]
				break
			}
		}
		paths[strings.Join(parts, ".")] = struct{}{}
	}
	out := slices.AppendSeq([]string{}, maps.Keys(paths))
	slices.Sort(out)
	kept := out[:0]
	for _, p := range out {
		covered := false
		for q := p; !covered; {
			i := strings.LastIndexByte(q, '.')
			if i < 0 {
				break
			}
			q = q[:i]
			_, covered = paths[q]
		}
		if !covered {
			kept = append(kept, p)
		}
	}
	return kept
}

// optimize takes a $limit behind a $sort into it, an $unwind of a $lookup's array into the $lookup, and moves a $match in front of
// a $sort.
func optimize(nodes []node) []node {
	for i := 0; i+1 < len(nodes); i++ {
		l, ok := nodes[i].(*lookup)
		if !ok || l.unwinding != nil {
			continue
		}
		if u, ok := nodes[i+1].(*unwind); ok && slices.Equal(u.path, l.as) {
			l.unwinding = u
			nodes = slices.Delete(nodes, i+1, i+2)
		}
	}
	for i := 1; i < len(nodes); i++ {
		if _, ok := nodes[i].(*matchStage); !ok {
			continue
		}
		for j := i; j > 0; j-- {
			if s, ok := nodes[j-1].(*sorting); !ok || s.top > 0 {
				break
			}
			nodes[j-1], nodes[j] = nodes[j], nodes[j-1]
		}
	}
	for i, n := range nodes {
		s, ok := n.(*sorting)
		if !ok {
			continue
		}
		skipped := int64(0)
		for _, after := range nodes[i+1:] {
			if k, ok := after.(*skip); ok && skipped+k.n >= skipped {
				skipped += k.n
				continue
			}
			if l, ok := after.(*limit); ok && skipped+l.n > 0 {
				s.top = skipped + l.n
			}
			break
		}
	}
	return nodes
}
