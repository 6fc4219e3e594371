// A session of the Node driver with docdb over TCP: what a user would do. Prints "ok" at the end.
const assert = require('assert');
const { MongoClient, ObjectId, Long, Decimal128 } = require('mongodb');

(async () => {
  const client = new MongoClient(process.argv[2]);
  await client.connect();
  const db = client.db('node');
  assert.strictEqual((await db.command({ ping: 1 })).ok, 1);
  const c = db.collection('items');

  // CRUD
  await c.insertOne({ _id: 1, a: 1, s: 'x' });
  await c.insertMany([{ _id: 2, a: 2 }, { _id: 3, a: 3, big: Long.fromString('9007199254740993'), d: Decimal128.fromString('1.10') }]);
  assert.strictEqual(await c.countDocuments(), 3);
  assert.strictEqual(await c.estimatedDocumentCount(), 3);
  assert.deepStrictEqual(await c.findOne({ _id: 1 }), { _id: 1, a: 1, s: 'x' });
  await assert.rejects(c.insertOne({ _id: 1 }), e => e.code === 11000 && e.keyValue._id === 1);
  const up = await c.updateOne({ _id: 1 }, { $inc: { a: 5 }, $push: { l: { $each: [3, 1, 2], $sort: 1 } } });
  assert.strictEqual(up.modifiedCount, 1);
  assert.deepStrictEqual((await c.findOne({ _id: 1 })).l, [1, 2, 3]);
  const f = await c.findOneAndUpdate({ _id: 2 }, { $set: { z: 1 } }, { returnDocument: 'after' });
  assert.strictEqual(f.z, 1);
  const rep = await c.replaceOne({ _id: 9 }, { n: 1 }, { upsert: true });
  assert.strictEqual(rep.upsertedId, 9);
  assert.strictEqual((await c.deleteOne({ _id: 9 })).deletedCount, 1);
  const bulk = await c.bulkWrite([{ insertOne: { document: { _id: 20 } } }, { updateOne: { filter: { _id: 20 }, update: { $set: { q: 1 } } } }, { deleteOne: { filter: { _id: 20 } } }]);
  assert.deepStrictEqual([bulk.insertedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 1]);
  assert.deepStrictEqual(await c.distinct('a'), [6, 2, 3]);

  // cursors
  await c.insertMany(Array.from({ length: 1000 }, (_, i) => ({ _id: 100 + i, k: i % 10 })));
  let n = 0;
  for await (const d of c.find({ _id: { $gte: 100 } }).sort({ _id: -1 }).batchSize(17)) { assert.strictEqual(d._id, 1099 - n); n++; }
  assert.strictEqual(n, 1000);
  assert.strictEqual((await c.find({ k: 3 }).skip(5).limit(7).project({ k: 1 }).toArray()).length, 7);

  // indexes
  await c.createIndex({ k: 1, _id: -1 });
  await c.createIndex({ u: 1 }, { unique: true, sparse: true });
  assert.deepStrictEqual((await c.indexes()).map(i => i.name), ['_id_', 'k_1__id_-1', 'u_1']);
  const plan = await c.find({ k: 3 }).sort({ _id: -1 }).explain('executionStats');
  assert.strictEqual(plan.queryPlanner.winningPlan.inputStage.indexName, 'k_1__id_-1');
  assert.strictEqual(plan.executionStats.totalKeysExamined, 100);
  await c.dropIndex('u_1');

  // aggregation
  const groups = await c.aggregate([{ $match: { k: { $exists: true } } }, { $group: { _id: '$k', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray();
  assert.deepStrictEqual(groups[0], { _id: 0, n: 100 });
  await db.collection('other').insertMany([{ _id: 0, name: 'zero' }]);
  const joined = await c.aggregate([{ $match: { _id: 100 } }, { $lookup: { from: 'other', localField: 'k', foreignField: '_id', as: 'o' } }]).toArray();
  assert.strictEqual(joined[0].o[0].name, 'zero');

  // transactions
  const session = client.startSession();
  await session.withTransaction(async () => {
    await c.updateOne({ _id: 1 }, { $set: { t: 1 } }, { session });
    await db.collection('other').insertOne({ _id: 1 }, { session });
  });
  assert.strictEqual((await c.findOne({ _id: 1 })).t, 1);
  await assert.rejects(session.withTransaction(async () => {
    await c.deleteMany({}, { session });
    throw new Error('no');
  }), /no/);
  assert.ok(await c.countDocuments() > 1000);
  await session.endSession();

  // change streams
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
  const again = c.watch([], { resumeAfter: token });
  assert.strictEqual((await again.next()).operationType, 'update');
  await again.close();

  // administration
  assert.ok((await db.listCollections().toArray()).some(x => x.name === 'items'));
  assert.ok((await client.db('admin').admin().listDatabases()).databases.some(d => d.name === 'node'));
  assert.ok((await db.command({ collStats: 'items' })).count > 1000);
  assert.strictEqual((await db.stats()).db, 'node');
  await assert.rejects(db.command({ nonsense: 1 }), e => e.code === 59);
  await db.createCollection('capped', { capped: true, size: 4096, max: 3 });
  await db.collection('capped').insertMany([1, 2, 3, 4, 5].map(i => ({ _id: i })));
  assert.deepStrictEqual((await db.collection('capped').find().toArray()).map(d => d._id), [3, 4, 5]);
  await db.collection('other').rename('renamed');
  await db.dropDatabase();
  await client.close();
  console.log('ok');
})().catch(e => { console.error(e); process.exit(1); });
