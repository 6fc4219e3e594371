// Failures on purpose: what the driver does by code and label. Only where the server has fail points.
const assert = require('assert');
const { MongoClient } = require('mongodb');

module.exports = async ({ client, db, uri }) => {
  const admin = client.db('admin'), c = db.collection('items');
  try {
    await admin.command({ configureFailPoint: 'failCommand', mode: 'off' });
  } catch (e) {
    assert.strictEqual(e.code, 59);
    return;
  }
  const events = [];
  const own = await new MongoClient(uri, { monitorCommands: true, appName: 'failing', heartbeatFrequencyMS: 500 }).connect();
  own.on('commandStarted', e => { if (!['hello', 'isMaster', 'endSessions'].includes(e.commandName)) events.push(e.commandName); });
  const d = own.db(db.databaseName).collection('items');
  const fail = data => admin.command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data: { appName: 'failing', ...data } });
  const sent = async (name, f) => { const n = events.length; const r = await f(); return [events.slice(n).filter(e => e === name).length, r]; };

  await d.insertOne({ _id: 0, n: 0 });
  for (const code of [6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]) {
    await fail({ failCommands: ['update'], errorCode: code });
    const [n, r] = await sent('update', () => d.updateOne({ _id: 0 }, { $inc: { n: 1 } }));
    assert.deepStrictEqual([n, r.modifiedCount], [2, 1], 'a write fails with ' + code);
    if (code === 262) continue; // no reason to read again
    await fail({ failCommands: ['find'], errorCode: code });
    const [m, doc] = await sent('find', () => d.findOne({ _id: 0 }));
    assert.ok(m === 2 && doc.n > 0, 'a read fails with ' + code);
  }
  assert.strictEqual((await c.findOne({ _id: 0 })).n, 12);

  // what is not to be tried again is not
  await fail({ failCommands: ['update'], errorCode: 11601 });
  await assert.rejects(d.updateOne({ _id: 0 }, { $inc: { n: 1 } }), e => e.code === 11601);
  await fail({ failCommands: ['update'], errorCode: 91, errorLabels: [] });
  await assert.rejects(d.updateOne({ _id: 0 }, { $inc: { n: 1 } }), e => e.code === 91);
  await fail({ failCommands: ['update'], errorCode: 91 });
  await assert.rejects(d.updateMany({ _id: 0 }, { $inc: { n: 1 } }), e => e.code === 91);
  assert.strictEqual((await c.findOne({ _id: 0 })).n, 12);

  // the connection ends in the middle of each
  for (const name of ['insert', 'delete', 'findAndModify', 'find', 'aggregate', 'distinct', 'count', 'bulkWrite', 'listIndexes']) {
    await fail({ failCommands: [name], closeConnection: true });
    const run = { insert: () => d.insertOne({ _id: 'i' }), delete: () => d.deleteOne({ _id: 'i' }), findAndModify: () => d.findOneAndUpdate({ _id: 0 }, { $set: { f: 1 } }), find: () => d.find().toArray(), aggregate: () => d.aggregate([]).toArray(),
      distinct: () => d.distinct('n'), count: () => d.estimatedDocumentCount(), bulkWrite: () => own.bulkWrite([{ namespace: d.namespace, name: 'insertOne', document: { _id: 'b' } }]), listIndexes: () => d.indexes() }[name];
    assert.strictEqual((await sent(name, run))[0], 2, name);
  }

  // transactions: a transient failure runs the callback again, a commit that fails is sent again
  let runs = 0;
  await fail({ failCommands: ['insert'], errorCode: 91 });
  await own.withSession(s => s.withTransaction(async () => { runs++; await d.insertOne({ _id: 'txn' }, { session: s }); }));
  assert.strictEqual(runs, 2);
  await fail({ failCommands: ['commitTransaction'], errorCode: 91 });
  const [commits] = await sent('commitTransaction', () => own.withSession(s => s.withTransaction(() => d.insertOne({ _id: 'txn2' }, { session: s }))));
  assert.strictEqual(commits, 2);
  await fail({ failCommands: ['commitTransaction'], writeConcernError: { code: 64, errmsg: 'timed out' } });
  const [again] = await sent('commitTransaction', () => own.withSession(s => s.withTransaction(() => d.insertOne({ _id: 'txn3' }, { session: s }))));
  assert.strictEqual(again, 2);
  assert.strictEqual(await c.countDocuments({ _id: /^txn/ }), 3);
  await fail({ failCommands: ['abortTransaction'], errorCode: 91 });
  await assert.rejects(own.withSession(s => s.withTransaction(async () => { await d.insertOne({ _id: 'never' }, { session: s }); throw new Error('no'); })), /no/);
  assert.strictEqual(await c.countDocuments({ _id: 'never' }), 0);

  // a change stream goes on where it was
  const stream = d.watch([], { maxAwaitTimeMS: 50 });
  await stream.tryNext();
  for (const [i, data] of [{ errorCode: 91 }, { errorCode: 43 }, { closeConnection: true }, { errorCode: 10107 }].entries()) {
    await fail({ failCommands: ['getMore'], ...data });
    await c.insertOne({ _id: 'stream' + i });
    assert.strictEqual((await stream.next()).documentKey._id, 'stream' + i);
  }
  await fail({ failCommands: ['getMore'], errorCode: 280, errorLabels: ['NonResumableChangeStreamError'] });
  await assert.rejects(async () => { for (;;) await stream.next(); }, e => e.code === 280);
  await stream.close();

  // a concern that is not met is told beside what was done, and time runs out
  await fail({ failCommands: ['insert'], writeConcernError: { code: 100, errmsg: 'no' } });
  await assert.rejects(d.insertOne({ _id: 'done' }), e => e.code === 100);
  assert.strictEqual(await c.countDocuments({ _id: 'done' }), 1);
  await fail({ failCommands: ['find'], blockConnection: true, blockTimeMS: 2000 });
  const hasty = await new MongoClient(uri, { appName: 'failing', socketTimeoutMS: 300, retryReads: false }).connect();
  await assert.rejects(hasty.db(db.databaseName).collection('items').findOne(), e => e.name === 'MongoNetworkTimeoutError');
  await hasty.close();
  await admin.command({ configureFailPoint: 'failCommand', mode: 'off' });
  await own.close();
};
