package function

import (
	"io"
	"sync/atomic"

	"regent/internal/fault"
)

// maxActing is how many operations of one call are done at once; further ones
// wait, holding no more than what was asked.
const maxActing = 32

// smallShare is what a call may make the server hold when all together hold too
// much: the few large ones fail then, not the many small ones.
const smallShare = 4 << 20

// messageCost is what the server spends on an operation besides its bytes.
const messageCost = 8 << 10

// held counts what the server holds for one call: the operations that it asked
// for, until they are done, and their outcomes, until its host has them. all
// counts it for every call of the server.
type held struct {
	bytes atomic.Int64
	all   *atomic.Int64
}

// take counts n bytes; the first result is what the call then holds itself, the
// second says that it holds a large share of what is too much altogether.
func (h *held) take(n, most int64) (own int64, crowded bool) {
	own = h.bytes.Add(n)
	return own, h.all.Add(n) > most && own > smallShare
}

// release forgets n bytes.
func (h *held) release(n int64) {
	h.bytes.Add(-n)
	h.all.Add(-n)
}

// hold counts bytes of an outcome, and refuses more than the call may have or
// than the server holds for all: no more than one host has.
func (x *execution) hold(n int) error {
	most := x.runtime.cfg.Limits.HostMemory
	own, crowded := x.outcomes.take(int64(n), most)
	if limit := x.deployment.limits.CallMemory; own > limit {
		return fault.New(fault.FunctionExecutionError, "memory limit exceeded by what was read at once (function_memory_mb = %d)", limit>>20)
	}
	if crowded {
		return errCrowded(most)
	}
	return nil
}

func errCrowded(most int64) error {
	return fault.New(fault.FunctionExecutionError, "functions ask the server for too much at once (--function-host-memory-mb = %d)", most>>20)
}

// holding counts what is read from a reader.
type holding struct {
	io.Reader
	x    *execution
	read int
}

// Read implements io.Reader.
func (h *holding) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.read += n
	if e := h.x.hold(n); e != nil {
		return n, e
	}
	return n, err
}

// release forgets what was counted.
func (h *holding) release() { h.x.outcomes.release(int64(h.read)) }
