package host

import (
	"errors"
	"fmt"
	"runtime"
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
// engine does not account memory by realm, so a single running call is guilty,
// and of several all that are computing are stopped; the server runs those again,
// each alone on a host, that have not sent anything yet.
// The operating system's limit for the process stands behind this one.
func (h *Host) watchMemory(stop <-chan struct{}) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	base := uint64(0)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		used := sample[0].Value.Uint64()
		if base == 0 {
			base = used
		}
		if used < base+h.smallestMemory() {
			continue
		}
		// Garbage is nobody's fault.
		runtime.GC()
		metrics.Read(sample)
		used = sample[0].Value.Uint64()
		if used < base+h.smallestMemory() {
			continue
		}
		h.stopForMemory(used - base)
		// What the stopped calls held is free once they have returned.
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
}

// smallestMemory is the smallest limit among the calls that run.
func (h *Host) smallestMemory() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	least := uint64(1 << 62)
	for _, c := range h.calls {
		least = min(least, uint64(c.dep.msg.Limits.CallMemory))
	}
	return least
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
	var computing []*call
	for _, c := range all {
		if c.computing.Load() {
			computing = append(computing, c)
		}
	}
	if len(computing) == 0 {
		computing = all
	}
	for _, c := range computing {
		c.stop(errSuspect)
	}
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
