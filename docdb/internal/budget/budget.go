// Package budget bounds memory that many share: the answers on their way to clients, the rows that queries hold. Each of them is bounded by
// itself already; what nobody may do is to take all there is by taking many.
package budget

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Budget is a number of bytes that holders take and give back. It knows no holders, only how much they have. A nil Budget has no bound.
type Budget struct {
	most, over int64
	used       atomic.Int64
	// waiting counts those in the queue, and those about to enter it.
	waiting atomic.Int32

	mu    sync.Mutex
	queue []*waiter
}

type waiter struct {
	n       int64
	granted chan struct{}
}

// New makes a budget of most bytes. What cannot wait may take up to over bytes; see Force.
func New(most, over int64) *Budget { return &Budget{most: most, over: max(most, over)} }

// Most is the size of the budget.
func (b *Budget) Most() int64 {
	if b == nil {
		return 0
	}
	return b.most
}

// Used is how much is taken.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Tight reports whether little is left, or somebody waits: whoever holds something should hurry.
func (b *Budget) Tight() bool {
	return b != nil && (b.waiting.Load() > 0 || b.used.Load() > b.most-b.most/4)
}

// Ample reports whether half of the budget is free.
func (b *Budget) Ample() bool { return b == nil || b.used.Load() < b.most/2 }

// Take takes n bytes if they are there and nobody waits for them.
func (b *Budget) Take(n int64) bool {
	return b == nil || b.waiting.Load() == 0 && b.add(n, b.most)
}

// Force takes n bytes for what is there already or must go on, also beyond the budget; false if that has come to its end, too.
func (b *Budget) Force(n int64) bool { return b == nil || b.add(n, b.over) }

// Wait takes n bytes as soon as they are there, in turn. More than the whole budget is given to one who is alone. The caller holds nothing of
// the budget, or else all might wait for each other.
func (b *Budget) Wait(ctx context.Context, n int64) error {
	if b == nil || b.Take(n) {
		return nil
	}
	w := &waiter{n: n, granted: make(chan struct{})}
	b.mu.Lock()
	b.waiting.Add(1) // before the queue is looked at, so that what is given back from now on comes to it
	b.queue = append(b.queue, w)
	b.serve()
	b.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, w); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		b.waiting.Add(-1)
	} else {
		b.used.Add(-n) // it was granted just now
	}
	b.serve()
	return context.Cause(ctx)
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) {
	if b == nil || n == 0 {
		return
	}
	b.used.Add(-n)
	if b.waiting.Load() > 0 {
		b.mu.Lock()
		b.serve()
		b.mu.Unlock()
	}
}

// serve grants what can be granted to the first of the queue; the caller holds mu.
func (b *Budget) serve() {
	for len(b.queue) > 0 {
		w := b.queue[0]
		if !b.add(w.n, b.most) && !b.used.CompareAndSwap(0, w.n) {
			return
		}
		b.queue = slices.Delete(b.queue, 0, 1)
		b.waiting.Add(-1)
		close(w.granted)
	}
}

func (b *Budget) add(n, most int64) bool {
	for {
		u := b.used.Load()
		if u+n > most {
			return false
		}
		if b.used.CompareAndSwap(u, u+n) {
			return true
		}
	}
}
