package stage

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/geo"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// GeoFields is a capability of Collections: it names the fields of a collection that have a geographic index, so that $geoNear may
// go without key.
type GeoFields interface {
	// GeoFields gives nil for a collection that does not exist.
	GeoFields(ctx context.Context, ns Namespace) ([]string, error)
}

// geoNear is $geoNear: it measures every document that it is given, and sorts where they do not come by distance (Pushdown.InOrder). The query
// before it narrows what that is.
type geoNear struct {
	near       bson.RawValue
	spherical  bool
	key        string
	distance   []string
	locs       []string
	multiplier float64
	min, max   *float64
	env        *Env
	ordered    bool // the documents come by distance
}

func compileGeoNear(c *compiler, _ string, spec bson.RawValue) ([]node, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(10065, "invalid parameter: expected an object ($geoNear)")
	}
	vs, err := arguments(spec, func(n string) error {
		switch n {
		case "limit", "num":
			return mongoerr.New(50858, "$geoNear no longer supports the '%s' parameter. Use a $limit stage", n)
		case "start", "uniqueDocs":
			return mongoerr.New(50857, "$geoNear no longer supports the '%s' parameter", n)
		}
		return mongoerr.New(mongoerr.FailedToParse, "Unknown argument to $geoNear: %s", n)
	}, "near", "distanceField", "spherical", "query", "minDistance", "maxDistance", "distanceMultiplier", "includeLocs", "key")
	if err != nil {
		return nil, err
	}
	g := &geoNear{multiplier: 1, env: c.env}
	if expr.Missing(vs[0]) {
		return nil, mongoerr.New(5860400, "$geoNear requires a 'near' argument")
	}
	if g.near, err = constant(c, vs[0]); err != nil {
		return nil, mongoerr.New(5860402, "$geoNear requires a constant near argument")
	}
	if g.near.Type != bson.TypeEmbeddedDocument && g.near.Type != bson.TypeArray {
		return nil, mongoerr.New(5860401, "$geoNear requires near to be an object or an array, but found %s", typeName(g.near))
	}
	for _, f := range []struct {
		v    bson.RawValue
		code mongoerr.Code
		name string
		to   *[]string
	}{{vs[1], 16606, "distanceField", &g.distance}, {vs[7], 16607, "includeLocs", &g.locs}} {
		if expr.Missing(f.v) {
			continue
		}
		if f.v.Type != bson.TypeString {
			return nil, mongoerr.New(f.code, "$geoNear requires that '%s' option is a String", f.name)
		}
		if *f.to, err = expr.SplitPath(text(f.v)); err != nil {
			return nil, err
		}
	}
	g.spherical = expr.Truthy(vs[2])
	for _, f := range []struct {
		v    bson.RawValue
		code mongoerr.Code
		name string
		to   **float64
	}{{vs[4], 7555701, "minDistance", &g.min}, {vs[5], 7555702, "maxDistance", &g.max}} {
		if expr.Missing(f.v) {
			continue
		}
		k, err := constant(c, f.v)
		if err != nil {
			return nil, mongoerr.New(f.code, "$geoNear requires '%s' to evaluate to a constant", f.name)
		}
		d, ok := expr.Number(k)
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "%s must be a number", f.name)
		}
		if !(d >= 0) {
			return nil, mongoerr.New(mongoerr.BadValue, "%s must be nonnegative", f.name)
		}
		*f.to = &d
	}
	if v := vs[6]; !expr.Missing(v) {
		d, ok := expr.Number(v)
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "distanceMultiplier must be a number")
		}
		if !(d >= 0) {
			return nil, mongoerr.New(mongoerr.BadValue, "distanceMultiplier must be nonnegative")
		}
		g.multiplier = d
	}
	if v := vs[8]; !expr.Missing(v) {
		if v.Type != bson.TypeString {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "$geoNear parameter 'key' must be of type string but found type: %s", typeName(v))
		}
		if g.key = text(v); g.key == "" {
			return nil, mongoerr.New(mongoerr.BadValue, "$geoNear parameter 'key' cannot be the empty string")
		}
	}
	if _, err := geo.Near(g.near, g.spherical, g.min, g.max); err != nil {
		return nil, err
	}
	nodes := []node{g}
	if v := vs[3]; !expr.Missing(v) {
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "query must be an object")
		}
		m, err := compileMatch(c, "$match", v)
		if err != nil {
			return nil, err
		}
		nodes = []node{m, g}
	}
	return nodes, nil
}

func (g *geoNear) deps(d *expr.Deps) bool {
	if g.key == "" {
		d.Whole = true
	} else {
		d.AddPath(g.key)
	}
	return false
}

