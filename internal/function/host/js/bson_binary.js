var raw = native.raw, B = load('bson_class'), hide = B.hide, callable = B.callable, is = B.is;

function define(o, members) {
  for (var k of Object.keys(members)) Object.defineProperty(o, k, { value: members[k], writable: true, configurable: true });
}

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
callable(Binary, class {
  get _bsontype() { return 'Binary'; }
  get position() { return this.buffer.length; }
  get subType() { return this.sub_type; }
  text() { return native.utf8Decode(this.buffer); }
  toHex() { return native.hexEncode(this.buffer); }
  toBase64() { return native.base64Encode(this.buffer); }
  length() { return this.buffer.length; }
  value() { return this.buffer; }
  toString(encoding) {
    if (encoding === 'hex') return this.toHex();
    if (encoding === 'base64') return this.toBase64();
    return this.text();
  }
  toUUID() { return new UUID(this.buffer); }
  toJSON() { return this.toBase64(); }
  inspect() { return 'Binary("' + this.toBase64() + '", ' + this.sub_type + ')'; }
  static fromHex(text, subtype) { return new Binary(native.hexDecode(text), subtype); }
  static fromBase64(text, subtype) { return new Binary(native.base64Decode(text, true), subtype); }
  static fromText(text) { return new Binary(String(text)); }
  static createFromHexString(text, subtype) { return new Binary(native.hexDecode(text), subtype); }
  static createFromBase64(text, subtype) { return new Binary(native.base64Decode(text, true), subtype); }
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

return { Binary: Binary, UUID: UUID };
