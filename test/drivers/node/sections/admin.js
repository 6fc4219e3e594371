// What administers: collections, views, validators, figures, users' rights.
const assert = require('assert');

module.exports = async ({ client, db }) => {
  const c = db.collection('items'), admin = client.db('admin');
  await c.insertMany(Array.from({ length: 500 }, (_, i) => ({ _id: i, k: i % 5, pad: 'x'.repeat(100) })));
  await c.createIndex({ k: 1 });
  await db.createCollection('view', { viewOn: 'items', pipeline: [{ $match: { k: 1 } }] });
  assert.strictEqual(await db.collection('view').countDocuments(), 100);
  await assert.rejects(db.collection('view').insertOne({}), e => e.code === 166);

  const stats = await db.command({ collStats: 'items' });
  assert.deepStrictEqual([stats.ns, stats.count, stats.nindexes, Object.keys(stats.indexSizes), stats.capped, stats.scaleFactor], [db.databaseName + '.items', 500, 2, ['_id_', 'k_1'], false, 1]);
  assert.ok(stats.size > 500 * 100 && stats.size < 500 * 200 && Math.floor(stats.size / 500) === stats.avgObjSize && stats.totalSize === stats.storageSize + stats.totalIndexSize);
  const kilo = await db.command({ collStats: 'items', scale: 1024 });
  assert.deepStrictEqual([kilo.size, kilo.scaleFactor], [Math.floor(stats.size / 1024), 1024]);
  const [piped] = await c.aggregate([{ $collStats: { storageStats: {}, count: {} } }]).toArray();
  assert.deepStrictEqual([piped.count, piped.storageStats.count, piped.storageStats.size], [500, 500, stats.size]);
  const whole = await db.stats();
  assert.deepStrictEqual([whole.db, whole.collections, whole.views, whole.objects, whole.indexes], [db.databaseName, 1, 1, 500, 2]);
  assert.ok(whole.dataSize >= stats.size && whole.fsTotalSize > whole.fsUsedSize && whole.fsUsedSize > 0);
  assert.strictEqual((await db.command({ validate: 'items' })).valid, true);
  assert.strictEqual((await db.command({ dataSize: db.databaseName + '.items' })).numObjects, 500);

  assert.deepStrictEqual((await db.listCollections({}, { nameOnly: true }).toArray()).map(x => [x.name, x.type]).sort(), [['items', 'collection'], ['system.views', 'collection'], ['view', 'view']]);
  assert.ok((await admin.admin().listDatabases()).databases.some(d => d.name === db.databaseName && d.sizeOnDisk >= 0 && !d.empty));
  await assert.rejects(db.command({ nonsense: 1 }), e => e.code === 59);
  await assert.rejects(db.command({ find: 'items', nonsense: 1 }), e => e.code === 40415);

  await db.createCollection('capped', { capped: true, size: 4096, max: 3 });
  await db.collection('capped').insertMany([1, 2, 3, 4, 5].map(i => ({ _id: i })));
  assert.deepStrictEqual((await db.collection('capped').find().toArray()).map(d => d._id), [3, 4, 5]);
  const tail = db.collection('capped').find({ _id: { $gt: 4 } }, { tailable: true, awaitData: true, maxAwaitTimeMS: 2000 });
  assert.strictEqual((await tail.next())._id, 5);
  const next = tail.next();
  await db.collection('capped').insertOne({ _id: 6 });
  assert.strictEqual((await next)._id, 6);
  await tail.close();

  await db.createCollection('strict', { validator: { $jsonSchema: { required: ['a'], properties: { a: { bsonType: 'int' } } } } });
  await assert.rejects(db.collection('strict').insertOne({ a: 'x' }), e => e.code === 121 && e.errInfo.details.schemaRulesNotSatisfied.length === 1);
  await db.command({ collMod: 'strict', validationAction: 'warn' });
  await db.collection('strict').insertOne({ a: 'x' });
  await assert.rejects(db.createCollection('strict'), e => e.code === 48 || e.code === undefined);
  await db.collection('strict').rename('loose');
  await assert.rejects(db.collection('loose').rename('items'), e => e.code === 48);
  await db.collection('loose').rename('items', { dropTarget: true });
  assert.strictEqual(await c.countDocuments(), 1);

  const status = await admin.command({ serverStatus: 1 });
  assert.ok(status.connections.current > 0 && status.opcounters.insert > 0 && status.network.bytesIn > 0 && status.mem.resident > 0);
  assert.strictEqual((await admin.command({ replSetGetStatus: 1 })).myState, 1);
  assert.ok((await admin.command({ top: 1 })).totals[db.databaseName + '.items'].total.count > 0);
  const slow = c.find({ $expr: { $eq: [{ $size: { $range: [0, 5_000_000] } }, 1] } }, { comment: 'slow one' }).toArray().then(() => null, e => e);
  let op;
  for (let i = 0; i < 200 && !op; i++) op = (await admin.command({ currentOp: 1 })).inprog.find(o => o.command && o.command.comment === 'slow one');
  if (op) {
    await admin.command({ killOp: 1, op: op.opid });
    const e = await slow;
    assert.ok(e === null || e.code === 11601, e);
  }
};
