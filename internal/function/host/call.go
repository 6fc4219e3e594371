package host

import (
	"container/heap"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// call is one running function call. Its goroutine is the only one that touches
// the realm, except for Interrupt.
type call struct {
	host    *Host
	dep     *deployment
	id      uint64
	msg     callMessage
	started time.Time
	done    chan struct{}

	inbox chan event
	usage usage
	peak  atomic.Uint64 // most that the host held while the call ran

	stopMu     sync.Mutex
	stopReason error
	vm         *goja.Runtime // set under stopMu

	realm    *realm
	nextOp   uint32
	ops      map[uint32]*operation
	queue    []*operation // beyond the limit of operations at once
	busy     int          // operations that are to be finished before the call ends
	flying   int          // operations that the server has
	asked    int          // bytes of the operations that the server has
	timers   timerHeap
	execs    []*goja.Promise // promises of inner function calls
	logs     int
	timerSeq int64
}

// event is what arrives from outside for the call's goroutine.
type event struct {
	op   uint32
	body []byte
	stop bool
}

// operation is something that the server was asked to do.
type operation struct {
	id     uint32
	msg    []byte
	size   int  // of msg
	drains bool // the call waits for it before it ends
	done   func(v bson.RawValue, f *wire.Failure) error
}

type callMessage struct{ wire.CallMessage }

func (m *callMessage) decode(body []byte) error { return bson.Unmarshal(body, &m.CallMessage) }

// stop makes the call end with the reason; the first reason counts.
func (c *call) stop(reason error) {
	c.stopMu.Lock()
	defer c.stopMu.Unlock()
	if c.stopReason != nil {
		return
	}
	c.stopReason = reason
	if c.vm != nil {
		c.vm.Interrupt(reason)
	}
	go c.send(event{stop: true})
}

func (c *call) stopped() error {
	c.stopMu.Lock()
	defer c.stopMu.Unlock()
	return c.stopReason
}

func (c *call) deliver(op uint32, body []byte) {
	c.send(event{op: op, body: body})
}

// send hands an event to the call's goroutine. It never blocks the host's
// reader for long: the number of outstanding operations is bounded, and a call
// that computes does not stop others from getting their replies.
func (c *call) send(e event) {
	select {
	case c.inbox <- e:
		return
	default:
	}
	go func() {
		select {
		case c.inbox <- e:
		case <-c.done:
		}
	}()
}

// run runs the call to its end.
func (c *call) run() (result wire.ResultMessage) {
	defer func() {
		// The engine's own faults must not take other calls down.
		if x := recover(); x != nil {
			if reason := c.stopped(); reason != nil {
				result = c.stopFailure(reason)
				return
			}
			result = wire.ResultMessage{Failure: &wire.Failure{Name: "InternalError", Message: fmt.Sprintf("the JavaScript engine failed: %v", x)}, Fault: string(debug.Stack())}
		}
	}()
	limit := time.Duration(c.msg.TimeMS) * time.Millisecond
	timer := time.AfterFunc(limit, func() { c.stop(errTime) })
	defer timer.Stop()

	vm := goja.New()
	vm.SetMaxCallStackSize(c.dep.msg.Limits.Depth)
	c.stopMu.Lock()
	c.vm = vm
	c.stopMu.Unlock()
	c.ops = map[uint32]*operation{}
	c.realm = newRealm(c, vm)
	if reason := c.stopped(); reason != nil {
		return c.stopFailure(reason) // before there was anything to interrupt
	}

	c.usage.begin(c.started)
	value, failure := c.realm.invoke()
	returned := value
	if failure == nil {
		value, failure = c.settle(value)
	}
	// What was started and not awaited still happens (real-apps.md §11, trap 3).
	if err := c.drain(); failure == nil && err != nil {
		failure = c.realm.failure(err)
	}
	if reason := c.stopped(); reason != nil {
		return c.stopFailure(reason)
	}
	if len(c.realm.rejected) > 0 {
		c.realm.logRejections(returned)
	}
	if failure != nil {
		return wire.ResultMessage{Failure: failure}
	}
	out, failure := c.realm.result(value)
	if reason := c.stopped(); reason != nil {
		return c.stopFailure(reason)
	}
	if failure != nil {
		return wire.ResultMessage{Failure: failure}
	}
	return wire.ResultMessage{Value: out}
}

// settle waits for value if it is a promise.
func (c *call) settle(value goja.Value) (goja.Value, *wire.Failure) {
	for {
		var err error
		if value, err = c.realm.awaitable(value); err != nil {
			return nil, c.realm.failure(err)
		}
		p := asPromise(value)
		if p == nil {
			return value, nil
		}
		if err := c.loop(func() bool { return p.State() != goja.PromiseStatePending }, true); err != nil {
			return nil, c.realm.failure(err)
		}
		switch p.State() {
		case goja.PromiseStateFulfilled:
			value = p.Result()
		case goja.PromiseStateRejected:
			return nil, c.realm.failureOf(p.Result())
		default:
			return nil, &wire.Failure{Name: "Error", Message: "the function's promise can never settle: nothing that it waits for is left"}
		}
	}
}

// drain finishes operations and inner calls that nobody awaited. Timers run on
// only while an inner call is unfinished: a forgotten timeout is no work.
func (c *call) drain() error {
	return c.loop(func() bool { return c.busy == 0 && !c.unsettled() }, false)
}

func (c *call) unsettled() bool {
	for _, p := range c.execs {
		if p.State() == goja.PromiseStatePending {
			return true
		}
	}
	return false
}

// loop handles events until done, or until nothing can happen any more.
// main says that the result is still awaited, so that timers and operations
// that do not drain count as something that can happen.
func (c *call) loop(done func() bool, main bool) error {
	for !done() {
		if err := c.stopped(); err != nil {
			return err
		}
		timersCount := main || c.unsettled()
		if len(c.ops) == 0 && (len(c.timers) == 0 || !timersCount) {
			return nil
		}
		if err := c.wait(timersCount); err != nil {
			return err
		}
	}
	return nil
}

// wait handles one event or one timer.
func (c *call) wait(timers bool) error {
	var after <-chan time.Time
	if timers && len(c.timers) > 0 {
		d := c.timers[0].at.Sub(c.host.now())
		if d <= 0 {
			// Replies that are there already go first, timers must not starve them.
			select {
			case e := <-c.inbox:
				return c.handle(e)
			default:
				return c.fire()
			}
		}
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	c.usage.end(c.host.now())
	select {
	case e := <-c.inbox:
		c.usage.begin(c.host.now())
		return c.handle(e)
	case <-after:
		c.usage.begin(c.host.now())
		return c.fire()
	}
}

func (c *call) handle(e event) error {
	if e.stop {
		return c.stopped()
	}
	op := c.ops[e.op]
	if op == nil {
		return nil
	}
	c.finishOperation(op)
	var m wire.ReplyMessage
	if err := bson.Unmarshal(e.body, &m); err != nil {
		m = wire.ReplyMessage{Failure: &wire.Failure{Name: "InternalError", Message: err.Error()}}
	}
	var err error
	if thrown := c.realm.enter(func() { err = op.done(m.Value, m.Failure) }); thrown != nil {
		return thrown
	}
	return err
}

func (c *call) finishOperation(op *operation) {
	delete(c.ops, op.id)
	if op.drains {
		c.busy--
	}
	c.flying--
	c.asked -= op.size
	for len(c.queue) > 0 && c.room(c.queue[0]) {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.sendOperation(next)
	}
}

// maxQueued bounds how many operations a call may have outstanding in all.
const maxQueued = 100_000

// ask sends an operation; done runs on the call's goroutine.
func (c *call) ask(m wire.OperationMessage, drains bool, done func(v bson.RawValue, f *wire.Failure) error) error {
	body, err := bson.Marshal(m)
	if err != nil {
		return err
	}
	if len(body) > wire.MaxBody {
		return wire.ErrTooLarge
	}
	if len(c.ops) >= maxQueued {
		return fmt.Errorf("more than %d operations are outstanding", maxQueued)
	}
	c.nextOp++
	op := &operation{id: c.nextOp, msg: body, size: len(body), drains: drains, done: done}
	c.ops[op.id] = op
	if drains {
		c.busy++
	}
	if len(c.queue) > 0 || !c.room(op) {
		c.queue = append(c.queue, op)
		return nil
	}
	c.sendOperation(op)
	return nil
}

// room says whether the server may be asked for op now: there is a limit to how
// much one call asks for at once, in number and in bytes.
func (c *call) room(op *operation) bool {
	return c.flying < c.dep.msg.Limits.Operations && (c.flying == 0 || c.asked+op.size <= maxAsked)
}

// maxAsked bounds the bytes of the operations of one call that are under way.
const maxAsked = 32 << 20

func (c *call) sendOperation(op *operation) {
	c.flying++
	c.asked += op.size
	// A failure means that the server has gone; the host ends with it.
	_ = c.host.conn.Send(wire.Frame{Kind: wire.Operation, Call: c.id, Op: op.id, Body: op.msg})
	op.msg = nil
}

// askNow sends an operation and waits for its outcome; other replies stay for
// the loop. It is for what JavaScript sees as synchronous.
func (c *call) askNow(m wire.OperationMessage) (bson.RawValue, *wire.Failure) {
	var value bson.RawValue
	var failure *wire.Failure
	ready := false
	if err := c.ask(m, true, func(v bson.RawValue, f *wire.Failure) error { value, failure, ready = v, f, true; return nil }); err != nil {
		return value, &wire.Failure{Name: "RangeError", Message: err.Error()}
	}
	id := c.nextOp
	var later []event
	for !ready {
		c.usage.end(c.host.now())
		e := <-c.inbox
		c.usage.begin(c.host.now())
		switch {
		case e.stop:
			c.putBack(append(later, e))
			return value, &wire.Failure{Name: "Error", Message: c.stopped().Error()}
		case e.op == id:
			op := c.ops[id]
			c.finishOperation(op)
			var r wire.ReplyMessage
			if err := bson.Unmarshal(e.body, &r); err != nil {
				r.Failure = &wire.Failure{Name: "InternalError", Message: err.Error()}
			}
			_ = op.done(r.Value, r.Failure)
		default:
			later = append(later, e)
		}
	}
	c.putBack(later)
	return value, failure
}

func (c *call) putBack(events []event) {
	for _, e := range events {
		c.send(e)
	}
}

// log sends one console line.
func (c *call) log(level, text string) {
	if c.logs >= c.dep.msg.Limits.ConsoleLines {
		if c.logs == c.dep.msg.Limits.ConsoleLines {
			c.logs++
			text = fmt.Sprintf("further console output is dropped (function_console_lines = %d)", c.dep.msg.Limits.ConsoleLines)
			_ = c.host.conn.Send(wire.Frame{Kind: wire.Log, Call: c.id, Body: wire.Marshal(wire.LogMessage{Level: "warn", Text: text})})
		}
		return
	}
	c.logs++
	if n := c.dep.msg.Limits.ConsoleBytes; len(text) > n {
		text = cutText(text, n) + "…"
	}
	_ = c.host.conn.Send(wire.Frame{Kind: wire.Log, Call: c.id, Body: wire.Marshal(wire.LogMessage{Level: level, Text: text})})
}

// timer is one setTimeout or setInterval.
type timer struct {
	at    time.Time
	seq   int64
	every time.Duration // 0: once
	fn    func() error
	index int // in the heap, -1 when gone
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}

// maxTimers bounds the timers of one call.
const maxTimers = 10_000

var errTimers = errors.New("more than 10000 timers in one function call")

func (c *call) addTimer(t *timer) error {
	if len(c.timers) >= maxTimers {
		return errTimers
	}
	heap.Push(&c.timers, t)
	return nil
}

func (c *call) removeTimer(t *timer) {
	t.every = 0
	if t.index >= 0 {
		heap.Remove(&c.timers, t.index)
	}
}

// fire runs the timer that is due.
func (c *call) fire() error {
	t := c.timers[0]
	heap.Pop(&c.timers)
	if t.every > 0 {
		t.at = c.host.now().Add(t.every)
		heap.Push(&c.timers, t)
	}
	return t.fn()
}
