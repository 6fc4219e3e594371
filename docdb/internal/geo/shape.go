// Package geo holds the geographic query operators: shapes, their relations on the sphere and on the plane, distances, and the cells
// by which an index finds candidates (mongo-engine.md §2.1, §2.7).
//
// GeoJSON shapes lie on the sphere, with the shortest arcs as edges. Legacy pairs lie on a plane for $box, $polygon, $center and
// $near, on the sphere for $centerSphere and $nearSphere.
package geo

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// MaxVertices is the most positions of one shape; one with more is refused with BadValue. Relating two shapes takes time by the
// product of their vertices, which this bounds.
const MaxVertices = 10_000

// maxCollections is the deepest nesting of geometry collections.
const maxCollections = 16

// shape is a set of points, lines and polygons.
type shape struct {
	points   []point
	lines    [][]vec
	polygons []polygon
	vertices []vec // all but those of holes, for bounds
	count    int   // of positions
	legacy   bool  // a pair, not GeoJSON
}

func bad(format string, args ...any) error { return mongoerr.New(mongoerr.BadValue, format, args...) }

// isGeoJSON reports whether a document looks like GeoJSON.
func isGeoJSON(v bson.RawValue) bool {
	return v.Type == bson.TypeEmbeddedDocument && value.Lookup(v.Value, "type").Type == bson.TypeString
}

// parse reads a GeoJSON geometry, or a legacy pair.
func parse(v bson.RawValue) (*shape, error) {
	s := &shape{}
	if !isGeoJSON(v) {
		p, err := parsePair(v)
		if err != nil {
			return nil, err
		}
		s.legacy = true
		s.addPoint(p)
		return s, nil
	}
	return s, s.geometry(v, 0)
}

// parsePair reads [x, y] or {any: x, names: y}.
func parsePair(v bson.RawValue) (point, error) {
	it := value.OverValue(v)
	var c [2]float64
	for i := range c {
		if !it.Next() || !value.IsNumber(it.Value()) {
			return point{}, bad("Point must be an array or object of two numbers, got %s", value.Show(v))
		}
		c[i], _ = value.Float64(it.Value())
		if math.IsNaN(c[i]) || math.IsInf(c[i], 0) {
			return point{}, bad("Point coordinates must be finite numbers")
		}
	}
	return point{c[0], c[1]}, nil
}

func (s *shape) addPoint(p point) {
	s.points = append(s.points, p)
	if p.onSphere() {
		s.vertices = append(s.vertices, p.vec())
	}
}

func (s *shape) geometry(v bson.RawValue, depth int) error {
	if depth > maxCollections {
		return bad("GeometryCollection is nested too deeply")
	}
	kind, _ := value.Text(value.Lookup(v.Value, "type"))
	if crs := value.Lookup(v.Value, "crs"); crs.Type != 0 {
		name, _ := value.Text(value.GetIndexed(crs, value.Path{"properties", "name"}))
		switch name {
		case "urn:x-mongodb:crs:strictwinding:EPSG:4326":
			return bad("Strict winding order CRS is not supported")
		case "EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84":
		default:
			return bad("Unknown CRS name: %s", name)
		}
	}
	if kind == "GeometryCollection" {
		list := value.Lookup(v.Value, "geometries")
		if list.Type != bson.TypeArray {
			return bad("GeometryCollection geometries must be an array: %s", value.Show(list))
		}
		it := value.Over(list.Value)
		n := 0
		for it.Next() {
			if !isGeoJSON(it.Value()) {
				return bad("Element %d of \"geometries\" is not an object: %s", n, value.Show(it.Value()))
			}
			if err := s.geometry(it.Value(), depth+1); err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return bad("GeometryCollection geometries must have at least 1 element")
		}
		return nil
	}
	c := value.Lookup(v.Value, "coordinates")
	if c.Type != bson.TypeArray {
		return bad("%s coordinates must be an array", kind)
	}
	switch kind {
	case "Point":
		p, err := position(c)
		if err != nil {
			return err
		}
		if s.count++; s.count > MaxVertices {
			return bad("a GeoJSON shape has more than %d vertices", MaxVertices)
		}
		s.addPoint(p)
	case "MultiPoint":
		pts, err := s.positions(c)
		if err != nil {
			return err
		}
		for _, p := range pts {
			s.addPoint(p)
		}
	case "LineString":
		return s.line(c)
	case "MultiLineString":
		return eachCoordinates(c, s.line)
	case "Polygon":
		return s.polygon(c)
	case "MultiPolygon":
		return eachCoordinates(c, s.polygon)
	default:
		return bad("unknown GeoJSON type: %s", value.ShowDoc(v.Value))
	}
	return nil
}

