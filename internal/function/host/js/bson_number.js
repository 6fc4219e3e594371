var raw = native.raw, B = load('bson_class'), hide = B.hide, callable = B.callable, is = B.is;

// Long: an integer of 64 bits.

function wrap(n) { return BigInt.asIntN(64, n); }
function toBig(v) {
  if (typeof v === 'bigint') return v;
  if (is(v, Long) || is(v, Int32) || is(v, Double)) return BigInt(v[raw]);
  if (typeof v === 'string') return BigInt(v);
  v = Number(v);
  if (!Number.isFinite(v)) return 0n;
  return BigInt(Math.trunc(v));
}
function Long(low, high, unsigned) {
  var o = is(this, Long) && this[raw] === undefined ? this : Object.create(Long.prototype);
  var n;
  if (typeof low === 'bigint' || typeof low === 'string' || is(low, Long)) n = toBig(low);
  else if (high === undefined) n = toBig(low === undefined ? 0 : low);
  else n = (BigInt(high | 0) << 32n) | BigInt((low || 0) >>> 0);
  return hide(o, wrap(n));
}
function long(n) { return hide(Object.create(Long.prototype), wrap(n)); }
function compare(a, b) { return a < b ? -1 : a > b ? 1 : 0; }
callable(Long, class {
  get _bsontype() { return 'Long'; }
  get low() { return Number(BigInt.asIntN(32, this[raw])); }
  get high() { return Number(this[raw] >> 32n); }
  get unsigned() { return false; }
  toNumber() { return Number(this[raw]); }
  toInt() { return this.low; }
  toBigInt() { return this[raw]; }
  toString(radix) { return this[raw].toString(radix || 10); }
  valueOf() { return Number(this[raw]); }
  toJSON() { return this[raw].toString(); }
  inspect() { return 'Long("' + this[raw] + '")'; }
  add(o) { return long(this[raw] + toBig(o)); }
  subtract(o) { return long(this[raw] - toBig(o)); }
  multiply(o) { return long(this[raw] * toBig(o)); }
  divide(o) { return long(this[raw] / toBig(o)); }
  modulo(o) { return long(this[raw] % toBig(o)); }
  and(o) { return long(this[raw] & toBig(o)); }
  or(o) { return long(this[raw] | toBig(o)); }
  xor(o) { return long(this[raw] ^ toBig(o)); }
  not() { return long(~this[raw]); }
  negate() { return long(-this[raw]); }
  shiftLeft(n) { return long(this[raw] << toBig(n)); }
  shiftRight(n) { return long(this[raw] >> toBig(n)); }
  compare(o) { return compare(this[raw], toBig(o)); }
  equals(o) { return this[raw] === toBig(o); }
  eq(o) { return this[raw] === toBig(o); }
  notEquals(o) { return this[raw] !== toBig(o); }
  lessThan(o) { return this[raw] < toBig(o); }
  lessThanOrEqual(o) { return this[raw] <= toBig(o); }
  greaterThan(o) { return this[raw] > toBig(o); }
  greaterThanOrEqual(o) { return this[raw] >= toBig(o); }
  isZero() { return this[raw] === 0n; }
  isNegative() { return this[raw] < 0n; }
  isOdd() { return (this[raw] & 1n) === 1n; }
  isEven() { return (this[raw] & 1n) === 0n; }
  static fromNumber(n) { return long(toBig(n)); }
  static fromInt(n) { return long(BigInt(n | 0)); }
  static fromString(s, radix) {
    s = String(s);
    if (radix === 16) return long(BigInt('0x' + s));
    return long(BigInt(s));
  }
  static fromBits(low, high) { return new Long(low, high); }
  static fromBigInt(n) { return long(n); }
  static fromValue(v) { return long(toBig(v)); }
  static isLong(v) { return is(v, Long); }
});
Long.ZERO = long(0n);
Long.ONE = long(1n);
Long.MAX_VALUE = long(0x7fffffffffffffffn);
Long.MIN_VALUE = long(-0x8000000000000000n);

// Int32 and Double name the type that a number is to have.

function numeric(name, convert) {
  var C = { [name]: function (n) {
    var o = is(this, C) && this[raw] === undefined ? this : Object.create(C.prototype);
    return hide(o, convert(Number(n)));
  } }[name];
  return callable(C, class {
    get _bsontype() { return name; }
    get value() { return this[raw]; }
    valueOf() { return this[raw]; }
    toNumber() { return this[raw]; }
    toString(radix) { return this[raw].toString(radix); }
    toJSON() { return this[raw]; }
    inspect() { return name + '(' + this[raw] + ')'; }
  });
}
var Int32 = numeric('Int32', function (n) { return n | 0; });
var Double = numeric('Double', function (n) { return n; });

// Decimal128

function Decimal128(text) {
  var o = is(this, Decimal128) && this[raw] === undefined ? this : Object.create(Decimal128.prototype);
  return hide(o, native.decimal128(String(text)));
}
callable(Decimal128, class {
  get _bsontype() { return 'Decimal128'; }
  toString() { return this[raw]; }
  toJSON() { return { $numberDecimal: this[raw] }; }
  inspect() { return 'Decimal128("' + this[raw] + '")'; }
  static fromString(text) { return new Decimal128(text); }
});

return { Long: Long, Int64: Long, Int32: Int32, Double: Double, Decimal128: Decimal128 };
