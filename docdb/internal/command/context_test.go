package command

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestShortCommandsMakeNoContextOfTheirOwn(t *testing.T) {
	o := &opContext{parent: context.Background()}
	for range asksBeforeTimer {
		if err := o.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if o.told.Load() != nil {
		t.Fatal("a command that asked a few times has a context with a channel")
	}
	o.Err()
	if o.told.Load() == nil {
		t.Fatal("a command that asks often has none")
	}
	o.end()
}

func TestCommandsEnd(t *testing.T) {
	for _, told := range []bool{false, true} {
		begin := func(parent context.Context) *opContext {
			o := &opContext{parent: parent}
			t.Cleanup(o.end)
			return o
		}
		wait := func(o *opContext) {
			if told {
				<-o.Done()
			}
		}
		parent, cancel := context.WithCancel(context.Background())
		o := begin(parent)
		cancel()
		if wait(o); !errors.Is(o.Err(), context.Canceled) {
			t.Fatalf("told %v: the connection ended: %v", told, o.Err())
		}
		o = begin(context.Background())
		o.kill()
		if wait(o); !errors.Is(o.Err(), context.Canceled) {
			t.Fatalf("told %v: killed: %v", told, o.Err())
		}
		o = begin(context.Background())
		o.limit(time.Nanosecond)
		if wait(o); !errors.Is(o.Err(), context.DeadlineExceeded) && told {
			t.Fatalf("told %v: over its time: %v", told, o.Err())
		}
		if told && context.Cause(o) != errMaxTime {
			t.Fatalf("the cause is %v", context.Cause(o))
		}
		if d, ok := o.Deadline(); !ok || time.Until(d) > 0 {
			t.Fatalf("deadline %v %v", d, ok)
		}
	}
	// A limit beside a context that exists already.
	o := &opContext{parent: context.Background()}
	defer o.end()
	o.Done()
	ctx, cancel := o.limit(time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if context.Cause(ctx) != errMaxTime {
		t.Fatalf("the cause is %v", context.Cause(ctx))
	}
	// Killed while somebody waits.
	o = &opContext{parent: context.Background()}
	defer o.end()
	done := o.Done()
	o.kill()
	<-done
}
