package host

import (
	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// newContext makes the context object of one execution (app-services.md §4.5).
// Its members are made when they are first read, and may be replaced by the code.
func (r *realm) newContext(who identity) goja.Value {
	return r.vm.NewDynamicObject(&contextObject{r: r, who: who, values: map[string]goja.Value{}})
}

type contextObject struct {
	r       *realm
	who     identity
	values  map[string]goja.Value
	removed map[string]bool
}

// contextTable makes the members of context.
var contextTable = map[string]func(*contextObject) goja.Value{
	"user":            (*contextObject).user,
	"app":             func(c *contextObject) goja.Value { return c.document(c.r.dep.msg.App) },
	"environment":     func(c *contextObject) goja.Value { return c.document(c.r.dep.msg.Env) },
	"request":         (*contextObject).request,
	"values":          (*contextObject).valuesMember,
	"functions":       (*contextObject).functions,
	"services":        (*contextObject).services,
	"http":            (*contextObject).http,
	"runningAsSystem": (*contextObject).runningAsSystem,
}

var contextKeys = []string{"user", "app", "environment", "request", "values", "functions", "services", "http", "runningAsSystem"}

// Get implements goja.DynamicObject.
func (c *contextObject) Get(key string) goja.Value {
	if v := c.values[key]; v != nil {
		return v
	}
	make := contextTable[key]
	if make == nil || c.removed[key] {
		return nil
	}
	v := make(c)
	c.values[key] = v
	return v
}

// Set implements goja.DynamicObject.
func (c *contextObject) Set(key string, v goja.Value) bool {
	c.values[key] = v
	return true
}

// Has implements goja.DynamicObject.
func (c *contextObject) Has(key string) bool {
	return c.values[key] != nil || contextTable[key] != nil && !c.removed[key]
}

// Delete implements goja.DynamicObject.
func (c *contextObject) Delete(key string) bool {
	delete(c.values, key)
	if c.removed == nil {
		c.removed = map[string]bool{}
	}
	c.removed[key] = true
	return true
}

// Keys implements goja.DynamicObject.
func (c *contextObject) Keys() []string {
	var keys []string
	for _, k := range contextKeys {
		if !c.removed[k] {
			keys = append(keys, k)
		}
	}
	for k := range c.values {
		if contextTable[k] == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

func (c *contextObject) document(d bson.Raw) goja.Value {
	if d == nil {
		return c.r.vm.NewObject()
	}
	v, err := c.r.toJS("", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d})
	if err != nil {
		panic(c.r.vm.NewTypeError(err.Error()))
	}
	return v
}

// user is the authenticated caller; without one it is the system user, which
// has no id (app-services.md §4.2).
func (c *contextObject) user() goja.Value {
	if u := c.r.call.msg.User; u != nil {
		return c.document(u)
	}
	o := c.r.vm.NewObject()
	_ = o.Set("type", "system")
	_ = o.Set("data", c.r.vm.NewObject())
	_ = o.Set("identities", c.r.vm.NewArray())
	return o
}

func (c *contextObject) request() goja.Value {
	if d := c.r.call.msg.Request; d != nil {
		return c.document(d)
	}
	return c.r.vm.NewObject()
}

func (c *contextObject) valuesMember() goja.Value {
	r := c.r
	o := r.vm.NewObject()
	_ = o.Set("get", r.function("get", func(call goja.FunctionCall) goja.Value {
		v, err := r.dep.msg.Values.LookupErr(call.Argument(0).String())
		if err != nil {
			return goja.Undefined()
		}
		js, err := r.toJS(call.Argument(0).String(), v)
		if err != nil {
			panic(r.vm.NewTypeError(err.Error()))
		}
		return js
	}))
	return o
}

func (c *contextObject) functions() goja.Value {
	r, who := c.r, c.who
	o := r.vm.NewObject()
	_ = o.Set("execute", r.function("execute", func(call goja.FunctionCall) goja.Value {
		var args []goja.Value
		if len(call.Arguments) > 1 {
			args = call.Arguments[1:]
		}
		return r.execute(who, call.Argument(0).String(), args)
	}))
	return o
}

func (c *contextObject) runningAsSystem() goja.Value {
	system := c.who.system
	return c.r.function("runningAsSystem", func(goja.FunctionCall) goja.Value { return c.r.vm.ToValue(system) })
}

// services is context.services: a client for a service that the app has, and
// undefined with a line in the log for any other name.
func (c *contextObject) services() goja.Value {
	r, who := c.r, c.who
	made := map[string]goja.Value{}
	o := r.vm.NewObject()
	_ = o.Set("get", r.function("get", func(call goja.FunctionCall) goja.Value {
		name := call.Argument(0).String()
		if v := made[name]; v != nil {
			return v
		}
		kind, ok := r.dep.services[name]
		if !ok {
			r.call.log("error", "service not found: '"+name+"'")
			return goja.Undefined()
		}
		v := r.service(who, name, kind)
		made[name] = v
		return v
	}))
	return o
}

// service makes the client of a service. The operation function that it is
// built on carries the execution's identity in its closure.
func (r *realm) service(who identity, name, kind string) goja.Value {
	module := "mongodb"
	switch kind {
	case "mongodb-atlas", "mongodb", "datalake":
	case "http", "twilio", "aws", "aws-ses", "gcm", "webpush", "github":
		module = "thirdparty"
	default:
		panic(r.errorValue(&wire.Failure{Name: "Error", Message: "service '" + name + "' is of type " + kind + ", which Regent does not have"}))
	}
	make, _ := goja.AssertFunction(r.load(module).Get("service"))
	v, err := make(goja.Undefined(), r.vm.ToValue(name), r.vm.ToValue(kind), r.operator(who, module, name))
	if err != nil {
		panic(err)
	}
	return v
}

func (c *contextObject) http() goja.Value {
	r := c.r
	make, _ := goja.AssertFunction(r.load("http").Get("contextHTTP"))
	v, err := make(goja.Undefined(), r.operator(c.who, "http", ""))
	if err != nil {
		panic(err)
	}
	return v
}

// operator gives the function by which a module asks the server for
// operations of one kind: (action, argument) to a promise.
func (r *realm) operator(who identity, kind, service string) goja.Value {
	if kind == "mongodb" {
		kind = "data"
	}
	return r.function("operate", func(call goja.FunctionCall) goja.Value {
		return r.operate(wire.OperationMessage{Kind: kind, As: who.id, Service: service, Action: call.Argument(0).String()}, call.Argument(1), true)
	})
}

// outcome turns the result of an operation into JavaScript.
func (r *realm) outcome(v bson.RawValue) (goja.Value, error) {
	switch n := numberTypeOf(v.Type); {
	case n == int64Number && (v.Int64() > maxSafe || v.Int64() < -maxSafe):
	case n != noNumber:
		f, _ := v.AsFloat64OK()
		r.types.came(f, n)
		return r.vm.ToValue(f), nil
	}
	return r.toJS("", v)
}

// operate sends an operation and gives the promise of its outcome.
func (r *realm) operate(m wire.OperationMessage, argument goja.Value, drains bool) goja.Value {
	promise, resolve, reject := r.vm.NewPromise()
	e := r.message()
	e.nulls = true
	raw, err := e.document(argument)
	if err != nil {
		panic(r.errorValue(&wire.Failure{Name: "TypeError", Message: m.Action + ": " + err.Error()}))
	}
	m.Argument = raw
	err = r.call.ask(m, drains, func(v bson.RawValue, f *wire.Failure) error {
		if f != nil {
			return reject(r.errorValue(f))
		}
		js, err := r.outcome(v)
		if err != nil {
			return reject(r.errorValue(&wire.Failure{Name: "Error", Message: err.Error()}))
		}
		return resolve(js)
	})
	if err != nil {
		panic(r.errorValue(&wire.Failure{Name: "RangeError", Message: m.Action + ": " + err.Error()}))
	}
	return r.vm.ToValue(promise)
}
