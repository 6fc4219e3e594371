// Node's Buffer on the engine's Uint8Array.
function encodingOf(e) {
  e = e === undefined || e === null ? 'utf8' : String(e).toLowerCase();
  switch (e) {
    case 'utf8': case 'utf-8': return 'utf8';
    case 'hex': case 'base64': case 'base64url': case 'ascii': return e;
    case 'latin1': case 'binary': return 'latin1';
    case 'ucs2': case 'ucs-2': case 'utf16le': case 'utf-16le': return 'utf16le';
  }
  var err = new TypeError('Unknown encoding: ' + e);
  err.code = 'ERR_UNKNOWN_ENCODING';
  throw err;
}

function bytesOf(text, encoding) {
  switch (encodingOf(encoding)) {
    case 'hex': return native.hexDecode(String(text).replace(/[^0-9a-fA-F][^]*$/, '').replace(/^((?:..)*).?$/, '$1'));
    case 'base64': case 'base64url': return native.base64Decode(text);
    case 'latin1': case 'ascii': return native.latin1Encode(text);
    case 'utf16le': {
      var b = new Uint8Array(text.length * 2);
      for (var i = 0; i < text.length; i++) { var c = text.charCodeAt(i); b[2 * i] = c & 255; b[2 * i + 1] = c >> 8; }
      return b;
    }
  }
  return native.utf8Encode(text);
}

function adopt(bytes) { return new FastBuffer(bytes.buffer, bytes.byteOffset, bytes.byteLength); }

class FastBuffer extends Uint8Array {
  constructor(a, b, c) { super(a, b, c); }
  get parent() { return this.buffer; }
  get offset() { return this.byteOffset; }
  toString(encoding, start, end) {
    var b = start === undefined && end === undefined ? this : this.subarray(start, end);
    switch (encodingOf(encoding)) {
      case 'hex': return native.hexEncode(b);
      case 'base64': return native.base64Encode(b);
      case 'base64url': return native.base64Encode(b, true);
      case 'latin1': return native.latin1Decode(b);
      case 'ascii': return native.latin1Decode(b.map(function (x) { return x & 127; }));
      case 'utf16le': {
        var s = '';
        for (var i = 0; i + 1 < b.length; i += 2) s += String.fromCharCode(b[i] | (b[i + 1] << 8));
        return s;
      }
    }
    return native.utf8Decode(b);
  }
  toLocaleString(encoding) { return this.toString(encoding); }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  inspect() { return '<Buffer ' + native.hexEncode(this.subarray(0, 50)).replace(/../g, '$& ').trim() + (this.length > 50 ? ' ... ' : '') + '>'; }
  [Symbol.for('nodejs.util.inspect.custom')]() { return this.inspect(); }
  equals(o) { return Buffer.compare(this, o) === 0; }
  compare(o, ts, te, ss, se) { return Buffer.compare(this.subarray(ss, se), o.subarray(ts, te)); }
  slice(start, end) { return this.subarray(start, end); }
  subarray(start, end) { var s = super.subarray(start, end); return Object.getPrototypeOf(s) === Buffer.prototype ? s : adopt(s); }
  write(text, offset, length, encoding) {
    if (typeof offset === 'string') { encoding = offset; offset = 0; length = undefined; } else if (typeof length === 'string') { encoding = length; length = undefined; }
    offset = offset || 0;
    var b = bytesOf(String(text), encoding);
    var n = Math.min(b.length, this.length - offset, length === undefined ? Infinity : length);
    this.set(b.subarray(0, n), offset);
    return n;
  }
  copy(target, at, start, end) {
    var part = this.subarray(start || 0, end === undefined ? this.length : end);
    at = at || 0;
    var n = Math.max(0, Math.min(part.length, target.length - at));
    target.set(part.subarray(0, n), at);
    return n;
  }
  fill(v, start, end, encoding) {
    if (typeof start === 'string') { encoding = start; start = undefined; }
    if (typeof v === 'number') return super.fill(v & 255, start, end);
    var b = typeof v === 'string' ? bytesOf(v, encoding) : v;
    start = start || 0; end = end === undefined ? this.length : end;
    if (!b || b.length === 0) return super.fill(0, start, end);
    for (var i = start, j = 0; i < end; i++, j = (j + 1) % b.length) this[i] = b[j];
    return this;
  }
  indexOf(v, from, encoding) { return find(this, v, from, encoding, 1); }
  lastIndexOf(v, from, encoding) { return find(this, v, from, encoding, -1); }
  includes(v, from, encoding) { return this.indexOf(v, from, encoding) >= 0; }
  swap16() { for (var i = 0; i + 1 < this.length; i += 2) { var t = this[i]; this[i] = this[i + 1]; this[i + 1] = t; } return this; }
}

