// Node's util.
var ins = load('inspect');
var custom = Symbol.for('nodejs.util.promisify.custom');
function tag(v) { return Object.prototype.toString.call(v).slice(8, -1); }
function promisify(fn) {
  if (typeof fn !== 'function') throw new TypeError('The "original" argument must be of type function');
  if (fn[custom]) return fn[custom];
  function promised() {
    var self = this, args = Array.prototype.slice.call(arguments);
    return new Promise(function (resolve, reject) { fn.apply(self, args.concat(function (e, v) { if (e) reject(e); else resolve(v); })); });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(fn));
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(fn));
}
promisify.custom = custom;
ins.inspect.custom = Symbol.for('nodejs.util.inspect.custom');
ins.inspect.defaultOptions = {};
ins.inspect.colors = {}; ins.inspect.styles = {};

function deepEqual(a, b, strict, seen) {
  if (strict ? Object.is(a, b) : a == b || a !== a && b !== b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (tag(a) !== tag(b)) return false;
  if (a instanceof Date && b instanceof Date) { if (a.getTime() !== b.getTime() && !(isNaN(a) && isNaN(b))) return false; }
  if (a instanceof RegExp && String(a) !== String(b)) return false;
  if (a instanceof Error && (a.message !== b.message || a.name !== b.name)) return false;
  if (['Number', 'String', 'Boolean'].indexOf(tag(a)) >= 0 && !Object.is(a.valueOf(), b.valueOf())) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  for (var s of seen) if (s[0] === a && s[1] === b) return true;
  seen = seen.concat([[a, b]]);
  if (a instanceof Map) {
    if (a.size !== b.size) return false;
    for (var e of a) if (!b.has(e[0]) || !deepEqual(e[1], b.get(e[0]), strict, seen)) return false;
  }
  if (a instanceof Set) {
    if (a.size !== b.size) return false;
    outer: for (var v of a) { if (b.has(v)) continue; for (var w of b) if (deepEqual(v, w, strict, seen)) continue outer; return false; }
  }
  if (ArrayBuffer.isView(a) && a.byteLength !== undefined && a.length !== undefined) {
    if (a.length !== b.length) return false;
    for (var i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }
  var raw = native.raw, ka = Object.keys(a), kb = Object.keys(b);
  if (a[raw] !== b[raw] || ka.length !== kb.length) return false;
  for (var k of ka) if (!Object.prototype.hasOwnProperty.call(b, k) || !deepEqual(a[k], b[k], strict, seen)) return false;
  return true;
}

var types = {
  isDate: function (v) { return tag(v) === 'Date'; }, isRegExp: function (v) { return tag(v) === 'RegExp'; }, isNativeError: function (v) { return v instanceof Error; },
  isPromise: function (v) { return v instanceof Promise; }, isMap: function (v) { return v instanceof Map; }, isSet: function (v) { return v instanceof Set; },
  isWeakMap: function (v) { return v instanceof WeakMap; }, isWeakSet: function (v) { return v instanceof WeakSet; },
  isArrayBuffer: function (v) { return v instanceof ArrayBuffer; }, isAnyArrayBuffer: function (v) { return v instanceof ArrayBuffer; }, isSharedArrayBuffer: function () { return false; },
  isArrayBufferView: ArrayBuffer.isView, isTypedArray: function (v) { return ArrayBuffer.isView(v) && !(v instanceof DataView); }, isUint8Array: function (v) { return v instanceof Uint8Array; }, isDataView: function (v) { return v instanceof DataView; },
  isAsyncFunction: function (v) { return tag(v) === 'AsyncFunction'; }, isGeneratorFunction: function (v) { return tag(v) === 'GeneratorFunction'; }, isGeneratorObject: function (v) { return tag(v) === 'Generator'; },
  isProxy: function () { return false; }, isSymbolObject: function (v) { return typeof v === 'object' && tag(v) === 'Symbol'; }, isNumberObject: function (v) { return typeof v === 'object' && tag(v) === 'Number'; },
  isStringObject: function (v) { return typeof v === 'object' && tag(v) === 'String'; }, isBooleanObject: function (v) { return typeof v === 'object' && tag(v) === 'Boolean'; }, isBoxedPrimitive: function (v) { return v !== null && typeof v === 'object' && /^(Number|String|Boolean|Symbol|BigInt)$/.test(tag(v)); },
  isArgumentsObject: function (v) { return tag(v) === 'Arguments'; }, isModuleNamespaceObject: function () { return false; }, isExternal: function () { return false; }, isKeyObject: function () { return false; }, isCryptoKey: function () { return false; },
};
for (var name of ['Int8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']) (function (name) {
  types['is' + name] = function (v) { return ArrayBuffer.isView(v) && tag(v) === name; };
})(name);
types.isMapIterator = function (v) { return tag(v) === 'Map Iterator'; };
types.isSetIterator = function (v) { return tag(v) === 'Set Iterator'; };
types.isBigIntObject = function (v) { return typeof v === 'object' && tag(v) === 'BigInt'; };
var util = {
  inspect: ins.inspect, format: ins.format, formatWithOptions: function () { return ins.format.apply(null, Array.prototype.slice.call(arguments, 1)); },
  promisify: promisify,
  callbackify: function (fn) { return function () { var args = Array.prototype.slice.call(arguments), cb = args.pop(); fn.apply(this, args).then(function (v) { Promise.resolve().then(function () { cb(null, v); }); }, function (e) { Promise.resolve().then(function () { cb(e || new Error('Promise was rejected with a falsy value')); }); }); }; },
  inherits: function (C, P) { Object.defineProperty(C, 'super_', { value: P, writable: true, configurable: true }); Object.setPrototypeOf(C.prototype, P.prototype); },
  deprecate: function (fn) { return fn; },
  debuglog: function () { var f = function () {}; f.enabled = false; return f; },
  isDeepStrictEqual: function (a, b) { return deepEqual(a, b, true, []); },
  types: types,
  TextEncoder: load('encoding').TextEncoder, TextDecoder: load('encoding').TextDecoder,
  stripVTControlCharacters: function (s) { return String(s).replace(/\u001b\[[0-9;]*[A-Za-z]/g, ''); },
  toUSVString: function (s) { return native.utf8Decode(native.utf8Encode(String(s))); },
  isArray: Array.isArray, isBoolean: function (v) { return typeof v === 'boolean'; }, isNull: function (v) { return v === null; }, isNullOrUndefined: function (v) { return v === null || v === undefined; },
  isNumber: function (v) { return typeof v === 'number'; }, isString: function (v) { return typeof v === 'string'; }, isSymbol: function (v) { return typeof v === 'symbol'; }, isUndefined: function (v) { return v === undefined; },
  isRegExp: types.isRegExp, isObject: function (v) { return v !== null && typeof v === 'object'; }, isDate: types.isDate, isError: function (v) { return v instanceof Error; }, isFunction: function (v) { return typeof v === 'function'; },
  isPrimitive: function (v) { return v === null || typeof v !== 'object' && typeof v !== 'function'; }, isBuffer: function (v) { return load('buffer').Buffer.isBuffer(v); },
  log: function () { native.console().log.apply(null, arguments); },
};
util.debug = util.debuglog;
return { exports: util, deepEqual: deepEqual };
