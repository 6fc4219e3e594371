package geo

import "math"

// EarthRadius is the radius in meters by which MongoDB turns angles to distances.
const EarthRadius = 6378100.0

// point is a position; x is the longitude and y the latitude where it is on the sphere.
type point struct{ x, y float64 }

// vec is a point of the unit sphere.
type vec struct{ x, y, z float64 }

func (p point) vec() vec {
	lng, lat := p.x*math.Pi/180, p.y*math.Pi/180
	c := math.Cos(lat)
	return vec{c * math.Cos(lng), c * math.Sin(lng), math.Sin(lat)}
}

func (p point) onSphere() bool {
	return p.x >= -180 && p.x <= 180 && p.y >= -90 && p.y <= 90
}

func (a vec) dot(b vec) float64 { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}
func (a vec) add(b vec) vec       { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) scale(f float64) vec { return vec{a.x * f, a.y * f, a.z * f} }
func (a vec) norm() float64       { return math.Sqrt(a.dot(a)) }

func (a vec) unit() vec {
	if n := a.norm(); n > 0 {
		return a.scale(1 / n)
	}
	return a
}

// angle returns the angle between two unit vectors, exactly also for small ones.
func (a vec) angle(b vec) float64 { return math.Atan2(a.cross(b).norm(), a.dot(b)) }

// eps is the tolerance of tests on the sphere, about a tenth of a millimeter on the ground.
const eps = 1e-11

// onArc reports whether p lies on the shorter arc from a to b.
func onArc(p, a, b vec) bool {
	n := a.cross(b)
	l := n.norm()
	if l < eps {
		return p.angle(a) < eps
	}
	if math.Abs(n.dot(p))/l > eps {
		return false
	}
	m := a.add(b)
	return p.dot(m) >= a.dot(m)-eps
}

// arcsMeet reports whether two arcs have a point in common.
func arcsMeet(a, b, c, d vec) bool {
	if onArc(a, c, d) || onArc(b, c, d) || onArc(c, a, b) || onArc(d, a, b) {
		return true
	}
	ab, cd := a.cross(b), c.cross(d)
	if ab.dot(c)*ab.dot(d) >= 0 || cd.dot(a)*cd.dot(b) >= 0 {
		return false
	}
	// The great circles cross twice; the arcs meet only if they do so on the same side.
	x := ab.cross(cd)
	return x.dot(a.add(b))*x.dot(c.add(d)) > 0
}

// arcsCross reports whether two arcs cross each other in their insides.
func arcsCross(a, b, c, d vec) bool {
	ab, cd := a.cross(b), c.cross(d)
	if s := ab.dot(c) * ab.dot(d); s >= -eps*eps {
		return false
	}
	if s := cd.dot(a) * cd.dot(b); s >= -eps*eps {
		return false
	}
	x := ab.cross(cd)
	return x.dot(a.add(b))*x.dot(c.add(d)) > 0
}

// arcDistance returns the angle from p to the nearest point of the arc from a to b.
func arcDistance(p, a, b vec) float64 {
	n := a.cross(b).unit()
	if n.norm() > 0 {
		foot := p.add(n.scale(-n.dot(p))).unit()
		if foot.norm() > 0 && onArc(foot, a, b) {
			return p.angle(foot)
		}
	}
	return math.Min(p.angle(a), p.angle(b))
}

// ring is a closed loop on the sphere, without the repeated last point, counter-clockwise around its smaller side.
type ring []vec

func newRing(pts []point) ring {
	r := make(ring, len(pts))
	for i, p := range pts {
		r[i] = p.vec()
	}
	area := 0.0
	for i := 1; i+1 < len(r); i++ {
		a, b, c := r[0], r[i], r[i+1]
		area += 2 * math.Atan2(a.dot(b.cross(c)), 1+a.dot(b)+b.dot(c)+c.dot(a))
	}
	if area < 0 && area > -2*math.Pi || area > 2*math.Pi {
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
	}
	return r
}

// contains reports whether p is inside of the ring or on it: how often the ring turns round p, seen from p, tells.
func (r ring) contains(p vec) bool {
	turn := 0.0
	for i := range r {
		a, b := r[i], r[(i+1)%len(r)]
		if onArc(p, a, b) {
			return true
		}
		turn += math.Atan2(p.dot(a.cross(b)), a.dot(b)-p.dot(a)*p.dot(b))
	}
	return turn > math.Pi
}

// onEdge reports whether p lies on the ring itself.
func (r ring) onEdge(p vec) bool {
	for i := range r {
		if onArc(p, r[i], r[(i+1)%len(r)]) {
			return true
		}
	}
	return false
}

// polygon is a ring with holes.
type polygon struct {
	outer ring
	holes []ring
}

func (g polygon) contains(p vec) bool {
	if !g.outer.contains(p) {
		return false
	}
	for _, h := range g.holes {
		if h.contains(p) && !h.onEdge(p) {
			return false
		}
	}
	return true
}

func (g polygon) rings() []ring { return append([]ring{g.outer}, g.holes...) }

// edges calls f with each edge until it returns true, and reports whether it did.
func (g polygon) edges(f func(a, b vec) bool) bool {
	for _, r := range g.rings() {
		for i := range r {
			if f(r[i], r[(i+1)%len(r)]) {
				return true
			}
		}
	}
	return false
}
