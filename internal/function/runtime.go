package function

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"regent/internal/fault"
	"regent/internal/function/wire"
)

// Runtime runs the functions of any number of apps in its function hosts.
type Runtime struct {
	cfg Config

	alone   chan struct{} // places for calls that are run alone
	nextID  atomic.Uint64
	bundles bundleCache

	asked, outcomes atomic.Int64 // bytes that are held for all calls

	mu     sync.Mutex
	hosts  []*hostProcess
	single map[*hostProcess]bool // hosts of calls that are run alone
	closed bool

	processors processors

	lacking chan struct{} // tells keep that a host may be missing
	keeping sync.WaitGroup
}

// errNotPrepared is what a program gets that cannot start hosts.
var errNotPrepared = errors.New("functions need function-host processes: call regent.MaybeRunFunctionHost() first in main()")

// Start returns a Runtime. Hosts start in the background.
func Start(cfg Config) (*Runtime, error) {
	if !prepared.Load() {
		return nil, errNotPrepared
	}
	cfg = cfg.withDefaults()
	if cfg.Executable == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("function hosts: %w", err)
		}
		cfg.Executable = exe
	}
	r := &Runtime{cfg: cfg, alone: make(chan struct{}, 2*cfg.Hosts), lacking: make(chan struct{}, 1)}
	r.lacking <- struct{}{}
	r.keeping.Go(r.keep)
	r.processors.stirred, r.processors.ended = make(chan struct{}, 1), make(chan struct{})
	if cfg.Processors < runtime.NumCPU() {
		r.processors.most = cfg.Processors
		r.keeping.Go(func() { r.processors.watch(r.living) })
	}
	return r, nil
}

// keep starts hosts at first and whenever one has ended.
func (r *Runtime) keep() {
	for range r.lacking {
		for r.grow() {
		}
	}
}

// grow starts a host if one is missing; true when there may be another missing.
func (r *Runtime) grow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts = slices.DeleteFunc(r.hosts, func(h *hostProcess) bool { _, alive := h.running(); return !alive })
	if r.closed || len(r.hosts) >= r.cfg.Hosts {
		return false
	}
	h, err := r.startHost()
	if err != nil {
		r.cfg.Logger.Error("function host does not start", "error", err)
		return false
	}
	r.hosts = append(r.hosts, h)
	return true
}

// startHost starts one of the shared hosts, which is replaced when it ends.
func (r *Runtime) startHost() (*hostProcess, error) {
	return startHost(r.cfg, r.cfg.Logger, sharedNiceness, r.processors.limit(), r.replace)
}

// living are all hosts that have not ended.
func (r *Runtime) living() (all []*hostProcess) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hosts {
		if _, alive := h.running(); alive {
			all = append(all, h)
		}
	}
	for h := range r.single {
		if _, alive := h.running(); alive {
			all = append(all, h)
		}
	}
	return all
}

// replace has another host started soon.
func (r *Runtime) replace() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	select {
	case r.lacking <- struct{}{}:
	default: // it will be seen that two are missing
	}
}

// Close ends all hosts; calls that run fail.
func (r *Runtime) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	close(r.lacking)
	close(r.processors.ended)
	hosts := r.hosts
	for h := range r.single {
		hosts = append(hosts, h)
	}
	r.hosts = nil
	r.mu.Unlock()
	r.keeping.Wait()
	for _, h := range hosts {
		h.kill(nil)
		<-h.gone
	}
	return nil
}

var errClosing = errors.New("the server is shutting down")

// host gives the living host with the fewest calls, starting one when there is
// room for another.
func (r *Runtime) host() (*hostProcess, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosing
	}
	living := r.hosts[:0]
	var best *hostProcess
	fewest := 0
	for _, h := range r.hosts {
		n, alive := h.running()
		if !alive {
			continue
		}
		living = append(living, h)
		if best == nil || n < fewest {
			best, fewest = h, n
		}
	}
	r.hosts = living
	if best == nil || fewest > 0 && len(r.hosts) < r.cfg.Hosts {
		h, err := r.startHost()
		if err != nil {
			if best != nil {
				return best, nil
			}
			return nil, err
		}
		r.hosts = append(r.hosts, h)
		best = h
	}
	return best, nil
}

// nestedKey marks the context of work done for a function, so that functions
// called from there need no further place and cannot nest without end.
type nestedKey struct{}

func nesting(ctx context.Context) int {
	n, _ := ctx.Value(nestedKey{}).(int)
	return n
}

