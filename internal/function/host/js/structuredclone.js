function structuredClone(v, options) {
  var out = copy(v, new Map()), moved = options !== undefined && options !== null && options.transfer || [];
  for (var o of moved) {
    if (!native.detach(o)) throw new (load('abort').DOMException)('Value not transferable', 'DataCloneError');
  }
  return out;
}
function copy(v, seen) {
  if (typeof v === 'function' || typeof v === 'symbol') throw new (load('abort').DOMException)(String(v) + ' could not be cloned.', 'DataCloneError');
  if (v === null || typeof v !== 'object') return v;
  if (seen.has(v)) return seen.get(v);
  var out;
  if (v._bsontype) return v;
  if (v instanceof Date) out = new Date(v.getTime());
  else if (v instanceof RegExp) out = new RegExp(v.source, v.flags);
  else if (v instanceof ArrayBuffer) out = v.slice(0);
  else if (ArrayBuffer.isView(v)) out = new v.constructor(v.buffer.slice(v.byteOffset, v.byteOffset + v.byteLength));
  else if (v instanceof Error) { out = Object.create(Object.getPrototypeOf(v)); for (var p of ['name', 'message', 'stack', 'cause']) if (p in v) Object.defineProperty(out, p, { value: v[p], writable: true, configurable: true }); }
  else if (v instanceof Map) { out = new Map(); seen.set(v, out); v.forEach(function (x, k) { out.set(copy(k, seen), copy(x, seen)); }); return out; }
  else if (v instanceof Set) { out = new Set(); seen.set(v, out); v.forEach(function (x) { out.add(copy(x, seen)); }); return out; }
  else if (v instanceof Promise || v instanceof WeakMap || v instanceof WeakSet) throw new (load('abort').DOMException)('#<' + v.constructor.name + '> could not be cloned.', 'DataCloneError');
  else if (['Number', 'String', 'Boolean'].indexOf(native.className(v)) >= 0) out = Object(v.valueOf());
  else { out = Array.isArray(v) ? new Array(v.length) : {}; seen.set(v, out); for (var k of Object.keys(v)) out[k] = copy(v[k], seen); return out; }
  seen.set(v, out);
  return out;
}
return { structuredClone: structuredClone };
