// Transactions and retryable writes, over a wire that is cut while an answer is on its way.
const assert = require('assert');
const { MongoClient } = require('mongodb');
const cuttable = require('../wire');

module.exports = async ({ client, db, uri }) => {
  const c = db.collection('items'), other = db.collection('other');
  await c.insertMany([{ _id: 1, n: 0 }, { _id: 2, n: 0 }]);
  const session = client.startSession();
  await session.withTransaction(async () => {
    await c.updateOne({ _id: 1 }, { $set: { t: 1 } }, { session });
    await other.insertOne({ _id: 1 }, { session });
    assert.strictEqual(await other.countDocuments({}, { session }), 1);
    assert.strictEqual(await other.countDocuments({}), 0); // nobody else sees it yet
  }, { readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
  assert.strictEqual((await c.findOne({ _id: 1 })).t, 1);
  await assert.rejects(session.withTransaction(async () => {
    await c.deleteMany({}, { session });
    throw new Error('no');
  }), /no/);
  assert.strictEqual(await c.countDocuments(), 2);

  // the first writer wins, the other is told at once with the label that restarts it
  const rival = client.startSession();
  session.startTransaction();
  rival.startTransaction();
  await c.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session });
  await assert.rejects(c.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: rival }), e => e.code === 112 && e.hasErrorLabel('TransientTransactionError'));
  await session.commitTransaction();
  await session.commitTransaction(); // twice is no error
  await assert.rejects(rival.commitTransaction(), e => e.code === 251);
  const many = await Promise.all(Array.from({ length: 8 }, () => client.withSession(s => s.withTransaction(async () => {
    const d = await c.findOne({ _id: 2 }, { session: s });
    await c.updateOne({ _id: 2 }, { $set: { n: d.n + 1 } }, { session: s });
    return 'done';
  }))));
  assert.deepStrictEqual([...new Set(many)], ['done']);
  assert.strictEqual((await c.findOne({ _id: 2 })).n, 8);
  await assert.rejects(session.withTransaction(() => c.aggregate([{ $out: 'x' }], { session }).toArray()), e => e.code === 263);
  await session.endSession();
  await rival.endSession();

  // causally consistent reads
  await client.withSession({ causalConsistency: true }, async s => {
    await c.insertOne({ _id: 3 }, { session: s });
    assert.ok(await c.findOne({ _id: 3 }, { session: s }));
    assert.ok(s.operationTime && s.clusterTime);
  });
  await client.withSession({ snapshot: true }, async s => {
    assert.strictEqual(await c.countDocuments({}, { session: s }), 3);
    await c.insertOne({ _id: 4 });
    assert.strictEqual(await c.countDocuments({}, { session: s }), 3);
  });

  // The answer is lost: the driver sends the write again, and it is not done twice.
  const wire = await cuttable(uri);
  const far = await new MongoClient(wire.uri, { maxPoolSize: 1 }).connect();
  const d = far.db(db.databaseName).collection('items');
  await d.findOne();
  const retry = async (name, f) => {
    const cuts = wire.cuts;
    wire.cutAnswerTo(name);
    const r = await f();
    assert.strictEqual(wire.cuts, cuts + 1, name + ' was not cut');
    return r;
  };
  assert.strictEqual((await retry('update', () => d.updateOne({ _id: 1 }, { $inc: { r: 1 } }))).modifiedCount, 1);
  assert.strictEqual((await c.findOne({ _id: 1 })).r, 1);
  assert.strictEqual((await retry('findAndModify', () => d.findOneAndUpdate({ _id: 1 }, { $inc: { r: 1 } }, { returnDocument: 'after' }))).r, 2);
  assert.strictEqual((await retry('insert', () => d.insertMany([{ _id: 90 }, { _id: 91 }]))).insertedCount, 2);
  assert.strictEqual((await retry('delete', () => d.deleteOne({ _id: { $gte: 90 } }))).deletedCount, 1);
  assert.strictEqual(await c.countDocuments({ _id: { $gte: 90 } }), 1);
  assert.strictEqual((await retry('find', () => d.find({ _id: 1 }).toArray())).length, 1);
  await retry('commitTransaction', () => far.withSession(s => s.withTransaction(() => d.updateOne({ _id: 1 }, { $inc: { r: 1 } }, { session: s }))));
  assert.strictEqual((await c.findOne({ _id: 1 })).r, 3);
  await far.close();
  const plain = await new MongoClient(wire.uri, { retryWrites: false, maxPoolSize: 1 }).connect();
  await plain.db(db.databaseName).collection('items').findOne();
  wire.cutAnswerTo('update');
  await assert.rejects(plain.db(db.databaseName).collection('items').updateOne({ _id: 1 }, { $inc: { r: 1 } }), /closed|ECONNRESET/);
  await plain.close();
  wire.close();
};
