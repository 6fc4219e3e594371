package command

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/geo"
	"regent/docdb/internal/keys"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// compileGeo compiles the geo operators for filters.
func compileGeo(op string, args bson.RawValue, siblings bson.Raw) (match.Geometry, error) {
	q, err := geo.Compile(op, args, siblings)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// specialSearch is a condition that orders its results by itself: $near.
type specialSearch struct {
	path value.Path
	geo  *geo.Query
}

// near reports whether the query orders by distance.
func (q *query) near() bool { return q.special != nil }

// conjuncts calls f for the conditions that all have to hold.
func conjuncts(n match.Node, f func(match.Node)) {
	if a, ok := n.(*match.And); ok {
		for _, c := range a.Children {
			conjuncts(c, f)
		}
		return
	}
	f(n)
}

// findSpecial finds the geo conditions that an index can serve, and the $near that orders the results.
func (q *query) findSpecial() error {
	var err error
	conjuncts(q.matcher().Root(), func(n match.Node) {
		g, ok := n.(*match.Geo)
		if !ok {
			return
		}
		gq, ok := g.Geometry.(*geo.Query)
		if !ok {
			return
		}
		q.geo = append(q.geo, plan.GeoCondition{Path: g.Path.String(), Ranges: geoRanges(gq)})
		if gq.Sorted() {
			if q.special != nil {
				err = mongoerr.New(mongoerr.BadValue, "Too many geoNear expressions")
			}
			q.special = &specialSearch{path: g.Path, geo: gq}
		}
	})
	return err
}

// byDistance has a $geoNear served by the collection's geo index. Where it is not clear by which, the stage says so when it starts.
func (q *query) byDistance(ctx context.Context, f *foreign, ns stage.Namespace, push *stage.Pushdown) error {
	fields, err := f.GeoFields(ctx, ns)
	if err != nil {
		return err
	}
	key := push.Near.Key
	if key == "" && len(fields) == 1 {
		key = fields[0]
	}
	if q.special != nil || !slices.Contains(fields, key) {
		return nil
	}
	gq := push.Near.Query
	q.special = &specialSearch{path: value.ParsePath(key), geo: gq}
	q.geo = append(q.geo, plan.GeoCondition{Path: key, Ranges: geoRanges(gq)})
	push.InOrder(key)
	return nil
}

// gridOf gives the grid of a geo index.
func gridOf(spec bson.Raw, path string) (g geo.Grid, sphere bool) {
	key, _ := value.Lookup(spec, "key").DocumentOK()
	if s, _ := value.Text(value.Lookup(key, path)); s == "2d" {
		lo, hi := -180.0, 180.0
		if f, ok := value.Float64(value.Lookup(spec, "min")); ok {
			lo = f
		}
		if f, ok := value.Float64(value.Lookup(spec, "max")); ok {
			hi = f
		}
		return geo.PlaneGrid(lo, hi), false
	}
	return geo.SphereGrid(), true
}

// geoRanges gives the planner the ranges of a geo index that a condition needs.
func geoRanges(q *geo.Query) func(ix *store.Index, path string) []plan.Range {
	return func(ix *store.Index, path string) []plan.Range {
		g, _ := gridOf(ix.Spec, path)
		var out []plan.Range
		for _, r := range q.Ranges(g) {
			out = append(out, plan.Range{Low: r.Lo, High: r.Hi})
		}
		return out
	}
}

// Terms implements store.Language: the keys of geo and text indexes.
func (l Language) Terms(spec bson.Raw) (func([]byte) ([][]byte, error), error) {
	key, _ := value.Lookup(spec, "key").DocumentOK()
	it := value.Over(key)
	for it.Next() {
		switch s, _ := value.Text(it.Value()); s {
		case "2d", "2dsphere":
			path := value.ParsePath(string(append([]byte(nil), it.Key()...)))
			g, sphere := gridOf(spec, path.String())
			return func(doc []byte) ([][]byte, error) { return geoTerms(doc, path, g, sphere) }, nil
		case "text":
			return textTerms(spec)
		}
	}
	return nil, nil
}

// geoTerms gives the tokens of all the shapes on a path.
func geoTerms(doc []byte, path value.Path, g geo.Grid, sphere bool) (out [][]byte, err error) {
	value.Each(doc, path, value.Whole, func(v bson.RawValue, _ int) bool {
		var t [][]byte
		if t, err = geo.Tokens(v, g, sphere); err != nil {
			return true
		}
		out = append(out, t...)
		return false
	})
	return out, err
}

// hasGeoIndex reports whether a collection has an index for $near on path.
func hasGeoIndex(d *store.Def, path string, spherical bool) bool {
	for _, ix := range d.Indexes {
		for _, f := range ix.Keys.Fields {
			if f.Kind == keys.Geo && f.Path == path && !ix.Hidden {
				return true
			}
		}
	}
	return false
}

// distance gives the least distance of the shapes on the path.
func (s *specialSearch) distance(doc []byte) (d float64, at bson.RawValue, ok bool) {
	value.Each(doc, s.path, value.Whole, func(v bson.RawValue, _ int) bool {
		if x, y, in := s.geo.Distance(v); in && (!ok || x < d) {
			d, at, ok = x, y, true
		}
		return false
	})
	return d, at, ok
}

// metaOf gives a stream's metadata about its last document, for {$meta: …} in a projection.
func metaOf(src stream) func(string) bson.RawValue {
	for {
		switch x := src.(type) {
		case *skipping:
			src = x.src
			continue
		case *nearest:
			return func(name string) bson.RawValue {
				d, at, _ := x.s.distance(x.doc)
				switch name {
				case "geoNearDistance":
					return value.Double(d)
				case "geoNearPoint":
					return at
				case "recordId":
					return value.Int64(int64(x.RecordID()))
				}
				return bson.RawValue{}
			}
		case *filtered:
			return func(name string) bson.RawValue {
				if name == "recordId" {
					return value.Int64(int64(x.RecordID()))
				}
				return bson.RawValue{}
			}
		}
		if m, ok := src.(stage.MetaIter); ok {
			return func(name string) bson.RawValue { return metaValue(m.Meta(), name) }
		}
		return func(string) bson.RawValue { return bson.RawValue{} }
	}
}
