package geo

import (
	"math"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// rect is an upright rectangle of coordinates; lo and hi belong to it.
type rect struct{ lo, hi point }

// bound is a region that surely holds a shape.
type bound struct {
	all   bool
	rects []rect
}

// flatBound surrounds points of the plane, grown by r.
func flatBound(pts []point, r float64) bound {
	b := rect{pts[0], pts[0]}
	for _, p := range pts[1:] {
		b.lo = point{math.Min(b.lo.x, p.x), math.Min(b.lo.y, p.y)}
		b.hi = point{math.Max(b.hi.x, p.x), math.Max(b.hi.y, p.y)}
	}
	b.lo, b.hi = point{b.lo.x - r, b.lo.y - r}, point{b.hi.x + r, b.hi.y + r}
	return bound{rects: []rect{b}}
}

// sphereBound surrounds vertices and the arcs between them by a cap: an arc stays in a cap smaller than a half-sphere if its ends are
// in it.
func sphereBound(vs []vec) bound {
	if len(vs) == 0 {
		return bound{}
	}
	c := vec{}
	for _, v := range vs {
		c = c.add(v)
	}
	if c.norm() < 1e-6*float64(len(vs)) {
		return bound{all: true}
	}
	c = c.unit()
	r := 0.0
	for _, v := range vs {
		r = math.Max(r, c.angle(v))
	}
	return capBound(c, r)
}

// capBound gives the longitudes and latitudes of a cap; they part in two at the 180th meridian.
func capBound(c vec, r float64) bound {
	r += 1e-9 // rounding must not lose the edge
	if r >= math.Pi/2 {
		return bound{all: true}
	}
	const deg = 180 / math.Pi
	lat, lng := math.Asin(max(min(c.z, 1), -1)), math.Atan2(c.y, c.x)
	lo, hi := lat-r, lat+r
	if lo <= -math.Pi/2 || hi >= math.Pi/2 { // a pole is inside: all longitudes
		return bound{rects: []rect{{point{-180, max(lo*deg, -90)}, point{180, min(hi*deg, 90)}}}}
	}
	w := math.Asin(min(math.Sin(r)/math.Cos(lat), 1))
	west, east := (lng-w)*deg, (lng+w)*deg
	switch {
	case west < -180:
		return bound{rects: []rect{{point{-180, lo * deg}, point{east, hi * deg}}, {point{west + 360, lo * deg}, point{180, hi * deg}}}}
	case east > 180:
		return bound{rects: []rect{{point{west, lo * deg}, point{180, hi * deg}}, {point{-180, lo * deg}, point{east - 360, hi * deg}}}}
	}
	return bound{rects: []rect{{point{west, lo * deg}, point{east, hi * deg}}}}
}

// Grid divides a rectangle into four cells, each of these into four, and so on. A cell's token is
//
//	one byte 10..13 for each level, from the whole down, then 01
//
// so that the cells within a cell form one range of tokens, and no token is a prefix of another.
type Grid struct {
	lo, hi float64 // of x
	bottom float64 // of y
	top    float64
}

const (
	digit    = 0x10
	cellEnd  = 0x01
	maxLevel = 24
	// maxCells is how many cells cover a region, more or less.
	maxCells = 24
)

// SphereGrid is the grid of 2dsphere indexes: longitude and latitude.
func SphereGrid() Grid { return Grid{-180, 180, -90, 90} }

// PlaneGrid is the grid of 2d indexes; MongoDB's default bounds are -180 and 180.
func PlaneGrid(lo, hi float64) Grid { return Grid{lo, hi, lo, hi} }

func (g Grid) whole() rect { return rect{point{g.lo, g.bottom}, point{g.hi, g.top}} }

// Holds reports whether a position is within the grid.
func (g Grid) holds(p point) bool {
	return p.x >= g.lo && p.x <= g.hi && p.y >= g.bottom && p.y <= g.top
}

func (r rect) meets(o rect) bool {
	return r.lo.x <= o.hi.x && o.lo.x <= r.hi.x && r.lo.y <= o.hi.y && o.lo.y <= r.hi.y
}

func (r rect) within(o rect) bool {
	return r.lo.x >= o.lo.x && r.hi.x <= o.hi.x && r.lo.y >= o.lo.y && r.hi.y <= o.hi.y
}

func (r rect) quarter(i int) rect {
	m := point{(r.lo.x + r.hi.x) / 2, (r.lo.y + r.hi.y) / 2}
	if i&1 == 0 {
		r.hi.x = m.x
	} else {
		r.lo.x = m.x
	}
	if i&2 == 0 {
		r.hi.y = m.y
	} else {
		r.lo.y = m.y
	}
	return r
}

// pointToken returns the token of the smallest cell that holds p.
func (g Grid) pointToken(p point) []byte {
	r := g.whole()
	t := make([]byte, 0, maxLevel+1)
	for range maxLevel {
		m := point{(r.lo.x + r.hi.x) / 2, (r.lo.y + r.hi.y) / 2}
		i := 0
		if p.x >= m.x {
			i |= 1
		}
		if p.y >= m.y {
			i |= 2
		}
		t = append(t, digit+byte(i))
		r = r.quarter(i)
	}
	return append(t, cellEnd)
}

// cover returns the tokens, without their ends, of cells that hold a bound.
func (g Grid) cover(b bound) [][]byte {
	if b.all {
		return [][]byte{{}}
	}
	type cell struct {
		token []byte
		r     rect
	}
	meets := func(r rect) (meets, within bool) {
		for _, x := range b.rects {
			if r.meets(x) {
				meets = true
				within = within || r.within(x)
			}
		}
		return
	}
	open := []cell{{nil, g.whole()}}
	var done [][]byte
	for level := 0; level < maxLevel && len(open) > 0 && len(open)+len(done) < maxCells; level++ {
		var next []cell
		for _, c := range open {
			for i := range 4 {
				q := c.r.quarter(i)
				m, in := meets(q)
				if !m {
					continue
				}
				t := append(c.token[:len(c.token):len(c.token)], digit+byte(i))
				if in {
					done = append(done, t)
				} else {
					next = append(next, cell{t, q})
				}
			}
		}
		open = next
	}
	for _, c := range open {
		done = append(done, c.token)
	}
	return done
}

// Range is a half-open range of tokens.
type Range struct{ Lo, Hi []byte }

// Ranges returns the ranges of tokens that a value satisfying the query must have one in, in order and apart from each other.
// Candidates from them still have to be matched.
func (q *Query) Ranges(g Grid) []Range { return g.ranges(q.bound) }

func (g Grid) ranges(b bound) []Range {
	var out []Range
	seen := map[string]bool{}
	for _, t := range g.cover(b) {
		out = append(out, Range{t, append(t[:len(t):len(t)], digit+4)})
		// Shapes are also kept in cells larger than this one.
		for n := range len(t) {
			if k := string(t[:n]); !seen[k] {
				seen[k] = true
				out = append(out, Range{append([]byte(k), cellEnd), append([]byte(k), cellEnd+1)})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return string(out[i].Lo) < string(out[j].Lo) })
	merged := out[:0]
	for _, r := range out {
		if n := len(merged); n > 0 && string(r.Lo) <= string(merged[n-1].Hi) {
			if string(r.Hi) > string(merged[n-1].Hi) {
				merged[n-1].Hi = r.Hi
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// Tokens returns the tokens by which an index finds a value: of the cells that hold its shapes. A value that is missing or null has
// none. Anything else that is no shape is an error, as in MongoDB.
func Tokens(v bson.RawValue, g Grid, sphere bool) ([][]byte, error) {
	if value.IsNullish(v) {
		return nil, nil
	}
	seen := map[string]bool{}
	var out [][]byte
	add := func(t []byte) {
		if !seen[string(t)] {
			seen[string(t)] = true
			out = append(out, t)
		}
	}
	one := func(v bson.RawValue) error {
		s, err := parse(v)
		if err != nil {
			if sphere {
				return mongoerr.New(16755, "Can't extract geo keys: %s :: caused by :: %s", value.Show(v), mongoerr.As(err).Message)
			}
			return mongoerr.New(13026, "geo values must be 'legacy coordinate pairs' for 2d indexes: %s", value.Show(v))
		}
		if !sphere && len(s.lines)+len(s.polygons) > 0 {
			return mongoerr.New(13026, "geo values must be 'legacy coordinate pairs' for 2d indexes: %s", value.Show(v))
		}
		for _, p := range s.points {
			if !g.holds(p) {
				if sphere {
					return mongoerr.New(16755, "Can't extract geo keys: %s :: caused by :: Longitude/latitude is out of bounds, lng: %s lat: %s", value.Show(v), value.ShowDouble(p.x, false), value.ShowDouble(p.y, false))
				}
				return mongoerr.New(13027, "point not in interval of [ %s, %s ]: %s", value.ShowDouble(g.lo, false), value.ShowDouble(g.hi, false), value.Show(v))
			}
			add(g.pointToken(p))
		}
		if len(s.lines)+len(s.polygons) > 0 {
			for _, t := range g.cover(sphereBound(s.vertices)) {
				add(append(t[:len(t):len(t)], cellEnd))
			}
		}
		return nil
	}
	if v.Type == bson.TypeArray {
		if first := value.Index(v.Value, 0); !value.IsNumber(first) {
			it := value.Over(v.Value)
			for it.Next() {
				if err := one(it.Value()); err != nil {
					return nil, err
				}
			}
			return out, nil
		}
	}
	return out, one(v)
}
