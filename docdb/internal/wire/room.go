package wire

import (
	"context"

	"regent/docdb/internal/budget"
)

// room is what the buffers of one connection may take, in one direction. Buffers of up to free bytes are not counted: there are only so many
// connections.
type room struct {
	b    *budget.Budget
	free int
	held int64
}

// take sees to it that a buffer of n bytes is counted, if there is room for it.
func (r *room) take(n int) bool {
	more := r.more(n)
	if more > 0 && !r.b.Take(more) {
		return false
	}
	r.held += more
	return true
}

// settle counts a buffer of n bytes that is there, no more and no less; false if the budget has come to its end.
func (r *room) settle(n int) bool {
	more := r.more(n)
	if more > 0 && !r.b.Force(more) {
		return false
	}
	r.held += more
	if less := r.held - int64(n); n <= r.free {
		r.give()
	} else if less > 0 {
		r.b.Give(less)
		r.held = int64(n)
	}
	return true
}

// wait is take that waits; the buffer has nothing yet.
func (r *room) wait(ctx context.Context, n int) error {
	more := r.more(n)
	if more == 0 {
		return nil
	}
	// Whoever waits holds nothing, so that nobody waits for somebody who waits.
	r.b.Give(r.held)
	r.held = 0
	if err := r.b.Wait(ctx, int64(n)); err != nil {
		return err
	}
	r.held = int64(n)
	return nil
}

func (r *room) more(n int) int64 {
	if n <= r.free {
		return 0
	}
	return max(int64(n)-r.held, 0)
}

// give gives everything back: the buffer is gone.
func (r *room) give() {
	r.b.Give(r.held)
	r.held = 0
}

// TakeRoom says that the answer will take a buffer of n bytes. False if there are too many large answers on their way now: it should end
// early, or wait by WaitRoom.
func (r *Request) TakeRoom(n int) bool { return r.room == nil || r.room.take(n) }

// WaitRoom waits until there is room for an answer of n bytes, which has hardly begun.
func (r *Request) WaitRoom(ctx context.Context, n int) error {
	if r.room == nil {
		return nil
	}
	return r.room.wait(ctx, n)
}
