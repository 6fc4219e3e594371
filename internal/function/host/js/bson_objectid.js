var raw = native.raw, B = load('bson_class'), hide = B.hide, callable = B.callable, is = B.is;

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
callable(ObjectId, class {
  get _bsontype() { return 'ObjectID'; }
  get id() { return native.hexDecode(this[raw]); }
  toHexString() { return this[raw]; }
  toString() { return this[raw]; }
  valueOf() { return this[raw]; }
  hex() { return this[raw]; }
  toJSON() { return this[raw]; }
  inspect() { return 'ObjectId("' + this[raw] + '")'; }
  equals(other) {
    if (is(other, ObjectId)) return other[raw] === this[raw];
    return typeof other === 'string' ? other.toLowerCase() === this[raw] : !!other && typeof other.toHexString === 'function' && other.toHexString() === this[raw];
  }
  getTimestamp() { return new Date(parseInt(this[raw].slice(0, 8), 16) * 1000); }
  static isValid(id) { try { toHex(id); return id !== undefined && id !== null; } catch (e) { return false; } }
  static createFromHexString(hex) { return new ObjectId(String(hex)); }
  static createFromTime(seconds) { return new ObjectId(('00000000' + (seconds >>> 0).toString(16)).slice(-8) + '0000000000000000'); }
  static fromDate(date) { return ObjectId.createFromTime(Math.floor(new Date(date).getTime() / 1000)); }
  static generate() { return native.newObjectId(); }
});

return { ObjectId: ObjectId, ObjectID: ObjectId };
