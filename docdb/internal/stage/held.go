package stage

import (
	"regent/docdb/internal/budget"
	"regent/docdb/internal/mongoerr"
)

// held is what a stage has in memory: up to its own limit, and to what all queries may hold together.
type held struct {
	share budget.Share
	limit int
}

func (e *Env) held() held { return held{budget.Share{Ledger: e.Memory}, e.limit()} }

// leastHeld is what a stage may have also when there is no more for it: it would not get anywhere by writing out less.
const leastHeld = 256 << 10

// fits reports whether n bytes may be in memory. The error says that the stage cannot go on at all.
func (h *held) fits(n int) (bool, error) {
	switch {
	case n > h.limit:
		return false, nil
	case h.share.Hold(n):
		return true, nil
	case n > leastHeld:
		return false, nil
	}
	return true, h.needs(n)
}

// needs is fits for what cannot be written out.
func (h *held) needs(n int) error {
	if h.share.Need(n) {
		return nil
	}
	return memoryTaken(h.share.Most())
}

// bounded is fits for a stage that has no use for the disk: past its limit it fails with over.
func (h *held) bounded(n int, over *mongoerr.Error) error {
	if n > h.limit {
		return over
	}
	if !h.share.Hold(n) {
		return memoryTaken(h.share.Most())
	}
	return nil
}

// copies counts n copies of a large row, which a stage keeps until it comes to the next one.
func (h *held) copies(r row, n int) error {
	if n *= len(r.doc); n > keepBytes {
		return h.needs(n)
	}
	return nil
}

func (h *held) release() { h.share.Release() }

// memoryTaken is the error of a query that would pass what all may hold together.
func memoryTaken(most int64) error {
	return mongoerr.New(mongoerr.ExceededMemoryLimit, "the queries that are running or have open cursors hold the %d bytes of memory that there are for all; try again, or close cursors", most)
}
