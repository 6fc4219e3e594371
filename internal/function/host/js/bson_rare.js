var raw = native.raw, B = load('bson_class'), hide = B.hide, callable = B.callable, is = B.is;


function plain(name, fields, defaults) {
  var C = { [name]: function () {
    var o = is(this, C) ? this : Object.create(C.prototype);
    for (var i = 0; i < fields.length; i++) o[fields[i]] = arguments[i] === undefined && defaults ? defaults[i] : arguments[i];
    return o;
  } }[name];
  return callable(C, class { get _bsontype() { return name; } });
}
var BSONRegExp = plain('BSONRegExp', ['pattern', 'options'], ['', '']);
var MinKey = plain('MinKey', []);
var MaxKey = plain('MaxKey', []);
var Code = plain('Code', ['code', 'scope']);
var BSONSymbol = plain('BSONSymbol', ['value']);
for (let k of ['valueOf', 'toString', 'toJSON']) Object.defineProperty(BSONSymbol.prototype, k, { value: function () { return this.value; }, writable: true, configurable: true });
var DBPointer = plain('DBPointer', ['namespace', 'oid']);

function Timestamp(low, high) {
  var o = is(this, Timestamp) ? this : Object.create(Timestamp.prototype);
  if (low !== null && typeof low === 'object' && low._bsontype === 'Long') { o.t = Number(BigInt.asUintN(32, low[raw] >> 32n)); o.i = Number(BigInt.asUintN(32, low[raw])); }
  else if (low !== null && typeof low === 'object') { o.t = low.t >>> 0; o.i = low.i >>> 0; }
  else { o.t = (high || 0) >>> 0; o.i = (low || 0) >>> 0; }
  return o;
}
callable(Timestamp, class {
  get _bsontype() { return 'Timestamp'; }
  getHighBits() { return this.t; }
  getLowBits() { return this.i; }
  toString() { return ((BigInt(this.t) << 32n) | BigInt(this.i)).toString(); }
  toJSON() { return { $timestamp: { t: this.t, i: this.i } }; }
});

function DBRef(collection, oid, db) {
  var o = is(this, DBRef) ? this : Object.create(DBRef.prototype);
  o.$ref = collection; o.$id = oid;
  if (db) o.$db = db;
  return o;
}
callable(DBRef, class { get _bsontype() { return 'DBRef'; } });

return { BSONRegExp: BSONRegExp, Timestamp: Timestamp, MinKey: MinKey, MaxKey: MaxKey, Code: Code, BSONSymbol: BSONSymbol, DBPointer: DBPointer, DBRef: DBRef };
