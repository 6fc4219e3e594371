package host

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// roots gives what a function can get hold of: the globals, its context, every
// module, and what their calls return, throw and hand to callbacks.
const roots = `exports = async () => {
  const mongo = context.services.get('mongodb-atlas'), db = mongo.db('a'), c = db.collection('b'), got = [];
  const keep = f => { try { const v = f(); got.push(v); if (v instanceof Promise) v.catch(e => got.push(e)); } catch (e) { got.push(e); } };
  got.push(globalThis, context, require, arguments, new Error('x'), BSON.ObjectId(), new BSON.Long(1), new BSON.Int32(1), BSON.Binary.fromText('x'), new BSON.Timestamp(), new BSON.MinKey(), new BSON.Decimal128('1'));
  got.push(mongo, db, c, c.find(), c.aggregate([]), c.initializeOrderedBulkOp().find({}), mongo.startSession(), db.admin && db.admin());
  got.push((function* () {})(), [].values(), new Map().entries(), 'a'.matchAll(/a/g), new Proxy({}, {}), Symbol('x'), 1n, async () => {}, class {}, new (class { #x = 1 })());
  for (const m of MODULES) keep(() => require(m));
  for (const f of [() => require('nope'), () => context.functions.execute('nope'), () => EJSON.parse('{'), () => EJSON.parse('{"a":{"$date":"2020-01-01T00:00:00Z"},"b":[1]}'), () => BSON.ObjectId('x'), () => utils.crypto.hash('x', 'y'), () => null.x, () => c.find(5),
    () => new URL('http://a/b'), () => new URL('x'), () => new AbortController(), () => new Headers(), () => new Blob(['x']), () => new FormData(), () => structuredClone({ a: 1 }), () => setTimeout(() => {}, 1), () => setInterval(() => {}, 1e6),
    () => Buffer.from('x'), () => require('crypto').createHash('md5'), () => require('crypto').createHmac('md5', 'x'), () => require('crypto').createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16)), () => require('crypto').generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    () => new (require('stream').PassThrough)(), () => new (require('events'))(), () => require('zlib').createGzip(), () => new Intl.DateTimeFormat('de'), () => new TextDecoder(), () => process.hrtime(), () => require('fs').readFileSync('/etc/passwd'), () => require('child_process').exec('x')]) keep(f);
  [1].forEach(function () { got.push(this, arguments, f => f); });
  await new Promise(ok => queueMicrotask(() => { got.push(new Error('later')); ok(); }));
  await new Promise(ok => setTimeout(function () { got.push(this); ok(); }, 1));
  return got;
};`

// allowed are the Go types behind the values that functions may reach: the
// engine's own, and the two objects whose members are made when they are read.
// What Go would wrap shows its own type, as would the modules' native object.
var allowed = []reflect.Type{
	reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), reflect.TypeFor[func(goja.FunctionCall) goja.Value](), reflect.TypeFor[func(goja.ConstructorCall) *goja.Object](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[*goja.Promise](), reflect.TypeFor[goja.Proxy](), reflect.TypeFor[goja.ArrayBuffer](), reflect.TypeFor[[][2]any](),
	reflect.TypeFor[int64](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[bool](),
	reflect.TypeFor[[]byte](), reflect.TypeFor[[]float64](), reflect.TypeFor[*contextObject](), reflect.TypeFor[*consoleObject](),
}

// TestWalk looks at everything that can be reached from what functions get, as
// Go sees it.
func TestWalk(t *testing.T) {
	h := benchHost()
	modules := "["
	for _, m := range slices.Sorted(slices.Values(BuiltinNames())) {
		modules += fmt.Sprintf("%q,", m)
	}
	d := newDeployment(&wire.DeployMessage{Limits: wire.Limits{Time: time.Minute, Depth: 10000, Operations: 100, Result: 1 << 24, ConsoleLines: 0},
		Services:  []wire.ServiceName{{Name: "mongodb-atlas", Type: "mongodb-atlas"}},
		Functions: []wire.FunctionSource{{Name: "f", File: "f.js", Code: "const MODULES = " + modules + "];" + roots}}})
	c := benchCall(h, d, wireArray())
	c.ops = map[uint32]*operation{}
	c.logs = 1 // nothing is to be sent
	vm := goja.New()
	c.vm, c.realm = vm, newRealm(c, vm)
	value, failure := c.realm.invoke()
	if failure == nil {
		value, failure = c.settle(value)
	}
	if failure != nil {
		t.Fatal(failure.Message, failure.Stack)
	}
	w := &walker{t: t, vm: vm, seen: map[*goja.Object]bool{}}
	w.describe, _ = goja.AssertFunction(mustRun(t, vm, `(function (describe, keys) { return function (o, visit) {
		for (const k of keys(o)) { const d = describe(o, k); if (!d) continue; visit(d.value, k); visit(d.get, k); visit(d.set, k); if (d.get) { try { visit(o[k], k); } catch (e) { visit(e, k); } } }
	}; })(Reflect.getOwnPropertyDescriptor, Reflect.ownKeys)`))
	w.visit(value, "roots")
	for len(w.queue) > 0 {
		next := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		w.look(next)
	}
	if len(w.seen) < 2000 {
		t.Errorf("saw only %d objects", len(w.seen))
	}
	for name, f := range c.realm.native.Export().(*nativeObject).made {
		if o, ok := f.(*goja.Object); ok && w.seen[o] && (name == "operate" || name == "marker") {
			t.Errorf("the native function %s is reachable", name)
		}
	}
	t.Logf("saw %d objects", len(w.seen))
}

type walker struct {
	t        *testing.T
	vm       *goja.Runtime
	seen     map[*goja.Object]bool
	queue    []place
	describe goja.Callable
}

// place is an object and the way to it.
type place struct {
	o   *goja.Object
	way string
}

func (w *walker) visit(v goja.Value, way string) {
	o, ok := v.(*goja.Object)
	if !ok || w.seen[o] {
		return
	}
	w.seen[o] = true
	w.queue = append(w.queue, place{o, way})
}

func (w *walker) look(p place) {
	if t := p.o.ExportType(); t != nil && !slices.Contains(allowed, t) && !(t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Pointer && t.PkgPath() == "" && t.Elem().PkgPath() == "") {
		w.t.Errorf("%s is a %s of Go", p.way, t)
	}
	func() {
		// The engine refuses what belongs to another realm.
		defer func() {
			if x := recover(); x != nil {
				w.t.Errorf("%s belongs to another realm: %v", p.way, x)
			}
		}()
		w.vm.ToValue(p.o)
	}()
	if proto := p.o.Prototype(); proto != nil {
		w.visit(proto, p.way+".__proto__")
	}
	if p.o.ExportType() == proxyType {
		return
	}
	if _, err := w.describe(goja.Undefined(), p.o, w.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		w.visit(c.Argument(0), cutText(p.way, 200)+"."+c.Argument(1).String())
		return goja.Undefined()
	})); err != nil {
		w.t.Errorf("%s: %v", p.way, err)
	}
}

func mustRun(t *testing.T, vm *goja.Runtime, code string) goja.Value {
	t.Helper()
	v, err := vm.RunString(code)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wireArray is the array of no arguments.
func wireArray() bson.RawValue {
	return bson.RawValue{Type: bson.TypeArray, Value: []byte{5, 0, 0, 0, 0}}
}
