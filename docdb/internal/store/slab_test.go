package store

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSlab takes and gives runs of every size at random: no two of them overlap, no more than the extents there may be are mapped, and
// when all have been given back one extent is left, with room for a run as large as itself.
func TestSlab(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := &slab{most: 3}
	type run struct {
		b    []byte
		mark byte
	}
	var runs []run
	refused := 0
	for i := range 20_000 {
		if len(runs) > 0 && r.IntN(100) < 49 {
			j := r.IntN(len(runs))
			for k, c := range runs[j].b {
				if c != runs[j].mark {
					t.Fatalf("byte %d of a run of %d is %d, not %d", k, len(runs[j].b), c, runs[j].mark)
				}
			}
			s.give(runs[j].b)
			runs = slices.Delete(runs, j, j+1)
			continue
		}
		b := s.take(1 + r.IntN(300<<10))
		if b == nil {
			refused++
			continue
		}
		for k := range b {
			b[k] = byte(i)
		}
		runs = append(runs, run{b, byte(i)})
		if len(s.extents) > s.most {
			t.Fatalf("%d extents", len(s.extents))
		}
	}
	if refused == 0 || len(s.extents) != s.most {
		t.Errorf("%d refused, %d extents: the slab was never full", refused, len(s.extents))
	}
	for _, u := range runs {
		s.give(u.b)
	}
	if len(s.extents) != 1 || s.extents[0].free != extentPages {
		t.Errorf("%d extents are left, %d pages free", len(s.extents), s.extents[0].free)
	}
	if b := s.take(extent); len(b) != extent || len(s.extents) != 1 {
		t.Errorf("a run of an extent: %d bytes, %d extents", len(b), len(s.extents))
	}
	if s.take(extent+1) != nil {
		t.Error("a run of more than an extent")
	}
}
