// The classes of the BSON global. Every one may be called with or without new
// (real-apps.md §11, trap 19). Content that must not be changed lies under a
// symbol; values are recognised by their prototypes. Each family is a module of
// its own, loaded when it is needed: most functions hold ObjectIds only.
var BSON = {};
function lazy(module, names) {
  for (let name of names) {
    Object.defineProperty(BSON, name, {
      get: function () { var v = load(module)[name]; Object.defineProperty(BSON, name, { value: v, writable: true, enumerable: true, configurable: true }); return v; },
      set: function (v) { Object.defineProperty(BSON, name, { value: v, writable: true, enumerable: true, configurable: true }); },
      enumerable: true, configurable: true,
    });
  }
}
lazy('bson_objectid', ['ObjectId', 'ObjectID']);
lazy('bson_binary', ['Binary', 'UUID']);
lazy('bson_number', ['Long', 'Int64', 'Int32', 'Double', 'Decimal128']);
lazy('bson_rare', ['BSONRegExp', 'Timestamp', 'MinKey', 'MaxKey', 'Code', 'BSONSymbol', 'DBPointer', 'DBRef']);
BSON.calculateObjectSize = function (o) { return native.bsonSize(o); };
return { BSON: BSON };