function find(b, v, from, encoding, step) {
  if (typeof from === 'string') { encoding = from; from = undefined; }
  if (typeof v === 'number') return step > 0 ? Uint8Array.prototype.indexOf.call(b, v & 255, from) : Uint8Array.prototype.lastIndexOf.call(b, v & 255, from === undefined ? b.length - 1 : from);
  var what = typeof v === 'string' ? bytesOf(v, encoding) : v;
  var last = b.length - what.length;
  var i = from === undefined ? (step > 0 ? 0 : last) : from < 0 ? Math.max(0, b.length + from) : from;
  if (step < 0 && i > last) i = last;
  outer: for (; i >= 0 && i <= last; i += step) {
    for (var j = 0; j < what.length; j++) if (b[i + j] !== what[j]) continue outer;
    return i;
  }
  return -1;
}

// Numbers, by name: read and write, signed and not, both orders.
function view(b) { return new DataView(b.buffer, b.byteOffset, b.byteLength); }
function check(b, offset, n) {
  if (typeof offset !== 'number') throw new TypeError('The "offset" argument must be of type number');
  if (!(offset >= 0 && offset + n <= b.length) || Math.floor(offset) !== offset) {
    var e = new RangeError('The value of "offset" is out of range. It must be >= 0 and <= ' + (b.length - n) + '. Received ' + offset);
    e.code = offset === 0 ? 'ERR_BUFFER_OUT_OF_BOUNDS' : 'ERR_OUT_OF_RANGE';
    throw e;
  }
}
function accessor(name, method, size, little) {
  function read(offset) { offset = offset === undefined ? 0 : offset; check(this, offset, size); return view(this)['get' + method](offset, little); }
  function write(value, offset) { offset = offset === undefined ? 0 : offset; check(this, offset, size); view(this)['set' + method](offset, value, little); return offset + size; }
  var names = [name];
  if (name.indexOf('UInt') >= 0) names.push(name.replace('UInt', 'Uint'));
  for (var n of names) {
    Object.defineProperty(FastBuffer.prototype, 'read' + n, { value: read, writable: true, configurable: true });
    Object.defineProperty(FastBuffer.prototype, 'write' + n, { value: write, writable: true, configurable: true });
  }
}
accessor('Int8', 'Int8', 1); accessor('UInt8', 'Uint8', 1);
for (var order of ['LE', 'BE']) {
  accessor('Int16' + order, 'Int16', 2, order === 'LE'); accessor('UInt16' + order, 'Uint16', 2, order === 'LE');
  accessor('Int32' + order, 'Int32', 4, order === 'LE'); accessor('UInt32' + order, 'Uint32', 4, order === 'LE');
  accessor('Float' + order, 'Float32', 4, order === 'LE'); accessor('Double' + order, 'Float64', 8, order === 'LE');
  accessor('BigInt64' + order, 'BigInt64', 8, order === 'LE'); accessor('BigUInt64' + order, 'BigUint64', 8, order === 'LE');
}
function variable(little) {
  return {
    read: function (offset, n) { check(this, offset, n); var v = 0; for (var i = 0; i < n; i++) v = v * 256 + this[offset + (little ? n - 1 - i : i)]; return v; },
    write: function (value, offset, n) { check(this, offset, n); for (var i = 0; i < n; i++) { this[offset + (little ? i : n - 1 - i)] = value % 256; value = Math.floor(value / 256); } return offset + n; },
    readSigned: function (offset, n) { var v = (little ? FastBuffer.prototype.readUIntLE : FastBuffer.prototype.readUIntBE).call(this, offset, n); return v >= Math.pow(2, 8 * n - 1) ? v - Math.pow(2, 8 * n) : v; },
    writeSigned: function (value, offset, n) { return (little ? FastBuffer.prototype.writeUIntLE : FastBuffer.prototype.writeUIntBE).call(this, value < 0 ? value + Math.pow(2, 8 * n) : value, offset, n); },
  };
}
for (var o of ['LE', 'BE']) {
  var f = variable(o === 'LE');
  for (var pair of [['readUInt' + o, f.read], ['readUint' + o, f.read], ['writeUInt' + o, f.write], ['writeUint' + o, f.write], ['readInt' + o, f.readSigned], ['writeInt' + o, f.writeSigned]]) {
    Object.defineProperty(FastBuffer.prototype, pair[0], { value: pair[1], writable: true, configurable: true });
  }
}

