package geo

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Query is a compiled geographic condition. It is safe for concurrent use and satisfies match.Geometry.
type Query struct {
	op    string
	test  func(s *shape) bool
	bound bound

	// Of $near and $nearSphere:
	near         bool
	center       point
	spherical    bool
	unit         float64 // what an angle of one radian is called: meters or radians
	minDistance  float64
	maxDistance  float64
	hasMaximum   bool
	geoJSONPoint bool
}

// Compile compiles $geoWithin, $geoIntersects, $near or $nearSphere. siblings is the document that the operator stands in, from
// which the legacy forms of $near take $minDistance and $maxDistance.
func Compile(op string, args bson.RawValue, siblings bson.Raw) (*Query, error) {
	q := &Query{op: op}
	var err error
	switch op {
	case "$geoWithin":
		err = q.within(args)
	case "$geoIntersects":
		err = q.intersects(args)
	case "$near", "$nearSphere":
		err = q.nearPoint(args, siblings)
	default:
		err = bad("unknown geo operator: %s", op)
	}
	if err != nil {
		return nil, err
	}
	return q, nil
}

// Near returns a query for the distance from a point, for $geoNear. A GeoJSON point is measured in meters on the sphere, a legacy
// pair in radians when spherical is set, else in the plane.
func Near(at bson.RawValue, spherical bool, minDistance, maxDistance *float64) (*Query, error) {
	q := &Query{op: "$near", near: true}
	if err := q.setCenter(at, spherical); err != nil {
		return nil, err
	}
	if minDistance != nil {
		q.minDistance = *minDistance
	}
	if maxDistance != nil {
		q.maxDistance, q.hasMaximum = *maxDistance, true
	}
	q.finishNear()
	return q, nil
}

// Op returns the operator's name.
func (q *Query) Op() string { return q.op }

// Sorted reports whether the condition orders its results by distance.
func (q *Query) Sorted() bool { return q.near }

// Spherical reports whether distances are on the sphere.
func (q *Query) Spherical() bool { return q.spherical }

// Matches reports whether a stored value satisfies the condition: a shape, a pair, or an array with one that does.
func (q *Query) Matches(v bson.RawValue) bool {
	found := false
	eachShape(v, func(s *shape, _ bson.RawValue) bool {
		found = q.test(s)
		return found
	})
	return found
}

// eachShape calls f with the shapes of a value until it returns true; what is no shape is passed over.
func eachShape(v bson.RawValue, f func(s *shape, v bson.RawValue) bool) {
	if s, err := parse(v); err == nil {
		f(s, v)
		return
	}
	if v.Type != bson.TypeArray {
		return
	}
	it := value.Over(v.Value)
	for it.Next() {
		if it.Value().Type != bson.TypeArray && it.Value().Type != bson.TypeEmbeddedDocument {
			continue
		}
		if s, err := parse(it.Value()); err == nil && f(s, it.Value()) {
			return
		}
	}
}

// Distance returns the distance from the query's point to the nearest shape of a value that satisfies the condition, in the query's
// unit, and that shape as it is stored. ok is false when there is none.
func (q *Query) Distance(v bson.RawValue) (d float64, at bson.RawValue, ok bool) {
	eachShape(v, func(s *shape, sv bson.RawValue) bool {
		if x, in := q.distance(s); in && (!ok || x < d) {
			d, at, ok = x, sv, true
		}
		return false
	})
	return d, at, ok
}

func (q *Query) distance(s *shape) (float64, bool) {
	var d float64
	if q.spherical {
		d = s.distance(q.center.vec()) * q.unit
	} else {
		if len(s.points) == 0 {
			return 0, false
		}
		d = math.Inf(1)
		for _, p := range s.points {
			d = math.Min(d, math.Hypot(p.x-q.center.x, p.y-q.center.y))
		}
	}
	if math.IsInf(d, 0) || d < q.minDistance || q.hasMaximum && d > q.maxDistance {
		return 0, false
	}
	return d, true
}

