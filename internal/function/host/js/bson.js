// The classes of the BSON global. Every one may be called with or without new
// (real-apps.md §11, trap 19). Content that must not be changed lies under a
// symbol; values are recognised by their prototypes.
var raw = native.raw;

function hide(o, content) {
  Object.defineProperty(o, raw, { value: content, enumerable: true });
  return o;
}
function define(proto, members) {
  for (var k of Object.getOwnPropertyNames(members)) {
    var d = Object.getOwnPropertyDescriptor(members, k);
    d.enumerable = false;
    Object.defineProperty(proto, k, d);
  }
}
function is(o, C) { return o !== null && typeof o === 'object' && o instanceof C; }

// ObjectId

function ObjectId(id) {
  var o = is(this, ObjectId) && this[raw] === undefined ? this : Object.create(ObjectId.prototype);
  return hide(o, toHex(id));
}
function toHex(id) {
  if (id === undefined || id === null) return native.newObjectId();
  if (is(id, ObjectId)) return id[raw];
  if (typeof id === 'number') return native.newObjectId(id);
  if (typeof id === 'string') {
    if (/^[0-9a-fA-F]{24}$/.test(id)) return id.toLowerCase();
    if (id.length === 12) return native.hexEncode(native.latin1Encode(id));
  } else if (typeof id === 'object') {
    if (id instanceof Uint8Array && id.length === 12) return native.hexEncode(id);
    if (typeof id.toHexString === 'function') return toHex(id.toHexString());
    if (typeof id.$oid === 'string') return toHex(id.$oid);
    if (typeof id.id === 'string') return toHex(id.id);
  }
  throw new TypeError('Argument passed in must be a string of 12 bytes or a string of 24 hex characters or an integer');
}
define(ObjectId.prototype, {
  constructor: ObjectId,
  get _bsontype() { return 'ObjectID'; },
  get id() { return native.hexDecode(this[raw]); },
  toHexString() { return this[raw]; },
  toString() { return this[raw]; },
  valueOf() { return this[raw]; },
  hex() { return this[raw]; },
  toJSON() { return this[raw]; },
  inspect() { return 'ObjectId("' + this[raw] + '")'; },
  equals(other) {
    if (is(other, ObjectId)) return other[raw] === this[raw];
    return typeof other === 'string' ? other.toLowerCase() === this[raw] : !!other && typeof other.toHexString === 'function' && other.toHexString() === this[raw];
  },
  getTimestamp() { return new Date(parseInt(this[raw].slice(0, 8), 16) * 1000); },
});
define(ObjectId, {
  isValid(id) { try { toHex(id); return id !== undefined && id !== null; } catch (e) { return false; } },
  createFromHexString(hex) { return new ObjectId(String(hex)); },
  createFromTime(seconds) { return new ObjectId(('00000000' + (seconds >>> 0).toString(16)).slice(-8) + '0000000000000000'); },
  fromDate(date) { return ObjectId.createFromTime(Math.floor(new Date(date).getTime() / 1000)); },
  generate() { return native.newObjectId(); },
});

// Binary

function Binary(buffer, subtype) {
  if (!is(this, Binary)) return new Binary(buffer, subtype);
  var bytes;
  if (buffer === undefined || buffer === null) bytes = new Uint8Array(0);
  else if (typeof buffer === 'string') bytes = native.utf8Encode(buffer);
  else if (is(buffer, Binary)) bytes = buffer.buffer.slice();
  else if (buffer instanceof ArrayBuffer) bytes = new Uint8Array(buffer.slice(0));
  else if (ArrayBuffer.isView(buffer)) bytes = new Uint8Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
  else if (Array.isArray(buffer)) bytes = Uint8Array.from(buffer);
  else throw new TypeError('only String, Uint8Array, Array or ArrayBuffer accepted');
  this.buffer = bytes;
  this.sub_type = subtype === undefined ? 0 : subtype & 255;
}
define(Binary.prototype, {
  constructor: Binary,
  get _bsontype() { return 'Binary'; },
  get position() { return this.buffer.length; },
  get subType() { return this.sub_type; },
  text() { return native.utf8Decode(this.buffer); },
  toHex() { return native.hexEncode(this.buffer); },
  toBase64() { return native.base64Encode(this.buffer); },
  length() { return this.buffer.length; },
  value() { return this.buffer; },
  toString(encoding) {
    if (encoding === 'hex') return this.toHex();
    if (encoding === 'base64') return this.toBase64();
    return this.text();
  },
  toUUID() { return new UUID(this.buffer); },
  toJSON() { return this.toBase64(); },
  inspect() { return 'Binary("' + this.toBase64() + '", ' + this.sub_type + ')'; },
});
define(Binary, {
  fromHex(text, subtype) { return new Binary(native.hexDecode(text), subtype); },
  fromBase64(text, subtype) { return new Binary(native.base64Decode(text, true), subtype); },
  fromText(text) { return new Binary(String(text)); },
  createFromHexString(text, subtype) { return new Binary(native.hexDecode(text), subtype); },
  createFromBase64(text, subtype) { return new Binary(native.base64Decode(text, true), subtype); },
});

