// Change streams: of a collection, a database and everything; resumed by hand and by the driver itself.
const assert = require('assert');
const { MongoClient } = require('mongodb');
const cuttable = require('../wire');

module.exports = async ({ client, db, uri }) => {
  const c = db.collection('items');
  await db.createCollection('items', { changeStreamPreAndPostImages: { enabled: true } });
  const stream = c.watch([], { fullDocument: 'updateLookup' });
  const events = [];
  const three = new Promise((res, rej) => { stream.on('change', e => { events.push(e); if (events.length === 3) res(); }); stream.on('error', rej); });
  await new Promise(r => setTimeout(r, 100));
  await c.insertOne({ _id: 5000 });
  await c.updateOne({ _id: 5000 }, { $set: { v: 1 } });
  await c.deleteOne({ _id: 5000 });
  await three;
  assert.deepStrictEqual(events.map(e => e.operationType), ['insert', 'update', 'delete']);
  assert.deepStrictEqual(events[1].updateDescription.updatedFields, { v: 1 });
  const token = events[0]._id;
  await stream.close();
  for (const how of ['resumeAfter', 'startAfter']) {
    const again = c.watch([], { [how]: token, fullDocumentBeforeChange: 'required', fullDocument: 'whenAvailable' });
    const e = await again.next();
    assert.deepStrictEqual([e.operationType, e.fullDocument, e.fullDocumentBeforeChange], ['update', { _id: 5000, v: 1 }, { _id: 5000 }]);
    await again.close();
  }
  const since = db.watch([{ $match: { operationType: 'delete' } }, { $project: { documentKey: 1 } }], { startAtOperationTime: events[0].clusterTime });
  assert.deepStrictEqual((await since.next()).documentKey, { _id: 5000 });
  await since.close();

  // a transaction's events come together, with its session
  const all = client.watch([{ $match: { 'ns.db': db.databaseName } }]);
  await all.tryNext();
  await client.withSession(s => s.withTransaction(async () => {
    await c.insertOne({ _id: 1 }, { session: s });
    await db.collection('other').insertOne({ _id: 2 }, { session: s });
  }));
  const one = await all.next(), two = await all.next();
  assert.deepStrictEqual([one.ns.coll, two.ns.coll], ['items', 'other']);
  assert.ok(one.lsid && one.clusterTime.equals(two.clusterTime) && String(one.txnNumber) === String(two.txnNumber));
  await all.close();

  // The connection breaks again and again: the driver resumes, and no event is lost or told twice.
  const wire = await cuttable(uri);
  const far = await new MongoClient(wire.uri).connect();
  const watched = far.db(db.databaseName).collection('items').watch([], { maxAwaitTimeMS: 50 });
  await watched.tryNext();
  const seen = [];
  for (let i = 0; i < 60; i++) {
    await c.insertOne({ _id: 100 + i });
    if (i % 20 === 10) wire.cutAll();
    if (i % 3 === 2) for (let n = 0; n < 3; n++) seen.push((await watched.next()).documentKey._id);
  }
  assert.deepStrictEqual(seen, Array.from({ length: 60 }, (_, i) => 100 + i));
  assert.strictEqual(wire.cuts, 3);
  await watched.close();
  await far.close();
  wire.close();

  // the end of a collection is the end of its stream, and startAfter goes beyond it
  const last = c.watch();
  await last.tryNext();
  await c.drop();
  assert.strictEqual((await last.next()).operationType, 'drop');
  const invalid = await last.next();
  assert.strictEqual(invalid.operationType, 'invalidate');
  await c.insertOne({ _id: 'new' });
  await assert.rejects(async () => { const s = c.watch([], { resumeAfter: invalid._id }); try { await s.next(); } finally { await s.close(); } }, e => e.code === 260);
  const beyond = c.watch([], { startAfter: invalid._id });
  assert.strictEqual((await beyond.next()).documentKey._id, 'new');
  await beyond.close();
  await assert.rejects(async () => { const s = c.watch([], { resumeAfter: { _data: 'zz' } }); try { await s.next(); } finally { await s.close(); } }, e => e.code === 50811 || e.code === 9 || e.code === 260);
};