func (g *geoNear) open(r *run, src source) (source, error) {
	key := g.key
	var fields []string
	if indexes, ok := g.env.Collections.(GeoFields); ok {
		var err error
		if fields, err = indexes.GeoFields(r.ctx, Namespace{g.env.DB, g.env.Collection}); err != nil {
			return nil, err
		}
	}
	if key != "" && fields != nil && !slices.Contains(fields, key) {
		return nil, mongoerr.New(mongoerr.NoQueryExecutionPlans, "error processing query: planner returned error: unable to find index for $geoNear query on '%s'", key)
	}
	if key == "" {
		switch len(fields) {
		case 0:
			return nil, mongoerr.New(mongoerr.IndexNotFound, "$geoNear requires a 2d or 2dsphere index, but none were found")
		case 1:
			key = fields[0]
		default:
			return nil, mongoerr.New(mongoerr.IndexNotFound, "There is more than one geographic index on %s.%s; unsure which to use for $geoNear: give 'key'", g.env.DB, g.env.Collection)
		}
	}
	near, err := geo.Near(g.near, g.spherical, g.min, g.max)
	if err != nil {
		return nil, err
	}
	keys, err := expr.ParseSortKeys(value.DocOf(value.Field{Name: "m", Value: value.Doc(value.DocOf(value.Field{Name: "$meta", Value: value.String("geoNearDistance")}))}), nil)
	if err != nil {
		return nil, err
	}
	return &measuring{g: g, near: near, key: value.ParsePath(key), src: src, sorter: newSorter(r, "$geoNear", keys.Ascending(), 0)}, nil
}

// measured gives the next document with its distance in its metadata; documents that have none are passed over.
func (s *measuring) measured(ctx context.Context) (row, error) {
	for n := 0; ; n++ {
		if n&0x3ff == 0x3ff {
			if err := ctx.Err(); err != nil {
				return row{}, err
			}
		}
		r, err := s.src.next(ctx)
		if err != nil {
			return row{}, err
		}
		d, at, ok := s.nearest(r.doc)
		if !ok {
			continue
		}
		m := expr.Meta{}
		if r.meta != nil {
			m = *r.meta
		}
		m.GeoDistance, m.GeoPoint = value.Double(d*s.g.multiplier), at
		return row{r.doc, &m}, nil
	}
}

// measuring puts the distance into each document's metadata, sorts by it, and writes it into the documents as they leave.
type measuring struct {
	g      *geoNear
	near   *geo.Query
	key    value.Path
	src    source
	sorter *sorter
	out    source
	buf    []byte
	tmp    []byte
}

func (s *measuring) next(ctx context.Context) (row, error) {
	var r row
	var err error
	if s.g.ordered {
		r, err = s.measured(ctx)
	} else {
		for s.out == nil {
			r, err := s.measured(ctx)
			if drained(err) {
				if s.out, err = s.sorter.finish(); err == nil {
					break
				}
			}
			if err == nil {
				err = s.sorter.add(r)
			}
			if err != nil {
				return row{}, err
			}
		}
		r, err = s.out.next(ctx)
	}
	if err != nil {
		return r, err
	}
	doc := []byte(r.doc)
	if s.g.distance != nil {
		s.buf = setDeep(s.buf[:0], doc, s.g.distance, r.meta.GeoDistance)
		doc = s.buf
	}
	if s.g.locs != nil {
		s.tmp = setDeep(s.tmp[:0], doc, s.g.locs, r.meta.GeoPoint)
		doc = s.tmp
	}
	return row{doc, r.meta}, nil
}

// nearest is the nearest place of a document; the path to it may lead through arrays.
func (s *measuring) nearest(doc bson.Raw) (d float64, at bson.RawValue, ok bool) {
	s.places(doc, s.key, func(v bson.RawValue) {
		if x, p, in := s.near.Distance(v); in && (!ok || x < d) {
			d, at, ok = x, p, true
		}
	})
	return d, at, ok
}

func (s *measuring) places(doc []byte, path value.Path, f func(bson.RawValue)) {
	v := expr.Lookup(doc, path[0])
	if len(path) == 1 {
		if !expr.Missing(v) {
			f(v)
		}
		return
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		s.places(v.Value, path[1:], f)
	case bson.TypeArray:
		for it := expr.Each(v.Value); ; {
			_, el, ok := it.Next()
			if !ok {
				return
			}
			if el.Type == bson.TypeEmbeddedDocument {
				s.places(el.Value, path[1:], f)
			}
		}
	}
}

func (s *measuring) close() error {
	s.sorter.close()
	return s.src.close()
}