// A UUID is a Binary of subtype 4.
function UUID(value) {
  var bytes;
  if (value === undefined || value === null) {
    bytes = native.randomBytes(16);
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
  } else if (typeof value === 'string') {
    var hex = value.replace(/-/g, '');
    if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw new TypeError('"' + value + '" is not a UUID');
    bytes = native.hexDecode(hex);
  } else {
    bytes = is(value, Binary) ? value.buffer : value;
  }
  var b = new Binary(bytes, 4);
  define(b, {
    toHexString() { return this.toString(); },
    toString() { var h = this.toHex(); return [h.slice(0, 8), h.slice(8, 12), h.slice(12, 16), h.slice(16, 20), h.slice(20)].join('-'); },
    toJSON() { return this.toString(); },
  });
  return b;
}

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
define(Long.prototype, {
  constructor: Long,
  get _bsontype() { return 'Long'; },
  get low() { return Number(BigInt.asIntN(32, this[raw])); },
  get high() { return Number(this[raw] >> 32n); },
  get unsigned() { return false; },
  toNumber() { return Number(this[raw]); },
  toInt() { return this.low; },
  toBigInt() { return this[raw]; },
  toString(radix) { return this[raw].toString(radix || 10); },
  valueOf() { return Number(this[raw]); },
  toJSON() { return this[raw].toString(); },
  inspect() { return 'Long("' + this[raw] + '")'; },
  add(o) { return long(this[raw] + toBig(o)); },
  subtract(o) { return long(this[raw] - toBig(o)); },
  multiply(o) { return long(this[raw] * toBig(o)); },
  divide(o) { return long(this[raw] / toBig(o)); },
  modulo(o) { return long(this[raw] % toBig(o)); },
  and(o) { return long(this[raw] & toBig(o)); },
  or(o) { return long(this[raw] | toBig(o)); },
  xor(o) { return long(this[raw] ^ toBig(o)); },
  not() { return long(~this[raw]); },
  negate() { return long(-this[raw]); },
  shiftLeft(n) { return long(this[raw] << toBig(n)); },
  shiftRight(n) { return long(this[raw] >> toBig(n)); },
  compare(o) { return compare(this[raw], toBig(o)); },
  equals(o) { return this[raw] === toBig(o); },
  eq(o) { return this[raw] === toBig(o); },
  notEquals(o) { return this[raw] !== toBig(o); },
  lessThan(o) { return this[raw] < toBig(o); },
  lessThanOrEqual(o) { return this[raw] <= toBig(o); },
  greaterThan(o) { return this[raw] > toBig(o); },
  greaterThanOrEqual(o) { return this[raw] >= toBig(o); },
  isZero() { return this[raw] === 0n; },
  isNegative() { return this[raw] < 0n; },
  isOdd() { return (this[raw] & 1n) === 1n; },
  isEven() { return (this[raw] & 1n) === 0n; },
});
define(Long, {
  fromNumber(n) { return long(toBig(n)); },
  fromInt(n) { return long(BigInt(n | 0)); },
  fromString(s, radix) {
    s = String(s);
    if (radix === 16) return long(BigInt('0x' + s));
    return long(BigInt(s));
  },
  fromBits(low, high) { return new Long(low, high); },
  fromBigInt(n) { return long(n); },
  fromValue(v) { return long(toBig(v)); },
  isLong(v) { return is(v, Long); },
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
  define(C.prototype, {
    constructor: C,
    get _bsontype() { return name; },
    get value() { return this[raw]; },
    valueOf() { return this[raw]; },
    toNumber() { return this[raw]; },
    toString(radix) { return this[raw].toString(radix); },
    toJSON() { return this[raw]; },
    inspect() { return name + '(' + this[raw] + ')'; },
  });
  return C;
}
var Int32 = numeric('Int32', function (n) { return n | 0; });
var Double = numeric('Double', function (n) { return n; });

// Decimal128

function Decimal128(text) {
  var o = is(this, Decimal128) && this[raw] === undefined ? this : Object.create(Decimal128.prototype);
  return hide(o, native.decimal128(String(text)));
}
define(Decimal128.prototype, {
  constructor: Decimal128,
  get _bsontype() { return 'Decimal128'; },
  toString() { return this[raw]; },
  toJSON() { return { $numberDecimal: this[raw] }; },
  inspect() { return 'Decimal128("' + this[raw] + '")'; },
});
define(Decimal128, { fromString(text) { return new Decimal128(text); } });

// The others

function plain(name, fields, defaults) {
  var C = { [name]: function () {
    var o = is(this, C) ? this : Object.create(C.prototype);
    for (var i = 0; i < fields.length; i++) o[fields[i]] = arguments[i] === undefined && defaults ? defaults[i] : arguments[i];
    return o;
  } }[name];
  define(C.prototype, { constructor: C, get _bsontype() { return name; } });
  return C;
}
var BSONRegExp = plain('BSONRegExp', ['pattern', 'options'], ['', '']);
var MinKey = plain('MinKey', []);
var MaxKey = plain('MaxKey', []);
var Code = plain('Code', ['code', 'scope']);
var BSONSymbol = plain('BSONSymbol', ['value']);
define(BSONSymbol.prototype, { valueOf() { return this.value; }, toString() { return this.value; }, toJSON() { return this.value; } });
var DBPointer = plain('DBPointer', ['namespace', 'oid']);

function Timestamp(low, high) {
  var o = is(this, Timestamp) ? this : Object.create(Timestamp.prototype);
  if (is(low, Long)) { o.t = Number(BigInt.asUintN(32, low[raw] >> 32n)); o.i = Number(BigInt.asUintN(32, low[raw])); }
  else if (low !== null && typeof low === 'object') { o.t = low.t >>> 0; o.i = low.i >>> 0; }
  else { o.t = (high || 0) >>> 0; o.i = (low || 0) >>> 0; }
  return o;
}
define(Timestamp.prototype, {
  constructor: Timestamp,
  get _bsontype() { return 'Timestamp'; },
  getHighBits() { return this.t; },
  getLowBits() { return this.i; },
  toString() { return ((BigInt(this.t) << 32n) | BigInt(this.i)).toString(); },
  toJSON() { return { $timestamp: { t: this.t, i: this.i } }; },
});

function DBRef(collection, oid, db) {
  var o = is(this, DBRef) ? this : Object.create(DBRef.prototype);
  o.$ref = collection; o.$id = oid;
  if (db) o.$db = db;
  return o;
}
define(DBRef.prototype, { constructor: DBRef, get _bsontype() { return 'DBRef'; } });

var BSON = {
  ObjectId: ObjectId, ObjectID: ObjectId, Binary: Binary, UUID: UUID, Long: Long, Int64: Long, Int32: Int32, Double: Double,
  Decimal128: Decimal128, BSONRegExp: BSONRegExp, Timestamp: Timestamp, MinKey: MinKey, MaxKey: MaxKey,
  Code: Code, BSONSymbol: BSONSymbol, DBPointer: DBPointer, DBRef: DBRef,
  calculateObjectSize: function (o) { return native.bsonSize(o); },
};
return Object.assign({ BSON: BSON }, BSON);
