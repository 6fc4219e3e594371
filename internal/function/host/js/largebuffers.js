// What takes many bytes at once asks first: the constructors of buffers and of
// typed arrays are replaced by some that do.
var sizes = { ArrayBuffer: 1, Int8Array: 1, Uint8Array: 1, Uint8ClampedArray: 1, Int16Array: 2, Uint16Array: 2, Int32Array: 4, Uint32Array: 4, Float32Array: 4, Float64Array: 8, BigInt64Array: 8, BigUint64Array: 8 };
var construct = Reflect.construct, isArray = Array.isArray;
for (var name of Object.keys(sizes)) (function (name, size, real) {
  var guarded = { [name]: function (first) {
    if (new.target === undefined) throw new TypeError('Constructor ' + name + " requires 'new'");
    var n = typeof first === 'number' ? first : isArray(first) ? first.length : 0;
    if (n * size > 1048576) native.allow(n * size);
    return construct(real, arguments, new.target === guarded ? real : new.target);
  } }[name];
  Object.setPrototypeOf(guarded, Object.getPrototypeOf(real));
  for (var key of Reflect.ownKeys(real)) Object.defineProperty(guarded, key, Object.getOwnPropertyDescriptor(real, key));
  Object.defineProperty(real.prototype, 'constructor', { value: guarded, writable: true, configurable: true });
  Object.defineProperty(global, name, { value: guarded, writable: true, configurable: true });
})(name, sizes[name], global[name]);
return {};
