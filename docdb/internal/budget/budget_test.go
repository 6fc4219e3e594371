package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestTurns has who waits be served in turn, before those who came later and want less.
func TestTurns(t *testing.T) {
	b := New(10, 15)
	if !b.Take(8) || b.Take(3) || !b.Take(2) || b.Take(1) {
		t.Fatal("Take")
	}
	if !b.Force(5) || b.Force(1) {
		t.Fatal("Force")
	}
	b.Give(5)
	first, second := make(chan error), make(chan error)
	wait := func(c chan error, n int64) {
		queued := b.waiting.Load()
		go func() { c <- b.Wait(context.Background(), n) }()
		for b.waiting.Load() == queued {
			time.Sleep(time.Millisecond)
		}
	}
	wait(first, 6)
	wait(second, 1)
	b.Give(3)
	if b.Take(1) {
		t.Error("one who came later was served first")
	}
	select {
	case <-second:
		t.Error("the second was served before the first")
	case <-time.After(20 * time.Millisecond):
	}
	b.Give(3)
	if err := <-first; err != nil {
		t.Error(err)
	}
	b.Give(6)
	if err := <-second; err != nil {
		t.Error(err)
	}
	b.Give(2)
	if u := b.Used(); u != 3 { // 8+2+5-5+6+1-3-3-6-2
		t.Errorf("%d are used, want 3", u)
	}
	b.Give(3)
	if err := b.Wait(context.Background(), 100); err != nil || b.Used() != 100 {
		t.Errorf("one who is alone does not get more than there is: %v", err)
	}
	c, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("a reason")
	cancel(reason)
	if err := b.Wait(c, 1); err != reason || b.Used() != 100 || b.waiting.Load() != 0 {
		t.Errorf("%v; %d used, %d waiting", err, b.Used(), b.waiting.Load())
	}
	var none *Budget
	if !none.Take(1) || !none.Force(1) || none.Wait(c, 1) != nil || none.Tight() || !none.Ample() {
		t.Error("no budget has a bound")
	}
	none.Give(1)
}

// TestNobodyWaitsForever has many take, wait and give up at random: the budget is never passed, everybody is served, and nothing is left.
func TestNobodyWaitsForever(t *testing.T) {
	b := New(100, 100)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range 3000 {
				n := 1 + r.Int64N(60)
				if r.IntN(3) == 0 {
					if !b.Take(n) {
						continue
					}
				} else {
					c, cancel := context.Background(), func() {}
					if r.IntN(4) == 0 {
						c, cancel = context.WithTimeout(c, time.Duration(r.IntN(50))*time.Microsecond)
					}
					err := b.Wait(c, n)
					cancel()
					if err != nil {
						continue
					}
				}
				if u := b.Used(); u > 100 {
					t.Errorf("%d are used", u)
				}
				b.Give(n)
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 || b.waiting.Load() != 0 || len(b.queue) != 0 {
		t.Errorf("%d used, %d waiting, %d in the queue", b.Used(), b.waiting.Load(), len(b.queue))
	}
}
