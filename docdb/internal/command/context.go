package command

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"regent/docdb/internal/mongoerr"
)

// asksBeforeTimer is how often a command may ask for its context's error before it gets a context with a timer and a channel: by
// then it is a long one.
const asksBeforeTimer = 64

// opContext is the context of one command. It ends with the connection's, when killOp asks for it, or after maxTimeMS. A short
// command only looks at the clock; who waits (on Done) or asks often gets a context that is told.
type opContext struct {
	parent   context.Context
	deadline time.Time // zero for none
	killed   atomic.Bool
	asked    atomic.Int32

	mu   sync.Mutex
	told atomic.Pointer[toldContext]
}

type toldContext struct {
	context.Context
	cancel context.CancelFunc
}

// errMaxTime is the cause of a context's end by maxTimeMS.
var errMaxTime = mongoerr.New(mongoerr.MaxTimeMSExpired, "operation exceeded time limit")

// tell makes the context that is told.
func (o *opContext) tell() *toldContext {
	if t := o.told.Load(); t != nil {
		return t
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.told.Load(); t != nil {
		return t
	}
	t := &toldContext{}
	if o.deadline.IsZero() {
		t.Context, t.cancel = context.WithCancel(o.parent)
	} else {
		t.Context, t.cancel = context.WithDeadlineCause(o.parent, o.deadline, errMaxTime)
	}
	o.told.Store(t)
	if o.killed.Load() {
		t.cancel()
	}
	return t
}

// limit ends the context after a time, from now on.
func (o *opContext) limit(d time.Duration) (context.Context, context.CancelFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.told.Load(); t != nil {
		return context.WithTimeoutCause(t.Context, d, errMaxTime)
	}
	o.deadline = time.Now().Add(d)
	return o, func() {}
}

// kill ends the context.
func (o *opContext) kill() {
	o.killed.Store(true)
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.told.Load(); t != nil {
		t.cancel()
	}
}

// end lets go of what the context holds; the command is over.
func (o *opContext) end() {
	if t := o.told.Load(); t != nil {
		t.cancel()
	}
}

// Done implements context.Context.
func (o *opContext) Done() <-chan struct{} { return o.tell().Done() }

// Err implements context.Context.
func (o *opContext) Err() error {
	if t := o.told.Load(); t != nil {
		return t.Err()
	}
	if o.asked.Add(1) > asksBeforeTimer {
		return o.tell().Err()
	}
	switch {
	case o.killed.Load():
		return context.Canceled
	case !o.deadline.IsZero() && !time.Now().Before(o.deadline):
		return context.DeadlineExceeded
	}
	return o.parent.Err()
}

// Deadline implements context.Context.
func (o *opContext) Deadline() (time.Time, bool) {
	d, ok := o.parent.Deadline()
	if !o.deadline.IsZero() && (!ok || o.deadline.Before(d)) {
		return o.deadline, true
	}
	return d, ok
}

// Value implements context.Context.
func (o *opContext) Value(key any) any {
	if t := o.told.Load(); t != nil {
		return t.Value(key)
	}
	return o.parent.Value(key)
}

// runningContext is the context of expressions inside filters and projections. They outlive the command that compiled them: the cursor's
// next getMore runs them under its own time limit, and what is read ahead between two requests under none.
type runningContext struct {
	now atomic.Pointer[opContext]
}

// runs gives the context of the command's expressions.
func (c *call) runs() *runningContext {
	if c.running == nil {
		c.running = &runningContext{}
		c.running.now.Store(c.ctx)
	}
	return c.running
}

// pause is the end of the request: what goes on is nobody's to stop.
func (c *call) pause() {
	if c.running != nil {
		c.running.now.Store(nil)
	}
}

// Err implements context.Context.
func (r *runningContext) Err() error {
	o := r.now.Load()
	if o == nil {
		return nil
	}
	err := o.Err()
	if err != nil && r.now.Load() != o {
		return nil // the request has ended meanwhile, and its context with it
	}
	return err
}

// Done implements context.Context; nobody waits for it.
func (*runningContext) Done() <-chan struct{} { return nil }

// Deadline implements context.Context.
func (*runningContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*runningContext) Value(any) any { return nil }
