// Array.prototype.sort as the language has it: the elements are taken first and
// written back when they are in order, so that a comparison may do with the
// array what it likes. The engine's own sorts in place and fails when the array
// shrinks under it.
var own = Array.prototype.sort, toSorted = Array.prototype.toSorted, apply = Reflect.apply, isArray = Array.isArray;
Object.defineProperty(Array.prototype, 'sort', { value: { sort(compare) {
  if (!isArray(this) || compare !== undefined && typeof compare !== 'function') return apply(own, this, [compare]);
  var n = this.length, kept = n;
  for (var i = 0; i < n; i++) if (!(i in this)) kept--; // holes go to the end, and stay holes
  var sorted = apply(toSorted, this, [compare]);
  for (i = 0; i < kept; i++) this[i] = sorted[i];
  for (; i < n; i++) delete this[i];
  return this;
} }.sort, writable: true, configurable: true });
return {};
