// What a person asks mongosh for besides documents: its helpers for databases, collections, plans, operations, users and the replica set.
// Prints "mongosh ok" at the end.
const assert = require('assert');
const same = (a, b) => assert.strictEqual(JSON.stringify(a), JSON.stringify(b)); // arrays come from another realm
function fails(f, text) {
  try { f(); } catch (e) { assert.match(String(e.message), text); return; }
  throw new Error('no failure like ' + text);
}
const text = v => JSON.stringify(v);
db = db.getSiblingDB('helpers');
db.dropDatabase();
db.items.insertMany(Array.from({ length: 50 }, (_, i) => ({ _id: i, k: i % 5, s: i % 2 ? 'a' : 'A' })));
db.items.createIndex({ k: 1 });

// show …
assert.ok(text(show('dbs')).includes('helpers'));
same(show('collections').value.map(c => c.name), ['items']);
assert.ok(show('tables') && show('logs') && show('log', 'global'));
show('users');
show('roles');

// cursors as they are printed: twenty, and more with it
const shown = db.items.find();
assert.strictEqual(shown.size(), 50);
assert.strictEqual(db.items.find().count(), 50);
same(db.items.find({ k: 1 }).limit(2).map(d => d._id).toArray(), [1, 6]);
let n = 0;
db.items.find().forEach(() => { n++; });
assert.strictEqual(n, 50);
assert.strictEqual(db.items.find().sort({ _id: -1 }).hint({ $natural: 1 }).maxTimeMS(5000).comment('x').batchSize(3).next()._id, 49);
assert.strictEqual(db.items.find({ s: 'a' }).collation({ locale: 'en', strength: 2 }).itcount(), 50);
assert.strictEqual(db.items.find().min({ k: 4 }).hint({ k: 1 }).itcount(), 10);
assert.ok(db.items.find().showRecordId().next().$recordId);
same(db.items.find({ k: 3 }).returnKey(true).limit(1).toArray(), [{ k: 3 }]);
assert.strictEqual(db.items.find().readConcern('majority').readPref('secondaryPreferred').sort({ s: 1 }).allowDiskUse().noCursorTimeout().itcount(), 50);
assert.ok(db.items.find().pretty().hasNext());
same(db.items.findOne({ _id: 3 }, { _id: 0, k: 1 }), { k: 3 });

// explain, in each way
for (const v of ['queryPlanner', 'executionStats', 'allPlansExecution']) assert.strictEqual(db.items.find({ k: 1 }).explain(v).queryPlanner.winningPlan.inputStage.indexName, 'k_1');
assert.strictEqual(db.items.explain('executionStats').find({ k: 1 }).finish().executionStats.nReturned, 10);
assert.strictEqual(db.items.explain('executionStats').count({ k: 1 }).executionStats.totalKeysExamined >= 10, true);
assert.ok(db.items.explain().distinct('k').queryPlanner);
assert.strictEqual(db.items.explain('executionStats').remove({ k: 1 }).queryPlanner.winningPlan.stage, 'DELETE');
assert.strictEqual(db.items.explain('executionStats').update({ k: 1 }, { $set: { z: 1 } }).queryPlanner.winningPlan.stage, 'UPDATE');
assert.ok(db.items.explain().findAndModify({ query: { k: 1 }, remove: true }).queryPlanner);
assert.ok(db.items.aggregate([{ $match: { k: 1 } }, { $group: { _id: 1 } }], { explain: true }).stages);
assert.ok(db.items.explain('executionStats').aggregate([{ $match: { k: 1 } }]));
assert.strictEqual(db.items.countDocuments({}), 50);

// collections
same(db.items.getIndexes().map(i => i.name), ['_id_', 'k_1']);
same(db.items.getIndexKeys(), [{ _id: 1 }, { k: 1 }]);
assert.strictEqual(db.items.getIndices().length, 2);
const stats = db.items.stats({ indexDetails: true, scale: 1 });
same([stats.ns, stats.count, stats.nindexes, stats.capped], ['helpers.items', 50, 2, false]);
assert.ok(db.items.totalSize() >= 0 && db.items.totalIndexSize() >= 0 && db.items.storageSize() >= 0 && db.items.dataSize() > 0);
assert.ok(db.items.latencyStats()[0].latencyStats.reads.ops > 0);
assert.strictEqual(db.items.validate({ full: true }).valid, true);
assert.strictEqual(db.items.exists().name, 'items');
assert.strictEqual(db.items.getName() + ' ' + db.items.getFullName() + ' ' + db.items.getDB().getName(), 'items helpers.items helpers');
db.items.createIndexes([{ a: 1 }, { b: -1 }], { sparse: true });
db.items.hideIndex('a_1');
assert.strictEqual(db.items.getIndexes().find(i => i.name === 'a_1').hidden, true);
db.items.unhideIndex({ a: 1 });
db.items.dropIndexes(['a_1', 'b_-1']);
fails(() => db.items.dropIndex('a_1'), /index not found/);
fails(() => db.items.reIndex(), /reIndex|not support|no longer/i);
fails(() => db.items.convertToCapped(4096), /convertToCapped/);
fails(() => db.items.getPlanCache().clear(), /planCacheClear/);
same(db.items.getPlanCache().list(), []);
db.items.renameCollection('things', true);
db.things.renameCollection('items');

