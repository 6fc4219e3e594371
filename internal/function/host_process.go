package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// hostProcess is one running function host.
type hostProcess struct {
	cmd    *exec.Cmd
	conn   *wire.Conn
	stderr *tail
	log    *slog.Logger
	memory int64 // limit in bytes
	begun  time.Time
	ended  func()
	gone   chan struct{} // closed when the process is no more

	mu       sync.Mutex
	calls    map[uint64]*pendingCall
	deployed map[int64]bool
	dead     error
	verdict  *verdict // why we killed it
}

// verdict is why a host was killed and by whose fault.
type verdict struct {
	call uint64
	err  *wire.Failure
}

// pendingCall is a call that a host is running.
type pendingCall struct {
	id      uint64
	ctx     context.Context
	run     *execution
	outcome chan outcome // buffered for one
	sent    atomic.Bool  // the call has asked for something
	begun   time.Time
}

// outcome is how a call ended.
type outcome struct {
	result wire.ResultMessage
	died   bool // with its host, through no known fault of its own
}

// By how much hosts give way to the server: those that many calls share, and
// those of calls that run alone because one of them may have overrun.
const (
	sharedNiceness = 10
	aloneNiceness  = 15
)

// startHost starts a host that may use so many processors, 0 for all; ended is called when it is no more.
func startHost(cfg Config, log *slog.Logger, niceness, processors int, ended func()) (*hostProcess, error) {
	h := &hostProcess{stderr: &tail{}, log: log, memory: cfg.Limits.HostMemory, begun: time.Now(), ended: ended, gone: make(chan struct{}), calls: map[uint64]*pendingCall{}, deployed: map[int64]bool{}}
	var err error
	if h.cmd, h.conn, err = spawn(cfg.Executable, hostArgument, cfg.Limits.HostMemory, niceness, processors, h.stderr); err != nil {
		return nil, err
	}
	if err := h.conn.Send(wire.Frame{Kind: wire.Configure, Body: wire.Marshal(cfg.Limits.wire())}); err != nil {
		h.kill(nil)
		_ = h.cmd.Wait()
		return nil, err
	}
	go h.receive()
	return h, nil
}

// youngHost is the age below which a host that ended is replaced only after a
// pause, or when a call needs it.
const youngHost = time.Second

// receive handles a host's messages until it ends, then settles what was running.
func (h *hostProcess) receive() {
	var err error
	for {
		var f wire.Frame
		if f, err = h.conn.Receive(); err != nil {
			break
		}
		if err = h.handle(f); err != nil {
			break
		}
	}
	h.conn.Close()
	_ = h.cmd.Process.Kill()
	waitErr := h.cmd.Wait()
	h.mu.Lock()
	calls, v := h.calls, h.verdict
	h.calls = nil
	h.dead = fmt.Errorf("function host ended: %w", errors.Join(err, waitErr))
	h.mu.Unlock()
	close(h.gone)
	if time.Since(h.begun) < youngHost {
		// What dies at once would die again at once.
		time.AfterFunc(youngHost, h.ended)
	} else {
		h.ended()
	}
	if v == nil && len(calls) > 0 {
		h.log.Warn("function host died", "reason", h.stderr.reason(), "status", waitErr, "calls", len(calls))
	}
	for _, c := range calls {
		switch {
		case v != nil && v.call == c.id:
			c.finish(outcome{result: wire.ResultMessage{Failure: v.err}})
		case v == nil && len(calls) == 1:
			c.finish(outcome{result: wire.ResultMessage{Failure: h.deathOf()}})
		default:
			c.finish(outcome{died: true})
		}
	}
}

// deathOf is the error of the only call that ran on a host that died.
func (h *hostProcess) deathOf() *wire.Failure {
	reason := h.stderr.reason()
	limit := fmt.Sprintf("(--function-host-memory-mb = %d)", h.memory>>20)
	switch {
	case contains(reason, "stack"):
		return &wire.Failure{Name: "RangeError", Message: "the stack of the function's host is full: the code nests or recurses too deeply " + limit}
	case reason == "", contains(reason, memoryMarks...):
		// Without a word only the operating system ends a process.
		return &wire.Failure{Name: "RangeError", Message: "the memory of the function's host is full " + limit}
	}
	return &wire.Failure{Name: "Error", Message: "the function ended its host process"}
}

// memoryMarks are in the last words of a process whose memory is full. Go's
// runtime, which alone can fault here, does so where it does not expect to be
// given none.
var memoryMarks = []string{"out of memory", "cannot allocate memory", "SIGSEGV", "pthread_create failed", "failed to create new OS thread"}

func (c *pendingCall) finish(o outcome) {
	select {
	case c.outcome <- o:
	default:
	}
}

