package host

import (
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"

	"github.com/dop251/goja"
)

// largeAtOnce is from when on an allocation is compared with what there is:
// less than that is seen by watchMemory in time.
const largeAtOnce = 16 << 20

// allow is asked before n bytes are taken at once. More than a call may have is
// an error that the code may catch. What passes the limit together with what is
// held stops the call, or has it run again alone when others hold it too: what
// watchMemory would find 10 ms later, when the host may be no more.
func (r *realm) allow(n int64) {
	limit := r.dep.msg.Limits.CallMemory
	if n > limit {
		r.throw("RangeError", fmt.Sprintf("memory limit exceeded by %d MB at once (function_memory_mb = %d)", n>>20, limit>>20))
	}
	if n < largeAtOnce || r.host.fits(n, limit) {
		return
	}
	reason := errSuspect
	if r.host.alone() {
		reason = errMemory
	}
	r.call.stop(reason)
	r.throw("RangeError", reason.Error()) // no code sees it any more
}

// fits reports whether calls may take n bytes more.
func (h *Host) fits(n, limit int64) bool {
	sample := []metrics.Sample{{Name: liveMemory}}
	for range 2 {
		metrics.Read(sample)
		if sample[0].Value.Uint64()+uint64(n) <= h.own.Load()+uint64(limit) {
			return true
		}
		runtime.GC() // garbage is nobody's fault
	}
	return false
}

func (h *Host) alone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.calls) == 1
}

// sizeFunc tells what a function of the engine is about to take.
type sizeFunc func(this goja.Value, args []goja.Value) int64

// count is an argument that is a number; others are the function's own affair.
func count(args []goja.Value, i int) int64 {
	if i < len(args) && goja.IsNumber(args[i]) {
		if f := args[i].ToFloat(); f > 0 {
			return int64(min(f, math.MaxInt32*1024)) // no product of it overflows
		}
	}
	return 0
}

// lengthOf is the length of an array, or of what is used as one.
func lengthOf(v goja.Value) int64 {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" && o.ClassName() != "Object" {
		return 0
	}
	return count([]goja.Value{o.Get("length")}, 0)
}

// valueSize is what the engine takes for an element of an array.
const valueSize = 16

// textSize is what n characters of the text take, which are of two bytes if one
// of them has to be.
func textSize(v goja.Value, n int64) int64 {
	s, ok := v.(goja.String)
	if !ok || s.Length() == 0 {
		return n
	}
	if size := len(s.String()); size > s.Length() {
		return 2 * n
	}
	return n
}

// sizes are those of the functions that take much at once.
var sizes = map[string]sizeFunc{
	"repeat": func(this goja.Value, args []goja.Value) int64 {
		if s, ok := this.(goja.String); ok {
			return textSize(s, int64(s.Length())*count(args, 0))
		}
		return 0
	},
	"padStart": paddedSize,
	"padEnd":   paddedSize,
	"fill":     func(this goja.Value, _ []goja.Value) int64 { return valueSize * lengthOf(this) },
	"from": func(_ goja.Value, args []goja.Value) int64 {
		if len(args) == 0 {
			return 0
		}
		return valueSize * lengthOf(args[0])
	},
}

func paddedSize(this goja.Value, args []goja.Value) int64 {
	n := textSize(this, count(args, 0))
	if len(args) > 1 {
		n = max(n, textSize(args[1], count(args, 0)))
	}
	return n
}

// guarded makes a function of the engine ask allow first.
func (r *realm) guarded(name string, fn *goja.Object) goja.Value {
	size := sizes[name]
	call, _ := goja.AssertFunction(fn)
	proxy := r.vm.NewProxy(fn, &goja.ProxyTrapConfig{
		Apply: func(_ *goja.Object, this goja.Value, args []goja.Value) goja.Value {
			r.allow(size(this, args))
			v, err := call(this, args...)
			if err != nil {
				panic(err)
			}
			return v
		},
	})
	return r.vm.ToValue(proxy)
}

var allocationNatives = map[string]nativeFunc{
	// guarded(name, fn) gives fn with its allocations asked for.
	"guarded": func(r *realm, c goja.FunctionCall) goja.Value {
		fn, ok := c.Argument(1).(*goja.Object)
		if !ok {
			return c.Argument(1)
		}
		return r.guarded(c.Argument(0).String(), fn)
	},
	// allow(n) asks for n bytes.
	"allow": func(r *realm, c goja.FunctionCall) goja.Value {
		r.allow(count(c.Arguments, 0))
		return goja.Undefined()
	},
}
