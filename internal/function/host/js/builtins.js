// Members of the engine's objects that newer code expects.
function add(o, name, fn) { if (!o[name]) Object.defineProperty(o, name, { value: fn, writable: true, configurable: true }); }
add(Object, 'groupBy', function (items, fn) { var out = Object.create(null), i = 0; for (var v of items) { var k = fn(v, i++); (out[k] = out[k] || []).push(v); } return out; });
add(Map, 'groupBy', function (items, fn) { var out = new Map(), i = 0; for (var v of items) { var k = fn(v, i++); if (out.has(k)) out.get(k).push(v); else out.set(k, [v]); } return out; });
add(Promise, 'withResolvers', function () { var r = {}; r.promise = new this(function (a, b) { r.resolve = a; r.reject = b; }); return r; });
add(String.prototype, 'isWellFormed', function () { return !/[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/.test(String(this)); });
add(String.prototype, 'toWellFormed', function () { return native.utf8Decode(native.utf8Encode(String(this))); });
// The frames of the constructor itself stay in the stack: nothing can leave them out.
add(Error, 'captureStackTrace', function (o) { Object.defineProperty(o, 'stack', { value: String(o.name === undefined ? 'Error' : o.name) + (o.message ? ': ' + o.message : '') + '\n' + String(new Error().stack).split('\n').slice(2).join('\n'), writable: true, configurable: true }); });
if (Error.stackTraceLimit === undefined) Error.stackTraceLimit = 10;
for (var pair of Object.entries({
  union: function (o) { var s = new Set(this); for (var v of o.keys()) s.add(v); return s; }, intersection: function (o) { var s = new Set(); for (var v of this) if (o.has(v)) s.add(v); return s; },
  difference: function (o) { var s = new Set(); for (var v of this) if (!o.has(v)) s.add(v); return s; }, symmetricDifference: function (o) { var s = new Set(this); for (var v of o.keys()) { if (this.has(v)) s.delete(v); else s.add(v); } return s; },
  isSubsetOf: function (o) { for (var v of this) if (!o.has(v)) return false; return true; }, isSupersetOf: function (o) { for (var v of o.keys()) if (!this.has(v)) return false; return true; }, isDisjointFrom: function (o) { for (var v of this) if (o.has(v)) return false; return true; },
})) add(Set.prototype, pair[0], pair[1]);
add(Array, 'fromAsync', async function (items, fn) { var out = [], it = items[Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator')]; if (it) { it = it.call(items); for (var x = await it.next(); !x.done; x = await it.next()) out.push(fn ? await fn(x.value, out.length) : x.value); } else for (var v of items) { v = await v; out.push(fn ? await fn(v, out.length) : v); } return out; });
if (typeof WeakRef === 'undefined') Object.defineProperty(global, 'WeakRef', { value: class WeakRef { #v; constructor(v) { this.#v = v; } deref() { return this.#v; } }, writable: true, configurable: true });
if (typeof FinalizationRegistry === 'undefined') Object.defineProperty(global, 'FinalizationRegistry', { value: class FinalizationRegistry { register() {} unregister() { return false; } }, writable: true, configurable: true });
return {};