// place waits for room to run a call of the app.
// size is that of its arguments, which are held as long as it waits.
func (d *Deployment) place(ctx context.Context, size int) (release func(), err error) {
	if nesting(ctx) > 0 {
		return func() {}, nil
	}
	select {
	case d.places <- struct{}{}:
		return func() { <-d.places }, nil
	default:
	}
	defer d.waitingBytes.Add(-int64(size))
	if bytes, n := d.waitingBytes.Add(int64(size)), d.waiting.Add(1); n > int64(d.limits.Waiting) || bytes > maxWaitingBytes {
		d.waiting.Add(-1)
		e := fault.New(fault.FunctionExecutionError, "too many function calls at once (function_concurrency = %d, function_queue = %d)", d.limits.Concurrent, d.limits.Waiting).WithStatus(429)
		e.RetryAfter = time.Second
		return nil, e
	}
	defer d.waiting.Add(-1)
	select {
	case d.places <- struct{}{}:
		return func() { <-d.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// maxWaitingBytes bounds the arguments of the calls of one app that wait for a
// place.
const maxWaitingBytes = 256 << 20

// run runs one call on a host and settles what became of it.
func (r *Runtime) run(x *execution) (wire.ResultMessage, error) {
	release, err := x.deployment.place(x.ctx, len(x.args.Value))
	if err != nil {
		return wire.ResultMessage{}, err
	}
	defer release()
	for attempt := 0; ; attempt++ {
		h, done, err := r.hostFor(x, attempt > 0)
		if err != nil {
			return wire.ResultMessage{}, err
		}
		ctx, cancel := context.WithCancel(x.ctx)
		c := &pendingCall{id: r.nextID.Add(1), ctx: ctx, run: x, outcome: make(chan outcome, 1), begun: time.Now()}
		r.processors.begun()
		if !h.begin(c, x.deployment, x.message(attempt > 0)) {
			cancel()
			done()
			if attempt < 5 {
				continue
			}
			return wire.ResultMessage{}, errors.New("function hosts do not stay alive")
		}
		o := r.await(h, c, x)
		cancel() // what an unfinished call asked for ends with it
		done()
		if !o.died && !o.result.Retry {
			return o.result, nil
		}
		if c.sent.Load() {
			return wire.ResultMessage{Failure: &wire.Failure{Name: "Error", Message: "the function was ended because its host process overran through another call; it had already begun to act and was not run again"}}, nil
		}
		if attempt >= 3 {
			return wire.ResultMessage{Failure: &wire.Failure{Name: "Error", Message: "the function's host process died repeatedly"}}, nil
		}
		x.reset()
	}
}

// hostFor gives a host: a shared one, or one of its own for a call that is run
// again after a host died.
func (r *Runtime) hostFor(x *execution, alone bool) (h *hostProcess, done func(), err error) {
	if !alone {
		h, err = r.host()
		return h, func() {}, err
	}
	select {
	case r.alone <- struct{}{}:
	case <-x.ctx.Done():
		return nil, nil, x.ctx.Err()
	}
	leave := sync.OnceFunc(func() { <-r.alone })
	if h, err = r.startSingle(); err != nil {
		leave()
		return nil, nil, err
	}
	// Those who wait may be innocent and short, those who run guilty and long.
	yield := time.AfterFunc(aloneTurn, func() {
		r.mu.Lock()
		few := len(r.single) < aloneMost*r.cfg.Hosts
		r.mu.Unlock()
		if few {
			leave()
		}
	})
	return h, func() {
		yield.Stop()
		h.kill(nil)
		r.mu.Lock()
		delete(r.single, h)
		r.mu.Unlock()
		leave()
	}, nil
}

const (
	// aloneTurn is how long a call that runs alone keeps its place.
	aloneTurn = time.Second
	// aloneMost is how many such calls there may be for each shared host.
	aloneMost = 8
)

// startSingle starts a host for one call.
func (r *Runtime) startSingle() (*hostProcess, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosing
	}
	h, err := startHost(r.cfg, r.cfg.Logger, aloneNiceness, r.processors.limit(), func() {})
	if err != nil {
		return nil, err
	}
	if r.single == nil {
		r.single = map[*hostProcess]bool{}
	}
	r.single[h] = true
	return h, nil
}

// await waits for a call's end. A host that does not stop a call in time is
// killed: the engine cannot be interrupted inside one built-in function.
func (r *Runtime) await(h *hostProcess, c *pendingCall, x *execution) outcome {
	limit := x.timeLimit()
	grace := graceOf(limit)
	late := time.NewTimer(limit + grace)
	defer late.Stop()
	select {
	case o := <-c.outcome:
		return o
	case <-x.ctx.Done():
		_ = h.conn.Send(wire.Frame{Kind: wire.Cancel, Call: c.id})
		stuck := time.NewTimer(grace)
		defer stuck.Stop()
		select {
		case o := <-c.outcome:
			if o.result.Failure == nil {
				return o
			}
		case <-stuck.C:
			h.kill(&verdict{call: c.id, err: &wire.Failure{Name: "Error", Message: "the caller has gone"}})
			<-c.outcome
		}
		return outcome{result: wire.ResultMessage{Failure: &wire.Failure{Name: "Error", Message: "the caller has gone"}}}
	case <-late.C:
		r.cfg.Logger.Warn("function host killed", "reason", "a call did not stop at its time limit", "function", x.name, "limit", limit)
		h.kill(&verdict{call: c.id, err: &wire.Failure{Name: "Error", Code: string(fault.ExecutionTimeLimitExceeded),
			Message: fmt.Sprintf("execution time limit exceeded (function_timeout = %s)", x.deployment.limits.Time)}})
		return <-c.outcome
	}
}

func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}
