// Reading and writing documents, in bulk too.
const assert = require('assert');
const { Binary, Decimal128, Long, ObjectId, Timestamp, UUID, BSONRegExp } = require('mongodb');

module.exports = async ({ client, db }) => {
  assert.strictEqual((await db.command({ ping: 1 })).ok, 1);
  const c = db.collection('items');
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
  assert.strictEqual((await c.findOneAndReplace({ _id: 2 }, { a: 2 }, { returnDocument: 'before' })).z, 1);
  assert.strictEqual(await c.findOneAndDelete({ _id: 77 }), null);
  const rep = await c.replaceOne({ _id: 9 }, { n: 1 }, { upsert: true });
  assert.strictEqual(rep.upsertedId, 9);
  assert.strictEqual((await c.deleteOne({ _id: 9 })).deletedCount, 1);
  assert.deepStrictEqual(await c.distinct('a'), [6, 2, 3]);

  // what goes in comes out, of every type
  const all = {
    _id: new ObjectId(), double: 1.5, int: 7, long: Long.fromString('9007199254740993'), decimal: Decimal128.fromString('1.10'), text: 'añ€😀',
    date: new Date(1700000000123), yes: true, nothing: null, list: [1, [2, { b: 3 }]], sub: { z: 1, a: 2 }, bin: new Binary(Buffer.from([0, 255]), 128),
    uuid: new UUID('00112233-4455-6677-8899-aabbccddeeff'), re: new BSONRegExp('^a.b$', 'im'), ts: new Timestamp({ t: 5, i: 6 }),
  };
  await c.insertOne(all);
  const back = await c.findOne({ _id: all._id }, { promoteValues: false, promoteLongs: false, bsonRegExp: true });
  assert.deepStrictEqual(Object.keys(back), Object.keys(all));
  for (const [k, v] of Object.entries(all)) assert.strictEqual(JSON.stringify(back[k]), JSON.stringify(v), k);
  await c.deleteOne({ _id: all._id });

  // in bulk: ordered stops at the first error, unordered goes on; over several collections at once
  const bulk = await c.bulkWrite([{ insertOne: { document: { _id: 20 } } }, { updateOne: { filter: { _id: 20 }, update: { $set: { q: 1 } } } }, { deleteOne: { filter: { _id: 20 } } }]);
  assert.deepStrictEqual([bulk.insertedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 1]);
  const twice = [{ _id: 30 }, { _id: 30 }, { _id: 31 }];
  await assert.rejects(c.insertMany(twice, { ordered: true }), e => e.code === 11000 && e.result.insertedCount === 1 && e.writeErrors[0].index === 1);
  await c.deleteMany({ _id: { $gte: 30 } });
  await assert.rejects(c.insertMany(twice, { ordered: false }), e => e.code === 11000 && e.result.insertedCount === 2);
  await c.deleteMany({ _id: { $gte: 30 } });
  const both = await client.bulkWrite([
    { namespace: db.databaseName + '.items', name: 'insertOne', document: { _id: 40 } },
    { namespace: db.databaseName + '.more', name: 'updateOne', filter: { _id: 1 }, update: { $set: { x: 1 } }, upsert: true },
    { namespace: db.databaseName + '.items', name: 'deleteMany', filter: { _id: 40 } },
  ], { verboseResults: true });
  assert.deepStrictEqual([both.insertedCount, both.upsertedCount, both.deletedCount], [1, 1, 1]);
  assert.strictEqual(both.updateResults.get(1).upsertedId, 1);

  // unacknowledged, and with every concern that a driver sends
  await c.insertOne({ _id: 50 }, { writeConcern: { w: 0 } });
  for (let i = 0; i < 100 && !(await c.findOne({ _id: 50 })); i++) await new Promise(r => setTimeout(r, 20));
  assert.ok(await c.findOne({ _id: 50 }, { readConcern: { level: 'majority' }, readPreference: 'secondaryPreferred', maxTimeMS: 5000, comment: 'x' }));
  await assert.rejects(c.insertOne({ _id: 51 }, { writeConcern: { w: 3, wtimeout: 10 } }), e => e.result.writeConcernError ? true : e.code === 100);

  // cursors
  await c.insertMany(Array.from({ length: 1000 }, (_, i) => ({ _id: 100 + i, k: i % 10 })));
  let n = 0;
  for await (const d of c.find({ _id: { $gte: 100 } }).sort({ _id: -1 }).batchSize(17)) { assert.strictEqual(d._id, 1099 - n); n++; }
  assert.strictEqual(n, 1000);
  assert.strictEqual((await c.find({ k: 3 }).skip(5).limit(7).project({ k: 1 }).toArray()).length, 7);
  const left = c.find({}).batchSize(2);
  await left.next();
  const id = left.id;
  await left.close();
  await assert.rejects(db.command({ getMore: id, collection: 'items' }), e => e.code === 43);
  await assert.rejects(c.find({ k: 0, $expr: { $gt: [{ $reduce: { input: { $range: ['$_id', 100000] }, initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, -1] } }, { maxTimeMS: 5 }).toArray(), e => e.code === 50);
};
