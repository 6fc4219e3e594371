package realm

import (
	"context"
	"sync"
)

// flight is one piece of work shared by everybody who asks for it while it
// runs. The work outlives the caller who started it, as long as another still
// waits; when the last one gives up, its context is cancelled, so that no
// goroutine is left behind. The zero value is ready.
type flight[T any] struct {
	mu  sync.Mutex
	run *flightRun[T]
}

type flightRun[T any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // guarded by flight.mu
	value   T   // valid after done
	err     error
}

// do joins the running work or starts it.
func (f *flight[T]) do(ctx context.Context, work func(context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	r := f.run
	if r == nil {
		wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r = &flightRun[T]{done: make(chan struct{}), cancel: cancel}
		f.run = r
		go func() {
			defer cancel()
			r.value, r.err = work(wctx)
			f.forget(r)
			close(r.done)
		}()
	}
	r.waiting++
	f.mu.Unlock()

	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		f.mu.Lock()
		r.waiting--
		if r.waiting == 0 {
			r.cancel()
			if f.run == r {
				f.run = nil
			}
		}
		f.mu.Unlock()
		var zero T
		return zero, context.Cause(ctx)
	}
}

func (f *flight[T]) forget(r *flightRun[T]) {
	f.mu.Lock()
	if f.run == r {
		f.run = nil
	}
	f.mu.Unlock()
}