func eachCoordinates(c bson.RawValue, f func(bson.RawValue) error) error {
	it := value.Over(c.Value)
	n := 0
	for ; it.Next(); n++ {
		if it.Value().Type != bson.TypeArray {
			return bad("GeoJSON coordinates must be an array: %s", value.Show(it.Value()))
		}
		if err := f(it.Value()); err != nil {
			return err
		}
	}
	if n == 0 {
		return bad("GeoJSON coordinates must have at least 1 element")
	}
	return nil
}

func position(c bson.RawValue) (point, error) {
	if c.Type != bson.TypeArray {
		return point{}, bad("GeoJSON coordinates must be an array of coordinates: %s", value.Show(c))
	}
	p, err := parsePair(c)
	if err != nil {
		return p, err
	}
	if !p.onSphere() {
		return p, bad("Longitude/latitude is out of bounds, lng: %s lat: %s", value.ShowDouble(p.x, false), value.ShowDouble(p.y, false))
	}
	return p, nil
}

func (s *shape) positions(c bson.RawValue) ([]point, error) {
	var out []point
	it := value.Over(c.Value)
	for it.Next() {
		p, err := position(it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		if s.count++; s.count > MaxVertices {
			return nil, bad("a GeoJSON shape has more than %d vertices", MaxVertices)
		}
	}
	if len(out) == 0 {
		return nil, bad("GeoJSON coordinates must have at least 1 element")
	}
	return out, nil
}

func (s *shape) line(c bson.RawValue) error {
	pts, err := s.positions(c)
	if err != nil {
		return err
	}
	var l []vec
	for i, p := range pts {
		if i == 0 || p != pts[i-1] {
			l = append(l, p.vec())
		}
	}
	if len(l) < 2 {
		return bad("GeoJSON LineString must have at least 2 vertices: %s", value.Show(c))
	}
	s.lines = append(s.lines, l)
	s.vertices = append(s.vertices, l...)
	return nil
}

func (s *shape) polygon(c bson.RawValue) error {
	var g polygon
	err := eachCoordinates(c, func(v bson.RawValue) error {
		pts, err := s.positions(v)
		if err != nil {
			return err
		}
		if pts[0] != pts[len(pts)-1] {
			return bad("Loop is not closed: %s", value.Show(v))
		}
		distinct := pts[:1]
		for _, p := range pts[1 : len(pts)-1] {
			if p != distinct[len(distinct)-1] {
				distinct = append(distinct, p)
			}
		}
		if len(distinct) < 3 {
			return bad("Loop must have at least 3 different vertices: %s", value.Show(v))
		}
		r := newRing(distinct)
		if g.outer == nil {
			g.outer = r
			s.vertices = append(s.vertices, r...)
			return nil
		}
		for _, p := range r {
			if !g.outer.contains(p) {
				return bad("Secondary loops not contained by first exterior loop - secondary loops must be holes: %s", value.Show(v))
			}
		}
		g.holes = append(g.holes, r)
		return nil
	})
	if err == nil {
		s.polygons = append(s.polygons, g)
	}
	return err
}
