// A session of mongosh with docdb: what a person types. Prints "mongosh ok" at the end.
const assert = require('assert');
const same = (a, b) => assert.strictEqual(JSON.stringify(a), JSON.stringify(b)); // arrays come from another realm
function fails(f, text) {
  try { f(); } catch (e) { assert.match(String(e.message), text); return; }
  throw new Error('no failure like ' + text);
}
db = db.getSiblingDB('shell');
db.dropDatabase();

// CRUD
assert(db.items.insertOne({ _id: 1, name: 'pen', qty: 5, tags: ['a', 'b'] }).acknowledged);
assert.strictEqual(Object.keys(db.items.insertMany([{ _id: 2, name: 'ink', qty: 7 }, { _id: 3, name: 'pad', qty: 0 }]).insertedIds).length, 2);
assert.strictEqual(db.items.find().toArray().length, 3);
assert.strictEqual(db.items.countDocuments({ qty: { $gt: 0 } }), 2);
assert.strictEqual(db.items.estimatedDocumentCount(), 3);
assert.strictEqual(db.items.findOne({ name: 'pen' }).qty, 5);
assert.strictEqual(db.items.updateOne({ _id: 1 }, { $inc: { qty: 1 } }).modifiedCount, 1);
assert.strictEqual(db.items.updateMany({}, { $set: { seen: true } }).modifiedCount, 3);
assert.strictEqual(db.items.replaceOne({ _id: 3 }, { name: 'paper' }).modifiedCount, 1);
assert.strictEqual(db.items.findOneAndUpdate({ _id: 2 }, { $inc: { qty: 1 } }, { returnDocument: 'after' }).qty, 8);
assert.strictEqual(db.items.deleteOne({ _id: 3 }).deletedCount, 1);
same(db.items.distinct('name').sort(), ['ink', 'pen']);
fails(() => db.items.insertOne({ _id: 1 }), /E11000/);
const bulk = db.items.bulkWrite([{ insertOne: { document: { _id: 9 } } }, { updateOne: { filter: { _id: 9 }, update: { $set: { q: 1 } } } }, { deleteOne: { filter: { _id: 9 } } }]);
same([bulk.insertedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 1]);

// cursors
db.many.insertMany(Array.from({ length: 500 }, (_, i) => ({ _id: i, k: i % 5 })));
assert.strictEqual(db.many.find({ k: 2 }).sort({ _id: -1 }).skip(3).limit(4).toArray()[0]._id, 482);
assert.strictEqual(db.many.find().batchSize(7).itcount(), 500);

// indexes and plans
db.many.createIndex({ k: 1, _id: -1 }, { name: 'byK' });
same(db.many.getIndexes().map(i => i.name), ['_id_', 'byK']);
assert.strictEqual(db.many.find({ k: 3 }).explain('executionStats').executionStats.nReturned, 100);
assert.ok(db.many.explain().aggregate([{ $match: { k: 1 } }]));
assert.ok(db.many.aggregate([{ $indexStats: {} }]).toArray().length >= 2);
db.many.hideIndex('byK');
db.many.unhideIndex('byK');
db.many.dropIndex('byK');
assert.strictEqual(db.many.totalIndexSize() >= 0, true);

// aggregation
same(db.many.aggregate([{ $group: { _id: '$k', n: { $sum: 1 } } }, { $sort: { _id: 1 } }, { $limit: 1 }]).toArray(), [{ _id: 0, n: 100 }]);
assert.strictEqual(db.aggregate([{ $documents: [{ a: 1 }] }]).toArray()[0].a, 1);
assert.ok(db.getSiblingDB('admin').aggregate([{ $currentOp: { allUsers: true, idleSessions: true } }]).toArray());

// transactions
const session = db.getMongo().startSession();
session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
const inside = session.getDatabase('shell').items;
inside.insertOne({ _id: 100 });
assert.strictEqual(db.items.countDocuments({ _id: 100 }), 0);
session.commitTransaction();
assert.strictEqual(db.items.countDocuments({ _id: 100 }), 1);
session.startTransaction();
inside.deleteMany({});
session.abortTransaction();
assert.strictEqual(db.items.countDocuments({}), 3);
session.withTransaction(() => { inside.updateOne({ _id: 100 }, { $set: { t: 1 } }); });
session.endSession();

// change streams
const watch = db.items.watch([], { maxAwaitTimeMS: 200 });
watch.tryNext();
db.items.insertOne({ _id: 200 });
let e = watch.tryNext();
for (let i = 0; !e && i < 20; i++) e = watch.tryNext();
assert.strictEqual(e.operationType, 'insert');
watch.close();

// collections, views, validation, capped, time to live
db.createCollection('strict', { validator: { $jsonSchema: { required: ['a'] } } });
fails(() => db.strict.insertOne({ b: 1 }), /validation/);
db.runCommand({ collMod: 'strict', validationLevel: 'off' });
db.strict.insertOne({ b: 1 });
db.createView('view', 'many', [{ $match: { k: 1 } }]);
assert.strictEqual(db.view.countDocuments(), 100);
db.createCollection('log', { capped: true, size: 4096, max: 2 });
assert.strictEqual(db.log.isCapped(), true);
db.strict.createIndex({ at: 1 }, { expireAfterSeconds: 100 });
same(db.getCollectionNames().sort(), ['items', 'log', 'many', 'strict', 'system.views', 'view']);
assert.ok(db.getCollectionInfos({ name: 'view' })[0].options.viewOn === 'many');
db.strict.renameCollection('loose');
assert.strictEqual(db.loose.validate().valid, true);
db.loose.drop();

// administration
assert.strictEqual(db.stats().db, 'shell');
assert.strictEqual(db.items.stats().count, 4);
assert.ok(db.items.dataSize() > 0 && db.items.storageSize() >= 0);
assert.ok(db.adminCommand({ listDatabases: 1 }).databases.some(d => d.name === 'shell'));
assert.ok(db.getMongo().getDBNames().includes('shell'));
assert.strictEqual(db.hello().isWritablePrimary, true);
assert.ok(db.version() && db.serverBuildInfo().versionArray.length === 4);
assert.ok(db.serverStatus().connections.current > 0);
assert.ok(db.hostInfo().system.numCores > 0);
assert.ok(db.currentOp().inprog);
assert.strictEqual(rs.status().myState, 1);
assert.strictEqual(rs.conf().members.length, 1);
assert.ok(rs.hello().setName);
assert.ok(db.adminCommand({ getParameter: 1, featureCompatibilityVersion: 1 }).featureCompatibilityVersion.version);
assert.ok(db.adminCommand({ connectionStatus: 1, showPrivileges: true }).authInfo);
assert.ok(db.adminCommand({ getCmdLineOpts: 1 }).ok);
assert.ok(db.adminCommand({ getLog: 'global' }).log);
assert.ok(db.adminCommand({ top: 1 }).totals);
assert.ok(db.listCommands().find || db.runCommand({ listCommands: 1 }).commands.find);
fails(() => db.adminCommand({ shutdown: 1 }), /shutdown/i);
fails(() => db.runCommand({ nonsense: 1 }), /no such command/);

db.dropDatabase();
print('mongosh ok');