func (q *Query) within(args bson.RawValue) error {
	if args.Type != bson.TypeEmbeddedDocument {
		return bad("geometry must be an object")
	}
	it := value.Over(args.Value)
	if !it.Next() {
		return bad("$geoWithin not supported with provided geometry: %s", value.Show(args))
	}
	name, v := it.Key(), it.Value()
	if it.Next() && it.Key() != "$uniqueDocs" {
		return bad("can't parse extra field: %s", value.ShowElement(it.Key(), it.Value()))
	}
	switch name {
	case "$geometry":
		return q.withinGeometry(v, args)
	case "$box":
		return q.box(v)
	case "$polygon":
		return q.polygon(v)
	case "$center":
		return q.circle(v, false)
	case "$centerSphere":
		return q.circle(v, true)
	}
	return bad("unknown geo specifier: %s", value.ShowElement(name, v))
}

func (q *Query) withinGeometry(v, args bson.RawValue) error {
	if !isGeoJSON(v) {
		return bad("unknown geo specifier: %s", value.ShowElement("$geometry", v))
	}
	s, err := parse(v)
	if err != nil {
		return err
	}
	if len(s.polygons) == 0 || len(s.points) > 0 || len(s.lines) > 0 {
		return bad("$geoWithin not supported with provided geometry: %s", value.Show(args))
	}
	q.spherical = true
	q.bound = sphereBound(s.vertices)
	q.test = func(t *shape) bool { return t.within(s.polygons) }
	return nil
}

// flatTest makes a test of points in the plane; shapes other than points are never in a flat region.
func flatTest(in func(p point) bool) func(s *shape) bool {
	return func(s *shape) bool {
		if len(s.lines)+len(s.polygons) > 0 || len(s.points) == 0 {
			return false
		}
		for _, p := range s.points {
			if !in(p) {
				return false
			}
		}
		return true
	}
}

func (q *Query) box(v bson.RawValue) error {
	c := value.Elements(value.Array(v.Value).Value)
	if v.Type != bson.TypeArray && v.Type != bson.TypeEmbeddedDocument || len(c) != 2 {
		return bad("Box must be an array of two points: %s", value.Show(v))
	}
	a, err := parsePair(c[0])
	if err != nil {
		return err
	}
	b, err := parsePair(c[1])
	if err != nil {
		return err
	}
	lo, hi := point{math.Min(a.x, b.x), math.Min(a.y, b.y)}, point{math.Max(a.x, b.x), math.Max(a.y, b.y)}
	q.bound = bound{rects: []rect{{lo, hi}}}
	q.test = flatTest(func(p point) bool { return p.x >= lo.x && p.x <= hi.x && p.y >= lo.y && p.y <= hi.y })
	return nil
}

func (q *Query) polygon(v bson.RawValue) error {
	it := value.OverValue(v)
	var poly []point
	for it.Next() {
		p, err := parsePair(it.Value())
		if err != nil {
			return err
		}
		poly = append(poly, p)
	}
	if len(poly) < 3 {
		return bad("Polygon must have at least 3 points")
	}
	if len(poly) > MaxVertices {
		return bad("Polygon has more than %d points", MaxVertices)
	}
	q.bound = flatBound(poly, 0)
	q.test = flatTest(func(p point) bool { return flatContains(poly, p) })
	return nil
}

func (q *Query) circle(v bson.RawValue, spherical bool) error {
	c := value.OverValue(v)
	if !c.Next() {
		return bad("Invalid $center or $centerSphere: %s", value.Show(v))
	}
	center, err := parsePair(c.Value())
	if err != nil {
		return err
	}
	if !c.Next() || !value.IsNumber(c.Value()) {
		return bad("Radius must be a non-negative number: %s", value.Show(v))
	}
	r, _ := value.Float64(c.Value())
	if !(r >= 0) {
		return bad("Radius must be a non-negative number: %s", value.Show(v))
	}
	if c.Next() {
		return bad("Only 2 fields allowed for circular region: %s", value.Show(v))
	}
	if !spherical {
		q.bound = flatBound([]point{center}, r)
		q.test = flatTest(func(p point) bool { return math.Hypot(p.x-center.x, p.y-center.y) <= r })
		return nil
	}
	if !center.onSphere() {
		return bad("Spherical distance would require (unimplemented) wrapping")
	}
	q.spherical = true
	cv := center.vec()
	q.bound = capBound(cv, r)
	q.test = func(s *shape) bool {
		for _, p := range s.points {
			if !p.onSphere() || p.vec().angle(cv) > r {
				return false
			}
		}
		// A cap smaller than a half-sphere holds an arc whose ends it holds.
		for _, l := range s.lines {
			for _, p := range l {
				if p.angle(cv) > r {
					return false
				}
			}
		}
		for _, g := range s.polygons {
			for _, p := range g.outer {
				if p.angle(cv) > r {
					return false
				}
			}
		}
		return true
	}
	return nil
}

