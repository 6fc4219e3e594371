package function

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
	"regent/internal/user"
)

// Backend is what functions reach outside of themselves.
type Backend interface {
	// Data performs one MongoDB action for code running as c; service is the
	// data source's name. arg is the action's argument document
	// (client-api.md §1.17) with the further options that functions have.
	Data(ctx context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error)

	// CanEvaluate evaluates the function's can_evaluate.
	CanEvaluate(ctx context.Context, f *app.Function, c caller.Caller) (bool, error)

	// User resolves run_as_user_id; nil without an error means nobody.
	User(ctx context.Context, id string) (*user.User, error)
}

// Deployment is one version of an app's functions, ready to be called.
type Deployment struct {
	runtime *Runtime
	app     *app.App
	backend Backend
	id      int64

	limits   Limits
	outbound *outbound
	places   chan struct{} // one for each call at once
	waiting  atomic.Int64

	waitingBytes atomic.Int64 // of their arguments

	sources map[string]wire.FunctionSource

	bundler *bundler
	stop    context.CancelFunc // of work in the background
	once    sync.Once
	encoded []byte
}

var deployments atomic.Int64

// Deploy checks and translates the functions of an app. It never fails as a
// whole: a function with a syntax error answers calls with it, and packages
// that are missing are missed when they are required. Packages are bundled in
// the background, and at once when a call needs one.
func (r *Runtime) Deploy(ctx context.Context, a *app.App, b Backend) (*Deployment, []app.Problem) {
	d := &Deployment{runtime: r, app: a, backend: b, id: deployments.Add(1), sources: map[string]wire.FunctionSource{}}
	d.limits = r.cfg.Limits.of(a.Settings)
	d.outbound = newOutbound(r.cfg.Outbound.of(a.Settings))
	d.places = make(chan struct{}, d.limits.Concurrent)
	compiled, err := compileAll(ctx, r.cfg, a)
	var problems []app.Problem
	if err != nil {
		problems = append(problems, app.Problem{Severity: app.SeverityWarning, File: "functions", Message: "functions cannot be checked: " + err.Error()})
	}
	if most := r.cfg.Limits.HostMemory; d.limits.CallMemory > most*8/10 {
		problems = append(problems, app.Problem{Severity: app.SeverityWarning, File: "regent.json", Path: "$.function_memory_mb",
			Message: fmt.Sprintf("%d MB for one call are more than a function host has beside itself (--function-host-memory-mb = %d)", d.limits.CallMemory>>20, most>>20)})
	}
	for _, f := range allFunctions(a) {
		d.sources[f.Name] = sourceOf(f, compiled[f.Name], err)
	}
	problems = append(problems, judge(a, compiled)...)
	d.bundler = newBundler(r.cfg, &r.bundles, a, packagesOf(compiled))
	background, stop := context.WithCancel(context.Background())
	d.stop = stop
	go d.bundler.prepare(background)
	return d, problems
}

func sourceOf(f *app.Function, c *wire.CompiledMessage, err error) wire.FunctionSource {
	s := wire.FunctionSource{Name: f.Name, File: fileOf(f), RunAs: f.RunAsSystem || f.RunAsUserID != "" || f.RunAsUserIDScript != ""}
	switch {
	case f.Code == nil:
		s.Error = fmt.Sprintf("function '%s' has no source file %s", f.Name, fileOf(f))
	case c == nil && err != nil:
		s.Error = "function '" + f.Name + "' could not be compiled: " + err.Error()
	case c == nil:
		s.Error = "function '" + f.Name + "' could not be compiled"
	case c.Error != "":
		s.Error = fmt.Sprintf("SyntaxError: %s at %s:%d:%d", c.Error, fileOf(f), c.Line, c.Column)
	default:
		s.Code, s.Map, s.Flows = c.Code, c.Map, c.Flows
	}
	return s
}

// allFunctions lists the app's functions and the code of its webhooks.
func allFunctions(a *app.App) []*app.Function {
	all := append([]*app.Function(nil), a.Functions...)
	for _, w := range a.Webhooks {
		if w.Code != nil {
			all = append(all, webhookFunction(w))
		}
	}
	return all
}

// fileOf is the function's file as stacks show it.
func fileOf(f *app.Function) string {
	if f.File != "" && len(f.File) > 3 && f.File[len(f.File)-3:] == ".js" {
		return f.File
	}
	return "functions/" + f.Name + ".js"
}

// message is the body by which hosts are given the deployment.
func (d *Deployment) message() []byte {
	d.once.Do(func() {
		m := wire.DeployMessage{ID: d.id, App: appDocument(d.app), Env: environmentDocument(d.app), Values: valuesDocument(d.app), Packages: d.bundler.names, Limits: d.limits.wire()}
		for _, s := range d.sources {
			m.Functions = append(m.Functions, s)
		}
		for _, s := range d.app.DataSources {
			m.Services = append(m.Services, wire.ServiceName{Name: s.Name, Type: s.Type})
		}
		for _, s := range d.app.Services {
			m.Services = append(m.Services, wire.ServiceName{Name: s.Name, Type: s.Type})
		}
		// A lone data source answers to that name too, whatever its own (real-apps.md §11, trap 11).
		if !slices.ContainsFunc(m.Services, func(s wire.ServiceName) bool { return s.Name == app.ImplicitDataSource }) {
			if s := d.app.DataSource(app.ImplicitDataSource); s != nil {
				m.Services = append(m.Services, wire.ServiceName{Name: app.ImplicitDataSource, Type: s.Type})
			} else if len(d.app.DataSources) == 0 {
				m.Services = append(m.Services, wire.ServiceName{Name: app.ImplicitDataSource, Type: "mongodb-atlas"})
			}
		}
		d.encoded = wire.Marshal(m)
	})
	return d.encoded
}

