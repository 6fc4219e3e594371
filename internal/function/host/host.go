// Package host is what runs inside a function-host process: JavaScript, and
// nothing that is worth stealing. It reaches data, HTTP and identities only by
// asking the server over the connection (package wire). A host may be killed at
// any moment; the server then starts another.
//
// Many calls share a host, each as one goroutine with a JavaScript realm of its
// own that is thrown away with the call.
package host

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // time zones do not depend on the machine

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// Host runs calls for one connection.
type Host struct {
	conn   *wire.Conn
	limits wire.Limits
	now    func() time.Time

	meter   meter
	modules *moduleCache
	raw     *goja.Symbol // key of the hidden content of BSON objects

	mu          sync.Mutex
	deployments map[int64]*deployment
	calls       map[uint64]*call

	own      atomic.Uint64 // bytes that are no call's, as watchMemory last saw
	programs atomic.Int64  // bytes that programs of packages are reckoned to hold, compiled since the host was idle

	overrun bool // the server was asked to end this host; of watchMemory

	woken chan struct{} // has a value after a call has begun; for watchMemory
}

// Run serves the connection until it ends.
func Run(conn *wire.Conn) error {
	// Nobody reads a profile of a host, and its records grow with every new stack.
	runtime.MemProfileRate = 0
	first, err := conn.Receive()
	if err != nil {
		return err
	}
	if first.Kind != wire.Configure {
		return fmt.Errorf("function host: first message is of kind %d", first.Kind)
	}
	h := &Host{
		conn:        conn,
		now:         time.Now,
		modules:     &moduleCache{},
		raw:         goja.NewSymbol("bson"),
		deployments: map[int64]*deployment{},
		calls:       map[uint64]*call{},
		woken:       make(chan struct{}, 1),
	}
	if err := bson.Unmarshal(first.Body, &h.limits); err != nil {
		return err
	}
	boundRegexps(h.limits.Time)
	stop := make(chan struct{})
	defer close(stop)
	go h.watchMemory(stop)
	if err := conn.Send(wire.Frame{Kind: wire.Ready}); err != nil {
		return err
	}
	for {
		f, err := conn.Receive()
		if err != nil {
			return err
		}
		if err := h.handle(f); err != nil {
			return err
		}
	}
}

func (h *Host) handle(f wire.Frame) error {
	switch f.Kind {
	case wire.Deploy:
		var m wire.DeployMessage
		if err := bson.Unmarshal(f.Body, &m); err != nil {
			return err
		}
		d := newDeployment(&m)
		h.mu.Lock()
		h.deployments[m.ID] = d
		h.mu.Unlock()
	case wire.Undeploy:
		h.mu.Lock()
		delete(h.deployments, int64(f.Call))
		h.mu.Unlock()
	case wire.Call:
		h.begin(f)
	case wire.Reply:
		if c := h.call(f.Call); c != nil {
			c.deliver(f.Op, f.Body)
		}
	case wire.Cancel:
		if c := h.call(f.Call); c != nil {
			c.stop(errCancelled)
		}
	default:
		return fmt.Errorf("function host: unexpected message of kind %d", f.Kind)
	}
	return nil
}

func (h *Host) call(id uint64) *call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[id]
}

// begin starts a call in a goroutine of its own.
func (h *Host) begin(f wire.Frame) {
	c := &call{host: h, id: f.Call, inbox: make(chan event, 16), started: h.now(), done: make(chan struct{})}
	c.usage.meter = &h.meter
	if err := c.msg.decode(f.Body); err != nil {
		h.finish(c, wire.ResultMessage{Failure: &wire.Failure{Name: "InternalError", Message: err.Error()}})
		return
	}
	h.mu.Lock()
	c.dep = h.deployments[c.msg.Deploy]
	if c.dep != nil {
		h.calls[c.id] = c
	}
	h.mu.Unlock()
	if c.dep == nil {
		h.finish(c, wire.ResultMessage{Failure: &wire.Failure{Name: "InternalError", Message: "the app's functions are not deployed to this host"}})
		return
	}
	select {
	case h.woken <- struct{}{}:
	default:
	}
	go func() {
		r := c.run()
		c.usage.end(h.now())
		h.mu.Lock()
		delete(h.calls, c.id)
		h.mu.Unlock()
		close(c.done)
		h.finish(c, r)
	}()
}

func (h *Host) finish(c *call, r wire.ResultMessage) {
	r.RunUS, r.Memory = h.now().Sub(c.started).Microseconds(), c.memory()
	if r.Value.Type == 0 {
		r.Value = bson.RawValue{Type: bson.TypeNull}
	}
	body, err := bson.Marshal(r)
	if err != nil {
		body = wire.Marshal(wire.ResultMessage{Value: bson.RawValue{Type: bson.TypeNull}, Failure: &wire.Failure{Name: "InternalError", Message: "result: " + err.Error()}})
	}
	err = h.conn.Send(wire.Frame{Kind: wire.Result, Call: c.id, Body: body})
	if errors.Is(err, wire.ErrTooLarge) {
		// Never silent: the caller would wait for its time limit.
		_ = h.conn.Send(wire.Frame{Kind: wire.Result, Call: c.id, Body: wire.Marshal(wire.ResultMessage{
			Value:   bson.RawValue{Type: bson.TypeNull},
			Failure: &wire.Failure{Name: "RangeError", Message: "the function's result is too large: " + err.Error()}})})
	}
}