func (h *hostProcess) handle(f wire.Frame) error {
	switch f.Kind {
	case wire.Ready:
		return nil
	case wire.Result:
		var o outcome
		if err := bson.Unmarshal(f.Body, &o.result); err != nil {
			return err
		}
		h.mu.Lock()
		c := h.calls[f.Call]
		delete(h.calls, f.Call)
		h.mu.Unlock()
		if c != nil {
			bound(&o.result, c.run.deployment.limits.ResultBytes)
			c.finish(o)
		}
		return nil
	case wire.Overrun:
		failure := &wire.Failure{}
		if err := bson.Unmarshal(f.Body, failure); err != nil {
			return err
		}
		h.log.Warn("function host killed", "reason", "calls over the memory limit do not stop")
		h.kill(&verdict{call: f.Call, err: failure})
		return nil
	case wire.Operation, wire.Log:
	default:
		return fmt.Errorf("unexpected message of kind %d", f.Kind)
	}
	h.mu.Lock()
	c := h.calls[f.Call]
	h.mu.Unlock()
	if c == nil {
		return nil // it has ended meanwhile
	}
	if f.Kind == wire.Log {
		var m wire.LogMessage
		if err := bson.Unmarshal(f.Body, &m); err != nil {
			return err
		}
		c.run.addLine(m)
		return nil
	}
	var m wire.OperationMessage
	if err := bson.Unmarshal(f.Body, &m); err != nil {
		return err
	}
	if m.Kind != packageOperation {
		c.sent.Store(true)
	}
	asked := wire.Frame{Call: f.Call, Op: f.Op} // without the body, which need not be kept
	return c.run.operation(c.ctx, m, func(value bson.RawValue, failure *wire.Failure) {
		h.reply(asked, value, failure)
	})
}

// What a host says of a failure is cut to these many bytes: it does so itself,
// unless it cannot be trusted.
const (
	maxMessage = 64 << 10
	maxStack   = 64 << 10
)

// bound holds a result to what hosts keep to: its size, its text, its shape.
func bound(r *wire.ResultMessage, most int) {
	r.Fault = cut(r.Fault, maxStack)
	if f := r.Failure; f != nil {
		*f = wire.Failure{Name: cut(f.Name, 256), Message: cut(f.Message, maxMessage), Stack: cut(f.Stack, maxStack), Code: cut(f.Code, 64), Number: f.Number}
		return
	}
	err := fmt.Errorf("it is larger than %d bytes (function_result_size)", most)
	if len(r.Value.Value) <= most {
		err = wire.Valid(r.Value)
	}
	if err != nil {
		*r = wire.ResultMessage{Failure: &wire.Failure{Name: "RangeError", Message: "the function's result: " + err.Error()}}
	}
}

// cut shortens s to n bytes, in memory of its own.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(strings.Clone(s[:n]), "")
}

func (h *hostProcess) reply(f wire.Frame, value bson.RawValue, failure *wire.Failure) {
	if value.Type == 0 {
		value = bson.RawValue{Type: bson.TypeNull}
	}
	body, err := bson.Marshal(wire.ReplyMessage{Value: value, Failure: failure})
	if err == nil && len(body) > wire.MaxBody {
		err = fmt.Errorf("the outcome is larger than %d bytes: read less at once, with limit or a projection", wire.MaxBody)
	}
	if err != nil {
		body = wire.Marshal(wire.ReplyMessage{Value: bson.RawValue{Type: bson.TypeNull}, Failure: &wire.Failure{Name: "RangeError", Message: err.Error()}})
	}
	_ = h.conn.Send(wire.Frame{Kind: wire.Reply, Call: f.Call, Op: f.Op, Body: body})
}

// begin hands a call to the host; false when the host has ended.
func (h *hostProcess) begin(c *pendingCall, d *Deployment, body []byte) bool {
	h.mu.Lock()
	if h.dead != nil || h.verdict != nil {
		h.mu.Unlock()
		return false
	}
	h.calls[c.id] = c
	first := !h.deployed[d.id]
	if first {
		h.deployed[d.id] = true
		// Sent under the lock, so that no call overtakes it.
		if err := h.conn.Send(wire.Frame{Kind: wire.Deploy, Body: d.message()}); err != nil {
			delete(h.calls, c.id)
			h.mu.Unlock()
			return false
		}
	}
	h.mu.Unlock()
	if err := h.conn.Send(wire.Frame{Kind: wire.Call, Call: c.id, Body: body}); err != nil {
		h.mu.Lock()
		_, ours := h.calls[c.id]
		delete(h.calls, c.id)
		h.mu.Unlock()
		return !ours // when it was settled already, its outcome counts
	}
	return true
}

// oldest is when the call that has run for longest began; zero when there is none.
func (h *hostProcess) oldest() (t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if t.IsZero() || c.begun.Before(t) {
			t = c.begun
		}
	}
	return t
}

// running is the number of calls that the host has.
func (h *hostProcess) running() (n int, alive bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.calls), h.dead == nil && h.verdict == nil
}

// forget tells the host that a deployment is over.
func (h *hostProcess) forget(id int64) {
	h.mu.Lock()
	had := h.deployed[id]
	delete(h.deployed, id)
	h.mu.Unlock()
	if had {
		_ = h.conn.Send(wire.Frame{Kind: wire.Undeploy, Call: uint64(id)})
	}
}

// kill ends the host; v says whose fault it is, nil for nobody's.
func (h *hostProcess) kill(v *verdict) {
	h.mu.Lock()
	if h.verdict == nil {
		if v == nil {
			v = &verdict{}
		}
		h.verdict = v
	}
	h.mu.Unlock()
	_ = h.cmd.Process.Kill()
	h.conn.Close()
}

// graceOf is what a host gets to stop a call that is over its time. It is
// generous, because killing the host hurts whoever else runs there, and a busy
// machine makes it late without any fault of its own.
func graceOf(limit time.Duration) time.Duration {
	return min(max(limit/2, time.Second), 5*time.Second)
}
