package host

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/dlclark/regexp2/v2"

	"regent/internal/function/wire"
)

// The reasons for which a running call is stopped from outside. A stopped call
// runs no JavaScript any more, not even its catch and finally blocks.
var (
	errCancelled = errors.New("the caller has gone")
	errTime      = errors.New("execution time limit exceeded")
	errMemory    = errors.New("memory limit exceeded")
	errSuspect   = errors.New("stopped because the calls on its host used too much memory together")
)

// boundRegexps makes a backtracking regular expression end: the engine cannot
// be interrupted inside one match. The bound is the library's own global and
// belongs to this process alone.
func boundRegexps(d time.Duration) {
	regexp2.DefaultMatchTimeout = d + 100*time.Millisecond
}

// watchMemory stops calls when live memory passes the limit of one call. The
// engine does not account memory by realm, so a single running call is guilty;
// of several, those are stopped that may be, and the server runs those again,
// each alone on a host, that have not sent anything yet.
// The operating system's limit for the process stands behind this one.
func (h *Host) watchMemory(stop <-chan struct{}) {
	w := &memoryWatch{host: h, sample: []metrics.Sample{{Name: liveMemory}}, busy: h.now()}
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			w.look()
		}
		if w.busy.IsZero() {
			// A host that has cleaned up costs nothing until its next call.
			tick.Stop()
			select {
			case <-stop:
				return
			case <-h.woken:
			}
			w.busy = h.now()
			tick.Reset(memoryTick)
		}
	}
}

// liveMemory is what the engine's objects take, garbage included.
const liveMemory = "/memory/classes/heap/objects:bytes"

const memoryTick = 10 * time.Millisecond

// idleAfter is after how long without a call a host cleans up.
const idleAfter = 5 * time.Second

// memoryWatch is the state of watchMemory.
type memoryWatch struct {
	host   *Host
	sample []metrics.Sample
	base   uint64    // what the host holds without any call
	busy   time.Time // when there was a call last; zero: cleaned up since
}

func (w *memoryWatch) used() uint64 {
	metrics.Read(w.sample)
	return w.sample[0].Value.Uint64()
}

// own is what the host holds that is no call's: what it held when it was idle,
// and the programs of packages that it has compiled since.
func (w *memoryWatch) own() uint64 {
	return w.base + uint64(min(max(w.host.programs.Load(), 0), w.host.limits.HostMemory/4))
}

func (w *memoryWatch) look() {
	used := w.used()
	if w.base == 0 {
		w.base = used
	}
	w.host.own.Store(w.own())
	running, limit := w.host.observe(used - min(used, w.own()))
	switch {
	case running > 0:
		w.busy = w.host.now()
	case w.host.now().Sub(w.busy) > idleAfter:
		// What nobody uses goes back to the system. Programs of deployments come
		// and go: they are no call's memory.
		w.busy = time.Time{}
		debug.FreeOSMemory()
		w.base = w.used()
		w.host.programs.Store(0)
	}
	if used < w.own()+limit {
		return
	}
	// Garbage is nobody's fault.
	runtime.GC()
	if used = w.used(); used < w.own()+limit {
		return
	}
	w.host.stopForMemory(used - w.own())
	// What the stopped calls held is free once they have returned.
	for since := w.host.now(); len(w.host.stoppedForMemory()) > 0 && w.host.now().Sub(since) < stopGrace; {
		time.Sleep(memoryTick)
	}
	// Else they do not stop: they are within one built-in function of the engine.
	runtime.GC()
	if used = w.used(); used >= w.own()+limit && (running == 1 || used >= w.own()+w.host.crowdLimit(limit)) {
		w.host.giveUp()
	}
}

// crowdLimit is what several calls may hold before the host is ended with those
// of them that are innocent: twice the limit of one, or half of what there is.
func (h *Host) crowdLimit(limit uint64) uint64 {
	return max(limit, min(2*limit, uint64(h.limits.HostMemory)/2))
}

// stopGrace is how long calls that were stopped for memory may go on, before
// the host asks to be ended.
const stopGrace = 250 * time.Millisecond

// stoppedForMemory lists the calls that still run although they were stopped.
func (h *Host) stoppedForMemory() (calls []*call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if reason := c.stopped(); reason == errMemory || reason == errSuspect {
			calls = append(calls, c)
		}
	}
	return calls
}

// giveUp asks the server to end the host, since a call that is over its memory
// cannot be interrupted. The one that runs alone is guilty; of several nobody
// knows which is, and the server runs again those that may be.
func (h *Host) giveUp() {
	stuck := h.stoppedForMemory()
	if len(stuck) == 0 || h.overrun {
		return
	}
	h.overrun = true
	f := wire.Frame{Kind: wire.Overrun, Body: wire.Marshal(stuck[0].stopFailure(errMemory).Failure)}
	h.mu.Lock()
	if len(h.calls) == 1 {
		f.Call = stuck[0].id
	}
	h.mu.Unlock()
	_ = h.conn.Send(f)
}

// observe notes what the host holds for the calls that run, and gives their
// number and the smallest limit among them.
func (h *Host) observe(used uint64) (running int, limit uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit = 1 << 62
	for _, c := range h.calls {
		limit = min(limit, uint64(c.dep.msg.Limits.CallMemory))
		if used > c.peak.Load() {
			c.peak.Store(used)
		}
	}
	return len(h.calls), limit
}

// memory is what the call is said to have used: what it allocated, and no more
// than its host held.
func (c *call) memory() int64 {
	allocated, _ := c.usage.state(c.host.now())
	if peak := int64(c.peak.Load()); peak > 0 {
		return min(allocated, peak)
	}
	return allocated
}

// stopForMemory stops calls whose limit is passed; used is what all hold together.
func (h *Host) stopForMemory(used uint64) {
	h.mu.Lock()
	alone := len(h.calls) == 1
	all := make([]*call, 0, len(h.calls))
	for _, c := range h.calls {
		if used >= uint64(c.dep.msg.Limits.CallMemory) {
			all = append(all, c)
		}
	}
	h.mu.Unlock()
	if alone && len(all) == 1 {
		all[0].stop(errMemory)
		return
	}
	for _, c := range h.suspects(all) {
		c.stop(errSuspect)
	}
}

// suspects gives those calls of which one may be guilty: who computes and was
// charged for much; else who computes; else all.
func (h *Host) suspects(all []*call) []*call {
	var computing, greedy []*call
	for _, c := range all {
		allocated, computes := c.usage.state(h.now())
		if !computes {
			continue
		}
		computing = append(computing, c)
		if allocated >= c.dep.msg.Limits.CallMemory/8 {
			greedy = append(greedy, c)
		}
	}
	switch {
	case len(greedy) > 0:
		return greedy
	case len(computing) > 0:
		return computing
	}
	return all
}

// stopFailure is the failure of a call that was stopped.
func (c *call) stopFailure(reason error) wire.ResultMessage {
	f := &wire.Failure{Name: "Error", Message: reason.Error()}
	switch reason {
	case errTime:
		f.Code = "ExecutionTimeLimitExceeded"
		f.Message = fmt.Sprintf("execution time limit exceeded (function_timeout = %s)", c.dep.msg.Limits.Time)
	case errMemory:
		f.Name = "RangeError"
		f.Message = fmt.Sprintf("memory limit exceeded (function_memory_mb = %d)", c.dep.msg.Limits.CallMemory>>20)
	case errSuspect:
		return wire.ResultMessage{Failure: f, Retry: true}
	}
	return wire.ResultMessage{Failure: f}
}