// Close lets the hosts forget the deployment; call it when no call of it runs
// any more and another has taken its place.
func (d *Deployment) Close() {
	d.stop()
	d.outbound.close()
	d.bundler.close()
	d.runtime.mu.Lock()
	hosts := append([]*hostProcess(nil), d.runtime.hosts...)
	d.runtime.mu.Unlock()
	for _, h := range hosts {
		h.forget(d.id)
	}
}

func (d *Deployment) execution(ctx context.Context, c caller.Caller, name string, args bson.RawValue) *execution {
	return &execution{runtime: d.runtime, deployment: d, ctx: ctx, name: name, caller: c, args: args, started: time.Now(), identities: []caller.Caller{c}, acting: make(chan struct{}, maxActing), asked: held{all: &d.runtime.asked}, outcomes: held{all: &d.runtime.outcomes}}
}

// Call calls a function from inside the server: authentication, rules,
// triggers. Private functions may be called. The error is a *fault.Error.
func (d *Deployment) Call(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	f := d.app.Function(name)
	if f == nil {
		return bson.RawValue{}, fault.New(fault.FunctionNotFound, "function not found: '%s'", name)
	}
	return d.call(ctx, c, f, args, wire.ModeCall)
}

// CallAsClient calls a function for a client: a private function is not found,
// and can_evaluate is asked first (client-api.md §1.16.3).
func (d *Deployment) CallAsClient(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error) {
	f := d.app.Function(name)
	if f == nil || f.Private {
		return bson.RawValue{}, fault.New(fault.FunctionNotFound, "function not found: '%s'", name)
	}
	if err := d.mayEvaluate(ctx, f, c); err != nil {
		return bson.RawValue{}, err
	}
	return d.call(ctx, c, f, args, wire.ModeCall)
}

func (d *Deployment) mayEvaluate(ctx context.Context, f *app.Function, c caller.Caller) error {
	if f.CanEvaluate.Type == 0 {
		return nil
	}
	ok, err := d.backend.CanEvaluate(ctx, f, c)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.FunctionExecutionError, "rule not matched for function %q", f.Name).WithStatus(403)
	}
	return nil
}

func (d *Deployment) call(ctx context.Context, c caller.Caller, f *app.Function, args []bson.RawValue, mode wire.Mode) (bson.RawValue, error) {
	if n := nesting(ctx); n > d.limits.Nesting {
		return bson.RawValue{}, fault.New(fault.FunctionExecutionError, "functions and rules call each other more than %d levels deep", d.limits.Nesting)
	}
	array, err := arrayOf(args, d.limits.ArgumentBytes)
	if err != nil {
		return bson.RawValue{}, err
	}
	x := d.execution(ctx, c, f.Name, array)
	x.mode = mode
	defer x.end()
	value, err := d.perform(x, f, array)
	d.record(x, f, array, err)
	return value, err
}

func (d *Deployment) perform(x *execution, f *app.Function, args bson.RawValue) (bson.RawValue, error) {
	if f.RunAsSystem || f.RunAsUserID != "" || f.RunAsUserIDScript != "" {
		who, err := d.identity(x.ctx, x.caller, x.caller, f, args)
		if err != nil {
			return bson.RawValue{}, err
		}
		x.identities[0] = who
	}
	r, err := d.runtime.run(x)
	x.memory = r.Memory
	if r.Fault != "" {
		d.runtime.cfg.Logger.Error("the JavaScript engine failed", "app", d.app.ID, "function", f.Name, "stack", r.Fault)
	}
	if err != nil {
		var known *fault.Error
		if errors.As(err, &known) {
			return bson.RawValue{}, err
		}
		return bson.RawValue{}, fault.New(fault.FunctionExecutionError, "the function could not run: %s", err).WithCause(err)
	}
	if r.Failure != nil {
		return bson.RawValue{}, errorOf(r.Failure)
	}
	return r.Value, nil
}

func (d *Deployment) record(x *execution, f *app.Function, args bson.RawValue, err error) {
	record := d.runtime.cfg.Record
	if record == nil {
		return
	}
	x.mu.Lock()
	lines := x.lines
	x.mu.Unlock()
	e := Execution{App: d.app.ID, Function: f.Name, Caller: x.caller, System: x.identities[0].System, Started: x.started, Duration: time.Since(x.started), Memory: x.memory, Lines: lines, Err: err}
	if !f.DisableArgLogs {
		e.Arguments = args
	}
	var script *ScriptError
	if errors.As(err, &script) {
		e.Stack = script.Stack
	}
	record(e)
}

// arrayOf makes one array of the arguments.
func arrayOf(args []bson.RawValue, limit int) (bson.RawValue, error) {
	size := 0
	for _, a := range args {
		size += len(a.Value)
	}
	if size > limit {
		return bson.RawValue{}, fault.New(fault.FunctionExecutionError, "the arguments are larger than %d bytes (function_argument_size)", limit)
	}
	b := bsoncore.NewArrayBuilder()
	for _, a := range args {
		if a.Type == 0 {
			a = bson.RawValue{Type: bson.TypeNull}
		}
		b.AppendValue(bsoncore.Value{Type: bsoncore.Type(a.Type), Data: a.Value})
	}
	return bson.RawValue{Type: bson.TypeArray, Value: b.Build()}, nil
}
