package geo

// leastRing is the radius of the first ring on the sphere, in meters.
const leastRing = 50

// FirstRing is the distance from the query's point, in its unit, within which to look first.
func (q *Query) FirstRing(g Grid) float64 {
	least := (g.hi - g.lo) / (1 << 20)
	if q.spherical {
		least = leastRing / EarthRadius * q.unit
	}
	return max(least, q.minDistance)
}

// Ring returns the ranges of tokens that everything within a distance of the query's point has one in, as Ranges does. whole says that the
// query finds nothing beyond.
func (q *Query) Ring(g Grid, distance float64) (ranges []Range, whole bool) {
	if q.hasMaximum && distance >= q.maxDistance {
		distance, whole = q.maxDistance, true
	}
	var b bound
	if q.spherical {
		b = capBound(q.center.vec(), distance/q.unit)
	} else {
		b = flatBound([]point{q.center}, distance*(1+1e-9)) // rounding must not lose the edge
		b.all = g.whole().within(b.rects[0])
	}
	return g.ranges(b), whole || b.all
}

// Without returns what of some ranges is in none of others. Both are in order and apart from each other, and so is the result.
func Without(ranges, others []Range) []Range {
	var out []Range
	for _, r := range ranges {
		lo := r.Lo
		for _, o := range others {
			if string(o.Hi) <= string(lo) {
				continue
			}
			if string(o.Lo) >= string(r.Hi) {
				break
			}
			if string(o.Lo) > string(lo) {
				out = append(out, Range{lo, o.Lo})
			}
			lo = o.Hi
		}
		if string(lo) < string(r.Hi) {
			out = append(out, Range{lo, r.Hi})
		}
	}
	return out
}

// With returns what is in either of two lists of ranges that are in order and apart from each other.
func With(a, b []Range) []Range {
	var out []Range
	for len(a)+len(b) > 0 {
		var r Range
		if len(b) == 0 || len(a) > 0 && string(a[0].Lo) <= string(b[0].Lo) {
			r, a = a[0], a[1:]
		} else {
			r, b = b[0], b[1:]
		}
		if n := len(out); n > 0 && string(r.Lo) <= string(out[n-1].Hi) {
			if string(r.Hi) > string(out[n-1].Hi) {
				out[n-1].Hi = r.Hi
			}
			continue
		}
		out = append(out, r)
	}
	return out
}