// writing by the old names, and in bulk
assert.strictEqual(db.old.insert([{ _id: 1 }, { _id: 2 }]).acknowledged, true);
assert.strictEqual(db.old.update({}, { $set: { a: 1 } }, { multi: true }).modifiedCount, 2);
assert.strictEqual(db.old.remove({ _id: 1 }).deletedCount, 1);
assert.strictEqual(db.old.findAndModify({ query: { _id: 2 }, update: { $inc: { a: 1 } }, new: true }).a, 2);
assert.strictEqual(db.old.findOneAndReplace({ _id: 2 }, { b: 1 }).a, 2);
assert.strictEqual(db.old.findOneAndDelete({ _id: 2 }).b, 1);
const bulk = db.old.initializeUnorderedBulkOp();
bulk.insert({ _id: 5, l: [1, 5] });
bulk.find({ _id: 6 }).upsert().replaceOne({ r: 1 });
bulk.find({ _id: 6 }).upsert().updateOne({ $set: { u: 1 } });
bulk.find({ _id: 6 }).hint('_id_').collation({ locale: 'en' }).deleteOne();
const result = bulk.execute();
same([result.insertedCount, result.upsertedCount, result.modifiedCount, result.deletedCount], [1, 1, 1, 1]);
const ordered = db.old.initializeOrderedBulkOp();
ordered.insert({ _id: 7 });
ordered.insert({ _id: 7 });
ordered.insert({ _id: 8 });
try { ordered.execute(); assert.fail('no duplicate'); } catch (e) { assert.strictEqual(e.writeErrors[0].code || e.code, 11000); }
assert.strictEqual(db.old.countDocuments({ _id: { $gte: 7 } }), 1);
same(db.old.distinct('_id').sort(), [5, 7]);

// databases and the server
const s = db.stats({ scale: 1024, freeStorage: 1 });
same([s.db, Number(s.collections), Number(s.scaleFactor)], ['helpers', 2, 1024]);
same(db.getCollectionNames().sort(), ['items', 'old']);
assert.strictEqual(db.getCollectionInfos({ name: 'items' })[0].info.readOnly, false);
assert.ok(db.getMongo().getDBs().databases.some(d => d.name === 'helpers'));
assert.ok(db.serverStatus().opcounters.insert > 0 && db.serverStatus({ repl: 0 }).repl === undefined);
assert.ok(db.hello().setName && db.isMaster().ismaster && db.serverBuildInfo().engine === 'docdb' && /^8\.0/.test(db.version()));
assert.ok(db.hostInfo().os && db.serverCmdLineOpts().ok && db.currentOp({ ns: 'nothing' }).inprog.length === 0 && db.currentOp(true).inprog.length > 0);
assert.strictEqual(db.killOp(123456).info, 'attempting to kill op');
assert.ok(db.getSiblingDB('admin').aggregate([{ $currentOp: {} }, { $limit: 1 }]).toArray().length === 1);
assert.ok(db.adminCommand('ping').ok && db.runCommand('ping').ok && db.runCommand({ buildInfo: 1 }).ok);
fails(() => db.fsyncLock(), /fsync/);
fails(() => db.setProfilingLevel(1), /profile/);
fails(() => db.adminCommand({ setParameter: 1, logLevel: 1 }), /setParameter/);
assert.ok(text(db.listCommands()).includes('findAndModify'));
assert.ok(db.getMongo().getReadPrefMode && db.getMongo().getURI());
assert.strictEqual(db.adminCommand({ getParameter: 1, featureCompatibilityVersion: 1 }).featureCompatibilityVersion.version, '8.0');

// the replica set
const set = rs.status();
same([set.myState, set.members.length, set.members[0].stateStr], [1, 1, 'PRIMARY']);
assert.strictEqual(rs.conf()._id, set.set);
assert.ok(rs.isMaster().ismaster && rs.hello().isWritablePrimary && rs.config().members);

fails(() => rs.initiate(), /replSetInitiate/);
fails(() => rs.stepDown(), /replSetStepDown|step/i);
fails(() => sh.status(), /mongos|shard|config/i);

// sessions and cursors that live in them
const session = db.getMongo().startSession({ causalConsistency: true });
const sdb = session.getDatabase('helpers');
sdb.items.insertOne({ _id: 'in a session' });
assert.ok(session.getOperationTime() && session.getClusterTime());
const open = sdb.items.find().batchSize(2);
open.next();
session.endSession();
fails(() => { while (open.hasNext()) open.next(); }, /session|cursor|ended|closed/i);

// change streams of a database and of everything
for (const w of [db.watch([], { maxAwaitTimeMS: 100 }), db.getMongo().watch([{ $match: { 'ns.db': 'helpers' } }], { maxAwaitTimeMS: 100, showExpandedEvents: true })]) {
  w.tryNext();
  db.seen.insertOne({});
  let e = null;
  for (let i = 0; i < 30 && (!e || e.operationType !== 'insert'); i++) e = w.tryNext();
  assert.strictEqual(e.ns.coll, 'seen');
  w.close();
}

// views
db.createView('v', 'items', [{ $match: { k: 1 } }], { collation: { locale: 'en', strength: 2 } });
assert.strictEqual(db.v.countDocuments({}), 10);
assert.strictEqual(db.v.findOne({ s: 'A' }).k, 1);
fails(() => db.v.insertOne({}), /view/);

db.dropDatabase();
print('mongosh ok');
