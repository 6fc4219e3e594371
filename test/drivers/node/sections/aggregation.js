// Pipelines: groups, joins, windows, results that go into collections.
const assert = require('assert');

module.exports = async ({ db }) => {
  const c = db.collection('items');
  await c.insertMany(Array.from({ length: 100 }, (_, i) => ({ _id: i, k: i % 10, v: i })));
  const groups = await c.aggregate([{ $group: { _id: '$k', n: { $sum: 1 }, most: { $max: '$v' } } }, { $sort: { _id: 1 } }]).toArray();
  assert.deepStrictEqual(groups[0], { _id: 0, n: 10, most: 90 });
  await db.collection('other').insertMany([{ _id: 0, name: 'zero', boss: 1 }, { _id: 1, name: 'one', boss: 2 }, { _id: 2, name: 'two' }]);
  const joined = await c.aggregate([{ $match: { _id: 10 } }, { $lookup: { from: 'other', localField: 'k', foreignField: '_id', as: 'o' } }]).toArray();
  assert.strictEqual(joined[0].o[0].name, 'zero');
  const up = await db.collection('other').aggregate([{ $match: { _id: 0 } }, { $graphLookup: { from: 'other', startWith: '$boss', connectFromField: 'boss', connectToField: '_id', as: 'up' } }]).next();
  assert.deepStrictEqual(up.up.map(x => x._id).sort(), [1, 2]);
  const windows = await c.aggregate([{ $match: { k: 1 } }, { $setWindowFields: { sortBy: { v: 1 }, output: { sum: { $sum: '$v', window: { documents: ['unbounded', 'current'] } } } } }, { $limit: 2 }]).toArray();
  assert.deepStrictEqual(windows.map(w => w.sum), [1, 12]);
  const [facets] = await c.aggregate([{ $facet: { n: [{ $count: 'n' }], top: [{ $sort: { v: -1 } }, { $limit: 1 }] } }]).toArray();
  assert.deepStrictEqual([facets.n[0].n, facets.top[0]._id], [100, 99]);
  await c.aggregate([{ $match: { k: 2 } }, { $out: 'twos' }]).toArray();
  await c.aggregate([{ $match: { k: 3 } }, { $merge: { into: 'twos', whenMatched: 'fail' } }]).toArray();
  assert.strictEqual(await db.collection('twos').countDocuments(), 20);
  await assert.rejects(c.aggregate([{ $match: { k: 3 } }, { $merge: { into: 'twos', whenMatched: 'fail' } }]).toArray(), e => e.code === 11000);
  await assert.rejects(c.aggregate([{ $search: { text: { query: 'x', path: 'y' } } }]).toArray(), e => /\$search/.test(e.message));
  assert.deepStrictEqual((await db.aggregate([{ $documents: [{ a: 1 }, { a: 2 }] }, { $match: { a: 2 } }]).toArray()), [{ a: 2 }]);
  let n = 0;
  for await (const d of c.aggregate([{ $sort: { v: -1 } }], { batchSize: 7, allowDiskUse: true })) assert.strictEqual(d.v, 99 - n++);
  assert.strictEqual(n, 100);
};