function Buffer(value, encoding, length) {
  if (typeof value === 'number') return Buffer.alloc(value);
  return Buffer.from(value, encoding, length);
}
Object.setPrototypeOf(Buffer, Uint8Array);
Buffer.prototype = FastBuffer.prototype;
Object.defineProperty(FastBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
Object.defineProperty(Buffer, Symbol.species, { get: function () { return FastBuffer; }, configurable: true });

Object.assign(Buffer, {
  poolSize: 8192,
  from: function (value, encoding, length) {
    if (typeof value === 'string') return adopt(bytesOf(value, encoding));
    if (value instanceof ArrayBuffer) return new FastBuffer(value, encoding, length);
    if (ArrayBuffer.isView(value)) return adopt(Uint8Array.from(value));
    if (Array.isArray(value)) return adopt(Uint8Array.from(value, function (x) { return x & 255; }));
    if (value && typeof value === 'object') {
      if (value.type === 'Buffer' && Array.isArray(value.data)) return Buffer.from(value.data);
      if (value._bsontype === 'Binary') return adopt(Uint8Array.from(value.buffer));
      var p = typeof value.valueOf === 'function' ? value.valueOf() : value;
      if (p !== value && p !== null && p !== undefined) return Buffer.from(p, encoding, length);
      if (typeof value.length === 'number') return Buffer.from(Array.from(value));
    }
    var e = new TypeError('The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received ' + (value === null ? 'null' : typeof value));
    e.code = 'ERR_INVALID_ARG_TYPE';
    throw e;
  },
  alloc: function (n, fill, encoding) {
    native.allow(n);
    if (typeof n !== 'number' || !(n >= 0) || n > 512 * 1024 * 1024) { var e = new RangeError('The value of "size" is out of range. Received ' + n); e.code = 'ERR_OUT_OF_RANGE'; throw e; }
    var b = new FastBuffer(Math.floor(n));
    return fill === undefined || fill === 0 ? b : b.fill(fill, 0, b.length, encoding);
  },
  allocUnsafe: function (n) { return Buffer.alloc(n); },
  allocUnsafeSlow: function (n) { return Buffer.alloc(n); },
  isBuffer: function (v) { return v instanceof FastBuffer; },
  isEncoding: function (e) { try { encodingOf(e); return typeof e === 'string'; } catch (x) { return false; } },
  byteLength: function (v, encoding) { return typeof v === 'string' ? bytesOf(v, encoding).length : v.byteLength !== undefined ? v.byteLength : v.length; },
  concat: function (list, total) {
    if (total === undefined) total = list.reduce(function (n, b) { return n + b.length; }, 0);
    var out = Buffer.alloc(total), at = 0;
    for (var b of list) {
      if (at >= total) break;
      out.set(at + b.length > total ? b.subarray(0, total - at) : b, at);
      at += b.length;
    }
    return out;
  },
  compare: function (a, b) {
    var n = Math.min(a.length, b.length);
    for (var i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
  },
});

var api = { Buffer: Buffer, SlowBuffer: Buffer, kMaxLength: 512 * 1024 * 1024, constants: { MAX_LENGTH: 512 * 1024 * 1024, MAX_STRING_LENGTH: 512 * 1024 * 1024 }, INSPECT_MAX_BYTES: 50,
  kStringMaxLength: 512 * 1024 * 1024, atob: load('encoding').atob, btoa: load('encoding').btoa,
  isAscii: function (b) { return Buffer.from(b.buffer || b, b.byteOffset, b.byteLength).every(function (x) { return x < 128; }); },
  isUtf8: function (b) { try { native.utf8Decode(Buffer.from(b.buffer || b, b.byteOffset, b.byteLength), true); return true; } catch (e) { return false; } } };
// Made when they are asked for: fetch needs this module.
for (var n of ['Blob', 'File']) (function (n) { Object.defineProperty(api, n, { get: function () { return load('fetch')[n]; }, enumerable: true }); })(n);
return Object.assign({ exports: api, adopt: adopt, bytesOf: bytesOf }, api);
