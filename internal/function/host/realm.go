package host

import (
	"errors"
	"reflect"
	"regexp"
	"strings"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// realm is the JavaScript world of one call: nothing in it outlives the call or
// is seen by another.
//
// Go is reachable from it only through native functions that our own modules
// (js/) hold in closures; no Go value is ever wrapped as an object.
type realm struct {
	call *call
	host *Host
	dep  *deployment
	vm   *goja.Runtime

	loaded  map[string]*goja.Object // our modules by name
	native  *goja.Object            // what they are given
	require goja.Value
	all     bool // every global is installed
	have    map[string]bool
	types   *typeMemory

	bsonProtos map[*goja.Object]bsonClass
	bsonOf     map[bsonClass]*goja.Object
	dateCtor   *goja.Object
	cursor     *goja.Object // prototype of cursors once there is one

	context  goja.Value // of the entry function
	rejected []*goja.Promise

	consoleValue goja.Value
}

func newRealm(c *call, vm *goja.Runtime) *realm {
	r := &realm{call: c, host: c.host, dep: c.dep, vm: vm, loaded: map[string]*goja.Object{}, have: map[string]bool{}, types: newTypeMemory(c.dep)}
	vm.SetPromiseRejectionTracker(r.trackRejection)
	return r
}

// trackRejection keeps the promises that were rejected and that nobody looks
// after; what is left when the call ends goes to its log.
func (r *realm) trackRejection(p *goja.Promise, operation goja.PromiseRejectionOperation) {
	if operation == goja.PromiseRejectionReject {
		if len(r.rejected) < maxRejected {
			r.rejected = append(r.rejected, p)
		}
		return
	}
	for i, q := range r.rejected {
		if q == p {
			r.rejected = append(r.rejected[:i], r.rejected[i+1:]...)
			return
		}
	}
}

// maxRejected bounds the unhandled rejections that a call keeps.
const maxRejected = 20

// logRejections reports failures that nobody awaited, except for the result's own.
func (r *realm) logRejections(result goja.Value) {
	own := asPromise(result)
	for _, p := range r.rejected {
		if p != own {
			f := r.failureOf(p.Result())
			r.call.log("error", "not awaited and failed: "+f.Message)
		}
	}
}

// identity is on whose behalf a function runs. The number is known to the
// server, which alone knows what it means.
type identity struct {
	id     int32
	system bool
}

// invoke runs the called function until it returns.
func (r *realm) invoke() (goja.Value, *wire.Failure) {
	m := &r.call.msg
	entry := identity{system: m.System}
	var args []goja.Value
	if m.Args.Type == bson.TypeArray {
		var err error
		if args, err = r.arguments(m.Args); err != nil {
			return nil, &wire.Failure{Name: "Error", Message: "arguments: " + err.Error()}
		}
	}
	if m.Mode == wire.ModeScript {
		return r.invokeScript(entry, args)
	}
	fn, failure := r.export(m.Name, entry, true)
	if failure != nil {
		return nil, failure
	}
	if m.Mode == wire.ModeEndpoint {
		return r.invokeEndpoint(fn, args)
	}
	v, err := fn(goja.Undefined(), args...)
	if err != nil {
		return nil, r.failure(err)
	}
	return v, nil
}

// export evaluates the file of a function and gives what it exports. Each
// execution evaluates the file anew, as each call did in the original.
func (r *realm) export(name string, who identity, entry bool) (goja.Callable, *wire.Failure) {
	f := r.dep.functions[name]
	if f == nil {
		return nil, &wire.Failure{Name: "Error", Code: "FunctionNotFound", Message: "function not found: '" + name + "'"}
	}
	if f.source.Error != "" {
		return nil, &wire.Failure{Name: "SyntaxError", Code: "FunctionSyntaxError", Message: f.source.Error}
	}
	program, err := f.compile()
	if err != nil {
		return nil, &wire.Failure{Name: "SyntaxError", Code: "FunctionSyntaxError", Message: err.Error()}
	}
	r.types.useFlows(f.source)
	context := r.newContext(who)
	if entry {
		r.context = context
	}
	return r.evaluate(program, f.globals, f.all, f.classes, context, name)
}

func (r *realm) evaluate(program *goja.Program, globals []string, all, classes bool, context goja.Value, name string) (goja.Callable, *wire.Failure) {
	if err := r.installGlobals(globals, all); err != nil {
		return nil, r.failure(err)
	}
	v, err := r.vm.RunProgram(program)
	if err != nil {
		return nil, r.failure(err)
	}
	file, _ := goja.AssertFunction(v)
	exports := goja.Value(r.vm.NewObject())
	exported, err := file(r.vm.GlobalObject(), context, r.requireFunction(), exports)
	if err != nil {
		return nil, r.failure(err)
	}
	if fn, ok := r.callableExport(exported, classes); ok {
		return fn, nil
	}
	return nil, &wire.Failure{Name: "TypeError", Code: "FunctionInvalid", Message: "function '" + name + "' exports no function: assign one to exports, as in exports = async function(arg) { … }"}
}

// callableExport accepts a function, a class, of which a call makes an instance,
// and what `exports` carries as `default` after translation of ES module syntax.
// classes says whether the file holds any.
func (r *realm) callableExport(v goja.Value, classes bool) (goja.Callable, bool) {
	if fn, ok := goja.AssertFunction(v); ok {
		if classes && r.isClass(v) {
			return func(_ goja.Value, args ...goja.Value) (goja.Value, error) { return r.vm.New(v, args...) }, true
		}
		return fn, true
	}
	if o, ok := v.(*goja.Object); ok {
		if d := o.Get("default"); d != nil && d != v {
			return r.callableExport(d, classes)
		}
	}
	return nil, false
}

// isClass tells a class by its text, as nothing else does.
func (r *realm) isClass(v goja.Value) bool {
	var text goja.Value
	err := r.throwing(func() {
		function := r.vm.Get("Function").ToObject(r.vm).Get("prototype").ToObject(r.vm)
		if toString, ok := goja.AssertFunction(function.Get("toString")); ok {
			text, _ = toString(v)
		}
	})
	return err == nil && text != nil && classText.MatchString(text.String())
}

var classText = regexp.MustCompile(`^class\b`)

// invokeScript runs a run_as_user_id_script: a function file, or statements
// whose last value counts.
func (r *realm) invokeScript(who identity, args []goja.Value) (goja.Value, *wire.Failure) {
	code := r.call.msg.Script
	globals, all := mentionedGlobals(code)
	r.context = r.newContext(who)
	if program, err := CompileWrapped(r.call.msg.Name, code, ""); err == nil {
		if fn, failure := r.evaluate(program, globals, all, false, r.context, r.call.msg.Name); failure == nil {
			v, err := fn(goja.Undefined(), args...)
			if err != nil {
				return nil, r.failure(err)
			}
			return v, nil
		} else if failure.Code != "FunctionInvalid" {
			return nil, failure
		}
	}
	if err := r.vm.Set("context", r.context); err != nil {
		return nil, r.failure(err)
	}
	v, err := r.vm.RunScript(r.call.msg.Name, code)
	if err != nil {
		return nil, r.failure(err)
	}
	return v, nil
}

// execute is context.functions.execute: in this realm, by reference, and
// synchronous when the callee is (real-apps.md §11, traps 1 and 2).
func (r *realm) execute(who identity, name string, args []goja.Value) goja.Value {
	f := r.dep.functions[name]
	if f != nil && f.source.RunAs {
		who = r.enterIdentity(who, name)
	}
	fn, failure := r.export(name, who, false)
	if failure != nil {
		inner := *failure
		inner.Message = strings.TrimPrefix(inner.Message, inner.Name+": ") // as an error object it has its name
		panic(r.errorValue(&inner))
	}
	v, err := fn(goja.Undefined(), args...)
	if err != nil {
		panic(err)
	}
	if p := asPromise(v); p != nil && p.State() == goja.PromiseStatePending {
		r.call.execs = append(r.call.execs, p)
	}
	return v
}

// enterIdentity asks the server on whose behalf a callee with settings of its own runs.
func (r *realm) enterIdentity(who identity, name string) identity {
	v, failure := r.call.askNow(wire.OperationMessage{Kind: "enter", As: who.id, Action: name})
	if failure != nil {
		panic(r.errorValue(failure))
	}
	d, _ := v.DocumentOK()
	id, _ := d.Lookup("id").AsInt64OK()
	system, _ := d.Lookup("system").BooleanOK()
	return identity{id: int32(id), system: system}
}

// enter runs f, which may call into JavaScript, from the event loop.
func (r *realm) enter(f func()) (err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *goja.InterruptedError:
			err = x
		case *goja.StackOverflowError:
			err = x
		case *goja.Exception:
			err = x
		default:
			panic(x)
		}
	}()
	f()
	return nil
}

var promiseType = reflect.TypeFor[*goja.Promise]()

func asPromise(v goja.Value) *goja.Promise {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != promiseType {
		return nil
	}
	p, _ := o.Export().(*goja.Promise)
	return p
}

// awaitable gives the promise that a value is or, being a thenable, becomes.
func (r *realm) awaitable(v goja.Value) (goja.Value, error) {
	o, ok := v.(*goja.Object)
	if !ok || asPromise(v) != nil || r.isCursorKnown(o) {
		return v, nil
	}
	var then goja.Value
	if err := r.throwing(func() { then = o.Get("then") }); err != nil {
		return nil, err
	}
	if _, ok := goja.AssertFunction(then); !ok {
		return v, nil
	}
	promise, resolve, _ := r.vm.NewPromise()
	if err := resolve(v); err != nil {
		return nil, err
	}
	return r.vm.ToValue(promise), nil
}

func (r *realm) isCursorKnown(o *goja.Object) bool { return r.cursor != nil && r.isCursor(o) }

// throwing runs f and gives what it throws.
func (r *realm) throwing(f func()) error {
	if ex := r.vm.Try(f); ex != nil {
		return ex
	}
	return nil
}

var errNotDocument = errors.New("not an object")
