package geo

import "math"

// within reports whether all of s lies in the region, edges included.
func (s *shape) within(region []polygon) bool {
	for _, p := range s.points {
		if !p.onSphere() || !anyContains(region, p.vec()) {
			return false
		}
	}
	for _, l := range s.lines {
		if !lineWithin(l, region) {
			return false
		}
	}
	for _, g := range s.polygons {
		if !polygonWithin(g, region) {
			return false
		}
	}
	return len(s.points)+len(s.lines)+len(s.polygons) > 0
}

func anyContains(region []polygon, p vec) bool {
	for _, g := range region {
		if g.contains(p) {
			return true
		}
	}
	return false
}

func lineWithin(l []vec, region []polygon) bool {
	for _, g := range region {
		in := true
		for i := range l {
			if !g.contains(l[i]) || i > 0 && (crosses(l[i-1], l[i], g) || !g.contains(l[i-1].add(l[i]).unit())) {
				in = false
				break
			}
		}
		if in {
			return true
		}
	}
	return false
}

// crosses reports whether an edge of g crosses the arc.
func crosses(a, b vec, g polygon) bool {
	return g.edges(func(c, d vec) bool { return arcsCross(a, b, c, d) })
}

func polygonWithin(x polygon, region []polygon) bool {
	for _, g := range region {
		out := x.edges(func(a, b vec) bool {
			return !g.contains(a) || crosses(a, b, g) || !g.contains(a.add(b).unit())
		})
		if out {
			continue
		}
		// A hole of the region within x, and not within a hole of x, is a part of x that is not in the region.
		covered := true
		for _, h := range g.holes {
			for _, p := range h {
				if x.contains(p) && !onEdges(x, p) {
					covered = false
				}
			}
		}
		if covered {
			return true
		}
	}
	return false
}

func onEdges(g polygon, p vec) bool {
	for _, r := range g.rings() {
		if r.onEdge(p) {
			return true
		}
	}
	return false
}

// intersects reports whether two shapes have a point in common.
func (s *shape) intersects(t *shape) bool {
	return s.touches(t) || t.touches(s)
}

// touches looks for a point, line or edge of s that meets t.
func (s *shape) touches(t *shape) bool {
	for _, p := range s.points {
		if p.onSphere() && t.covers(p.vec()) {
			return true
		}
	}
	meets := func(a, b vec) bool {
		if t.covers(a) || t.covers(b) {
			return true
		}
		for _, l := range t.lines {
			for i := 1; i < len(l); i++ {
				if arcsMeet(a, b, l[i-1], l[i]) {
					return true
				}
			}
		}
		for _, g := range t.polygons {
			if g.edges(func(c, d vec) bool { return arcsMeet(a, b, c, d) }) {
				return true
			}
		}
		return false
	}
	for _, l := range s.lines {
		for i := 1; i < len(l); i++ {
			if meets(l[i-1], l[i]) {
				return true
			}
		}
	}
	for _, g := range s.polygons {
		if g.edges(meets) {
			return true
		}
	}
	return false
}

// covers reports whether a point is one of s, lies on a line of s, or in a polygon of s.
func (s *shape) covers(p vec) bool {
	for _, q := range s.points {
		if q.onSphere() && q.vec().angle(p) < eps {
			return true
		}
	}
	for _, l := range s.lines {
		for i := 1; i < len(l); i++ {
			if onArc(p, l[i-1], l[i]) {
				return true
			}
		}
	}
	return anyContains(s.polygons, p)
}

// distance returns the angle from p to the nearest point of s.
func (s *shape) distance(p vec) float64 {
	if anyContains(s.polygons, p) {
		return 0
	}
	best := math.Inf(1)
	for _, q := range s.points {
		if q.onSphere() {
			best = math.Min(best, q.vec().angle(p))
		}
	}
	near := func(a, b vec) bool {
		best = math.Min(best, arcDistance(p, a, b))
		return false
	}
	for _, l := range s.lines {
		for i := 1; i < len(l); i++ {
			near(l[i-1], l[i])
		}
	}
	for _, g := range s.polygons {
		g.edges(near)
	}
	return best
}

// flatContains reports whether a point lies in a polygon of the plane, or on its edge.
func flatContains(poly []point, p point) bool {
	in := false
	for i := range poly {
		a, b := poly[i], poly[(i+1)%len(poly)]
		cross := (b.x-a.x)*(p.y-a.y) - (b.y-a.y)*(p.x-a.x)
		if cross == 0 && p.x >= math.Min(a.x, b.x) && p.x <= math.Max(a.x, b.x) && p.y >= math.Min(a.y, b.y) && p.y <= math.Max(a.y, b.y) {
			return true
		}
		if (a.y > p.y) != (b.y > p.y) && p.x < (b.x-a.x)*(p.y-a.y)/(b.y-a.y)+a.x {
			in = !in
		}
	}
	return in
}
