// The MongoDB client of functions (app-services.md §4.9). Every method is one
// operation of the server's data service (client-api.md §1.17 and its further
// actions); rules are applied there, for the identity that `operate` carries.

var asyncIterator = Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator');

function present(o) {
  var out = {};
  for (var k in o) if (o[k] !== undefined && o[k] !== null) out[k] = o[k];
  return out;
}

// Options that the server knows by their own names.
var passed = ['sort', 'limit', 'skip', 'collation', 'hint', 'maxTimeMS', 'batchSize', 'allowDiskUse', 'comment', 'let',
  'upsert', 'arrayFilters', 'ordered', 'bypassDocumentValidation', 'returnNewDocument', 'min', 'max', 'returnKey', 'showRecordId',
  'readConcern', 'writeConcern', 'readPreference'];

// How far reads and writes reach: a collection has these of its database, and an
// operation of its collection, unless it has its own.
var concerns = ['readConcern', 'writeConcern', 'readPreference'];

function concernsOf(options, inherited) {
  var out = Object.assign({}, inherited);
  if (options === undefined || options === null) return out;
  if (typeof options !== 'object') throw new TypeError('options must be an object');
  for (var k of concerns) if (options[k] !== undefined && options[k] !== null) out[k] = options[k];
  return out;
}

function withOptions(arg, options) {
  if (options === undefined || options === null) return arg;
  if (typeof options !== 'object') throw new TypeError('options must be an object');
  for (var k of passed) if (options[k] !== undefined && options[k] !== null) arg[k] = options[k];
  if (options.session !== undefined && options.session !== null) {
    var id = transactionOf(options.session);
    if (id !== undefined) arg.transaction = id;
  }
  return arg;
}

function filterOf(query, method) {
  if (query === undefined || query === null) return {};
  if (typeof query !== 'object' || Array.isArray(query)) throw new TypeError(method + ': the filter must be an object');
  return query;
}

function documentOf(doc, method) {
  if (doc === null || typeof doc !== 'object' || Array.isArray(doc)) throw new TypeError(method + ': the document must be an object');
  return doc;
}

// Cursors are no thenables: `await cursor` gives the cursor back, so that
// toArray() works afterwards (real-apps.md §11, trap 4).

