// What the BSON classes are made with.
var raw = native.raw;

// hide puts content under the symbol.
function hide(o, content) {
  Object.defineProperty(o, raw, { value: content, enumerable: true });
  return o;
}
// callable gives a function the members of a class, which may not be called itself.
function callable(C, members) {
  C.prototype = members.prototype;
  Object.defineProperty(C.prototype, 'constructor', { value: C, writable: true, configurable: true });
  Object.setPrototypeOf(C, members);
  return C;
}
function is(o, C) { return o !== null && typeof o === 'object' && o instanceof C; }
return { hide: hide, callable: callable, is: is };