func (q *Query) intersects(args bson.RawValue) error {
	g := value.Missing
	if args.Type == bson.TypeEmbeddedDocument {
		g = value.Lookup(args.Value, "$geometry")
	}
	if g.Type == 0 {
		return bad("$geoIntersects not supported with provided geometry: %s", value.Show(args))
	}
	if !isGeoJSON(g) {
		return bad("unknown geo specifier: %s", value.ShowElement("$geometry", g))
	}
	s, err := parse(g)
	if err != nil {
		return err
	}
	q.spherical = true
	q.bound = sphereBound(s.vertices)
	q.test = func(t *shape) bool { return t.intersects(s) }
	return nil
}

func (q *Query) setCenter(at bson.RawValue, spherical bool) error {
	if isGeoJSON(at) {
		s, err := parse(at)
		if err != nil {
			return err
		}
		if len(s.points) != 1 || len(s.lines)+len(s.polygons) > 0 {
			return bad("$near requires a point, given %s", value.Show(at))
		}
		q.center, q.spherical, q.unit, q.geoJSONPoint = s.points[0], true, EarthRadius, true
		return nil
	}
	p, err := parsePair(at)
	if err != nil {
		return err
	}
	q.center, q.spherical, q.unit = p, spherical, 1
	if spherical && !p.onSphere() {
		return bad("Longitude/latitude is out of bounds, lng: %s lat: %s", value.ShowDouble(p.x, false), value.ShowDouble(p.y, false))
	}
	return nil
}

func (q *Query) nearPoint(args bson.RawValue, siblings bson.Raw) error {
	q.near = true
	spherical := q.op == "$nearSphere"
	distances := siblings
	if args.Type == bson.TypeEmbeddedDocument {
		if g := value.Lookup(args.Value, "$geometry"); g.Type != 0 {
			if !isGeoJSON(g) {
				return bad("invalid point in geo near query $geometry argument: %s", value.Show(g))
			}
			if err := q.setCenter(g, true); err != nil {
				return err
			}
			it := value.Over(args.Value)
			for it.Next() {
				switch it.Key() {
				case "$geometry", "$minDistance", "$maxDistance":
				default:
					return bad("geo near accepts just one argument when querying for a GeoJSON point. Extra field found: %s", value.ShowElement(it.Key(), it.Value()))
				}
			}
			distances = args.Value
		}
	}
	if !q.geoJSONPoint {
		at := args
		if args.Type != bson.TypeArray && args.Type != bson.TypeEmbeddedDocument {
			return bad("near must be first in: %s", value.ShowDoc(siblings))
		}
		if err := q.setCenter(at, spherical); err != nil {
			return err
		}
		// A third number is the greatest distance.
		if third := value.Index(args.Value, 2); value.IsNumber(third) {
			q.maxDistance, _ = value.Float64(third)
			q.hasMaximum = true
		}
	}
	for _, name := range []string{"$minDistance", "$maxDistance"} {
		v := value.Lookup(distances, name)
		if v.Type == 0 {
			continue
		}
		d, isNumber := value.Float64(v)
		if !isNumber {
			return badDistance(q, name, 16893, 16895, "%s must be a number")
		}
		if !(d >= 0) {
			return badDistance(q, name, 16894, 16896, "%s must be non-negative")
		}
		if name == "$minDistance" {
			q.minDistance = d
		} else {
			q.maxDistance, q.hasMaximum = d, true
		}
	}
	q.finishNear()
	return nil
}

// badDistance is what is wrong with a distance; beside a pair of coordinates it has a code of its own.
func badDistance(q *Query, name string, least, greatest mongoerr.Code, format string) error {
	switch {
	case q.geoJSONPoint:
		return bad(format, name[1:])
	case name == "$minDistance":
		return mongoerr.New(least, format, name)
	}
	return mongoerr.New(greatest, format, name)
}

func (q *Query) finishNear() {
	q.test = func(s *shape) bool {
		_, in := q.distance(s)
		return in
	}
	switch {
	case !q.hasMaximum:
		q.bound = bound{all: true}
	case q.spherical:
		q.bound = capBound(q.center.vec(), q.maxDistance/q.unit)
	default:
		q.bound = flatBound([]point{q.center}, q.maxDistance)
	}
}