class Cursor {
  #run; #arg; #items; #next = 0;
  constructor(run, arg) { this.#run = run; this.#arg = arg; }
  #set(name, value) {
    if (this.#items) throw new Error('the cursor was already read: call ' + name + '() before');
    this.#arg[name] = value;
    return this;
  }
  #all() {
    if (!this.#items) this.#items = this.#run(this.#arg);
    return this.#items;
  }
  sort(s) {
    if (Array.isArray(s)) s = Object.fromEntries(s);
    else if (typeof s === 'string') s = { [s]: arguments[1] === undefined ? 1 : arguments[1] };
    return this.#set('sort', s);
  }
  limit(n) { return this.#set('limit', n); }
  skip(n) { return this.#set('skip', n); }
  project(p) { return this.#set('project', p); }
  projection(p) { return this.#set('project', p); }
  collation(c) { return this.#set('collation', c); }
  hint(h) { return this.#set('hint', h); }
  maxTimeMS(n) { return this.#set('maxTimeMS', n); }
  batchSize() { return this; }
  async toArray() { var all = await this.#all(); var rest = this.#next === 0 ? all : all.slice(this.#next); this.#next = all.length; return rest; }
  async next() { var all = await this.#all(); return this.#next < all.length ? all[this.#next++] : undefined; }
  async tryNext() { var v = await this.next(); return v === undefined ? null : v; }
  async hasNext() { return this.#next < (await this.#all()).length; }
  async forEach(fn) { for (var all = await this.#all(); this.#next < all.length;) if ((await fn(all[this.#next++])) === false) break; }
  map(fn) { var c = this; return new Cursor(function () { return c.toArray().then(function (all) { return all.map(function (d) { return fn(d); }); }); }, {}); }
  async count() { return (await this.#all()).length; }
  async close() { this.#items = Promise.resolve([]); }
  isExhausted() { return false; }
  toJSON() { return {}; }
  [asyncIterator]() {
    var c = this;
    return { next: async function () { var v = await c.next(); return { done: v === undefined, value: v }; }, return: async function () { return { done: true, value: undefined }; }, [asyncIterator]() { return this; } };
  }
}
native.cursorClass(Cursor.prototype);

// Sessions

var transactions = new WeakMap();
function transactionOf(session) {
  var t = transactions.get(session);
  if (!t) throw new TypeError('session is not a session of this client');
  return t.id === undefined ? t.starting : t.id;
}

function hasLabel(e, label) {
  return e !== null && typeof e === 'object' && Array.isArray(e.errorLabels) && e.errorLabels.includes(label);
}

// The drivers' own bound for repeating a transaction.
var transactionTime = 120000;

class Session {
  #operate; #state = { id: undefined }; #defaults;
  constructor(operate, options) {
    this.#operate = operate;
    this.#defaults = options && options.defaultTransactionOptions;
    transactions.set(this, this.#state);
  }
  // The number of the transaction is chosen here, so that operations may be
  // sent before the server has answered.
  startTransaction(options) {
    if (this.#state.id !== undefined) throw new Error('Transaction already in progress');
    var s = this.#state;
    s.id = native.newObjectId();
    s.started = this.#operate('startTransaction', present({ transaction: s.id, options: Object.assign({}, this.#defaults, options) }));
    s.started.catch(function () {});
  }
  async #end(action) {
    var s = this.#state;
    if (s.id === undefined) throw new Error('No transaction started');
    var id = s.id, started = s.started;
    s.id = s.started = undefined;
    await started;
    await this.#operate(action, { transaction: id });
  }
  commitTransaction() { return this.#end('commitTransaction'); }
  abortTransaction() { return this.#end('abortTransaction'); }
  inTransaction() { return this.#state.id !== undefined; }
  // withTransaction runs fn again when the transaction met another one, as the
  // drivers do. A commit whose answer was lost is asked for again by the server.
  async withTransaction(fn, options) {
    for (var end = Date.now() + transactionTime; ;) {
      this.startTransaction(options);
      var value;
      try {
        value = await fn(this);
        if (!this.inTransaction()) return value;
        await this.commitTransaction();
        return value;
      } catch (e) {
        if (this.inTransaction()) { try { await this.abortTransaction(); } catch (ignored) { /* the first error counts */ } }
        if (!hasLabel(e, 'TransientTransactionError') || Date.now() > end) throw e;
      }
    }
  }
  async endSession() { if (this.inTransaction()) { try { await this.abortTransaction(); } catch (e) { /* it ends with the call anyway */ } } }
  toJSON() { return {}; }
}

// Bulk builders

class BulkFind {
  #add; #filter; #upsert = false;
  constructor(add, filter) { this.#add = add; this.#filter = filter; }
  upsert() { this.#upsert = true; return this; }
  collation(c) { this.collationValue = c; return this; }
  #op(name, more) { return this.#add({ [name]: Object.assign({ filter: this.#filter }, more, this.#upsert ? { upsert: true } : {}) }); }
  update(u) { return this.#op('updateMany', { update: u }); }
  updateOne(u) { return this.#op('updateOne', { update: u }); }
  updateMany(u) { return this.#op('updateMany', { update: u }); }
  replaceOne(d) { return this.#op('replaceOne', { replacement: d }); }
  remove() { return this.#add({ deleteMany: { filter: this.#filter } }); }
  removeOne() { return this.#add({ deleteOne: { filter: this.#filter } }); }
  delete() { return this.remove(); }
  deleteOne() { return this.removeOne(); }
}

class Bulk {
  #collection; #ordered; #ops = []; #done = false;
  constructor(collection, ordered) { this.#collection = collection; this.#ordered = ordered; }
  get length() { return this.#ops.length; }
  insert(doc) { this.#ops.push({ insertOne: { document: doc } }); return this; }
  find(filter) {
    var bulk = this, ops = this.#ops;
    return new BulkFind(function (op) { ops.push(op); return bulk; }, filter || {});
  }
  raw(op) { this.#ops.push(op); return this; }
  execute(options) {
    if (this.#done) throw new Error('the bulk operation was already executed');
    if (this.#ops.length === 0) throw new Error('Invalid Operation, no operations specified');
    this.#done = true;
    return this.#collection.bulkWrite(this.#ops, Object.assign({ ordered: this.#ordered }, options));
  }
}

// Collections, databases, clients

// Actions that neither read nor write documents.
var withoutConcern = ['createIndex', 'dropIndex', 'getIndexes', 'dropCollection'];

// reaching adds what an operation inherits. In a transaction the transaction's
// own options count, as in the drivers.
function reaching(arg, inherited, action) {
  if (arg.transaction !== undefined || withoutConcern.includes(action)) return arg;
  for (var k in inherited) if (arg[k] === undefined) arg[k] = inherited[k];
  return arg;
}

class Collection {
  #operate; #db; #concerns;
  constructor(operate, db, name, concerns) { this.#operate = operate; this.#db = db; this.name = name; this.#concerns = concerns; }
  get dbName() { return this.#db; }
  get collectionName() { return this.name; }
  get namespace() { return this.#db + '.' + this.name; }
  #do(action, arg) { return this.#operate(action, reaching(Object.assign({ database: this.#db, collection: this.name }, present(arg)), this.#concerns, action)); }
  #cursor(action, arg) { var c = this; return new Cursor(function (a) { return c.#do(action, a); }, arg); }

  find(query, projection, options) {
    var arg = withOptions({ query: filterOf(query, 'find'), project: projection }, options);
    if (options && (options.projection || options.project)) arg.project = options.projection || options.project;
    return this.#cursor('find', arg);
  }
  findOne(query, projection, options) {
    var arg = withOptions({ query: filterOf(query, 'findOne'), project: projection }, options);
    if (options && (options.projection || options.project)) arg.project = options.projection || options.project;
    return this.#do('findOne', arg);
  }
  #findAnd(action, query, update, options) {
    var arg = withOptions({ filter: filterOf(query, action), update: update }, options);
    if (options) {
      arg.projection = options.projection || options.project;
      // The drivers' names for it are common in apps and were ignored.
      if (options.returnDocument === 'after' || options.returnOriginal === false) arg.returnNewDocument = true;
    }
    return this.#do(action, arg);
  }
  findOneAndUpdate(query, update, options) { return this.#findAnd('findOneAndUpdate', query, documentOrPipeline(update, 'findOneAndUpdate'), options); }
  findOneAndReplace(query, replacement, options) { return this.#findAnd('findOneAndReplace', query, documentOf(replacement, 'findOneAndReplace'), options); }
  findOneAndDelete(query, options) { return this.#findAnd('findOneAndDelete', query, undefined, options); }
  insertOne(doc, options) { return this.#do('insertOne', withOptions({ document: documentOf(doc, 'insertOne') }, options)); }
  insertMany(docs, options) {
    if (!Array.isArray(docs)) throw new TypeError('insertMany: the documents must be an array');
    return this.#do('insertMany', withOptions({ documents: docs }, options));
  }
  updateOne(query, update, options) { return this.#do('updateOne', withOptions({ query: filterOf(query, 'updateOne'), update: documentOrPipeline(update, 'updateOne') }, options)); }
  updateMany(query, update, options) { return this.#do('updateMany', withOptions({ query: filterOf(query, 'updateMany'), update: documentOrPipeline(update, 'updateMany') }, options)); }
  update(query, update, options) { return options && options.multi ? this.updateMany(query, update, options) : this.updateOne(query, update, options); }
  replaceOne(query, replacement, options) { return this.#do('replaceOne', withOptions({ query: filterOf(query, 'replaceOne'), replacement: documentOf(replacement, 'replaceOne') }, options)); }
  deleteOne(query, options) { return this.#do('deleteOne', withOptions({ query: filterOf(query, 'deleteOne') }, options)); }
  deleteMany(query, options) { return this.#do('deleteMany', withOptions({ query: filterOf(query, 'deleteMany') }, options)); }
  remove(query, options) { return this.deleteMany(query, options); }
  aggregate(pipeline, options) {
    if (!Array.isArray(pipeline)) throw new TypeError('aggregate: the pipeline must be an array');
    return new AggregateCursor(this.#do.bind(this), withOptions({ pipeline: pipeline }, options));
  }
  count(query, options) { return this.#do('count', withOptions({ query: filterOf(query, 'count') }, options)); }
  countDocuments(query, options) { return this.#do('countDocuments', withOptions({ query: filterOf(query, 'countDocuments') }, options)); }
  estimatedDocumentCount(options) { return this.#do('count', withOptions({ query: {} }, options)); }
  distinct(field, query, options) { return this.#do('distinct', withOptions({ key: String(field), query: filterOf(query, 'distinct') }, options)); }
  bulkWrite(operations, options) {
    if (!Array.isArray(operations)) throw new TypeError('bulkWrite: the operations must be an array');
    return this.#do('bulkWrite', withOptions({ operations: operations }, options));
  }
  initializeOrderedBulkOp() { return new Bulk(this, true); }
  initializeUnorderedBulkOp() { return new Bulk(this, false); }
  createIndex(keys, options) { return this.#do('createIndex', { keys: keys, options: options }); }
  async createIndexes(specs) {
    if (!Array.isArray(specs)) throw new TypeError('createIndexes: the indexes must be an array');
    var names = [];
    for (var s of specs) { var options = Object.assign({}, s); delete options.key; names.push(await this.createIndex(s.key, options)); }
    return names;
  }
  dropIndex(name) { return this.#do('dropIndex', { name: name }); }
  getIndexes() { return this.#do('getIndexes', {}); }
  indexes() { return this.#do('getIndexes', {}); }
  listIndexes() { return this.#cursor('getIndexes', {}); }
  drop() { return this.#do('dropCollection', {}); }
  watch() { throw new Error('watch() is not available in functions: use a database trigger'); }
  toJSON() { return {}; }
}

function documentOrPipeline(update, method) {
  if (update === null || typeof update !== 'object') throw new TypeError(method + ': the update must be an object or an array of stages');
  return update;
}

// An aggregate's sort, limit and skip become stages, as nothing else can hold them.
class AggregateCursor extends Cursor {
  #arg;
  constructor(run, arg) {
    super(function (a) { return run('aggregate', a); }, arg);
    this.#arg = arg;
  }
  #stage(s) { this.#arg.pipeline = this.#arg.pipeline.concat([s]); return this; }
  sort(s) { return this.#stage({ $sort: s }); }
  limit(n) { return this.#stage({ $limit: n }); }
  skip(n) { return this.#stage({ $skip: n }); }
  project(p) { return this.#stage({ $project: p }); }
}

class Database {
  #operate; #concerns;
  constructor(operate, name, concerns) { this.#operate = operate; this.name = name; this.#concerns = concerns; }
  get databaseName() { return this.name; }
  collection(name, options) {
    if (typeof name !== 'string' || name === '') throw new TypeError('collection: the name must be a text');
    return new Collection(this.#operate, this.name, name, concernsOf(options, this.#concerns));
  }
  aggregate(pipeline, options) {
    var db = this.name, operate = this.#operate, inherited = this.#concerns;
    return new AggregateCursor(function (action, a) { return operate('dbAggregate', reaching(Object.assign({ database: db }, a), inherited, action)); }, withOptions({ pipeline: pipeline }, options));
  }
  getCollectionNames() { return this.#operate('getCollectionNames', { database: this.name }); }
  listCollections() {
    var db = this.name, operate = this.#operate;
    return new Cursor(async function () { return (await operate('getCollectionNames', { database: db })).map(function (n) { return { name: n, type: 'collection' }; }); }, {});
  }
  collections() { var db = this; return this.getCollectionNames().then(function (names) { return names.map(function (n) { return db.collection(n); }); }); }
  createCollection(name, options) { return this.#operate('createCollection', present({ database: this.name, collection: name, options: options })); }
  dropCollection(name) { return this.#operate('dropCollection', { database: this.name, collection: name }); }
  toJSON() { return {}; }
}

class Client {
  #operate;
  constructor(operate, name) { this.#operate = operate; this.name = name; }
  db(name, options) {
    if (typeof name !== 'string' || name === '') throw new TypeError('db: the name must be a text');
    return new Database(this.#operate, name, concernsOf(options));
  }
  startSession(options) { return new Session(this.#operate, options); }
  admin() {
    var operate = this.#operate;
    return { getDBNames: function () { return operate('getDBNames', {}); }, listDatabases: async function () { return { databases: (await operate('getDBNames', {})).map(function (n) { return { name: n }; }) }; } };
  }
  toJSON() { return {}; }
}

return { service: function (name, kind, operate) { return new Client(operate, name); } };
