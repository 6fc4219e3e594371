// Indexes of each kind, and a tour of what explain says of them.
const assert = require('assert');

// stages are the names of a plan's stages, from the outside in.
const stages = p => p ? [p.stage, ...stages(p.inputStage), ...(p.inputStages || []).flatMap(stages)] : [];
const scan = p => p.stage === 'IXSCAN' ? p : p.inputStage && scan(p.inputStage);

module.exports = async ({ db }) => {
  const c = db.collection('items');
  await c.insertMany(Array.from({ length: 1000 }, (_, i) => ({
    _id: i, k: i % 10, name: (i % 2 ? 'Anna' : 'anna') + i, l: [i, i + 1], words: i % 7 ? 'red cat' : 'blue dog', at: { type: 'Point', coordinates: [i % 90, i % 45] }, any: { x: i % 5 }, ...(i % 2 ? { u: i } : {}),
  })));
  await c.createIndex({ k: 1, _id: -1 });
  await c.createIndex({ u: 1 }, { unique: true, sparse: true });
  await c.createIndex({ name: 1 }, { name: 'name_ci', collation: { locale: 'en', strength: 2 } });
  await c.createIndex({ l: 1 });
  await c.createIndexes([
    { key: { words: 'text' }, name: 'words' }, { key: { at: '2dsphere' } }, { key: { 'any.$**': 1 } }, { key: { h: 'hashed' } },
    { key: { seen: 1 }, expireAfterSeconds: 3600 }, { key: { k: -1 }, name: 'high', partialFilterExpression: { k: { $gt: 7 } } },
  ]);
  const list = await c.indexes();
  assert.deepStrictEqual(list.map(i => i.name), ['_id_', 'k_1__id_-1', 'u_1', 'name_ci', 'l_1', 'words', 'at_2dsphere', 'any.$**_1', 'h_hashed', 'seen_1', 'high']);
  assert.strictEqual(list.find(i => i.name === 'seen_1').expireAfterSeconds, 3600);
  assert.strictEqual(list.find(i => i.name === 'name_ci').collation.strength, 2);

  const tour = async (cursor, want, keys, docs) => {
    const plan = await cursor.explain('executionStats');
    assert.deepStrictEqual(stages(plan.queryPlanner.winningPlan), want);
    assert.strictEqual(plan.executionStats.nReturned, (await cursor.clone().toArray()).length);
    if (keys !== undefined) assert.strictEqual(plan.executionStats.totalKeysExamined, keys);
    if (docs !== undefined) assert.strictEqual(plan.executionStats.totalDocsExamined, docs);
    return scan(plan.queryPlanner.winningPlan);
  };
  const byK = await tour(c.find({ k: 3 }).sort({ _id: -1 }), ['FETCH', 'IXSCAN'], 100, 100);
  assert.deepStrictEqual([byK.indexName, byK.keyPattern, byK.isMultiKey, byK.direction], ['k_1__id_-1', { k: 1, _id: -1 }, false, 'forward']);
  assert.deepStrictEqual(byK.indexBounds.k, ['[3, 3]']);
  assert.strictEqual((await tour(c.find({ k: 3 }).sort({ _id: 1 }), ['FETCH', 'IXSCAN'])).direction, 'backward');
  assert.strictEqual((await tour(c.find({ l: { $in: [5, 7] } }), ['FETCH', 'IXSCAN'])).isMultiKey, true);
  assert.strictEqual((await tour(c.find({ name: 'ANNA3' }).collation({ locale: 'en', strength: 2 }), ['FETCH', 'IXSCAN'])).indexName, 'name_ci');
  await tour(c.find({ name: 'anna3' }), ['COLLSCAN'], 0, 1000);
  await tour(c.find({ k: 3 }).sort({ name: 1 }), ['SORT', 'FETCH', 'IXSCAN']);
  await tour(c.find({ k: 3 }).hint({ $natural: 1 }), ['COLLSCAN'], 0, 1000);
  await assert.rejects(c.find({ k: 3 }).hint('nothing').toArray(), e => e.code === 2);
  assert.strictEqual((await c.find({ name: 'ANNA3' }).collation({ locale: 'en', strength: 2 }).toArray())[0]._id, 3);
  assert.strictEqual((await c.find({ $text: { $search: 'dogs' } }).project({ score: { $meta: 'textScore' } }).sort({ score: { $meta: 'textScore' } }).toArray()).length, 143);
  assert.strictEqual((await c.find({ at: { $near: { $geometry: { type: 'Point', coordinates: [0, 0] }, $maxDistance: 1000 } } }).toArray()).length, 12);
  const count = await db.command({ explain: { count: 'items', query: { k: 3 } }, verbosity: 'executionStats' });
  assert.ok(stages(count.queryPlanner.winningPlan).includes('COUNT_SCAN') || scan(count.queryPlanner.winningPlan));
  const agg = await c.aggregate([{ $match: { k: 3 } }, { $group: { _id: '$any.x', n: { $sum: 1 } } }]).explain('executionStats');
  assert.ok(JSON.stringify(agg).includes('k_1__id_-1'));
  for (const cmd of [{ update: 'items', updates: [{ q: { k: 3 }, u: { $set: { z: 1 } }, multi: true }] }, { delete: 'items', deletes: [{ q: { k: 3 }, limit: 0 }] }, { findAndModify: 'items', query: { k: 3 }, remove: true }, { distinct: 'items', key: 'k', query: { k: 3 } }]) {
    const e = await db.command({ explain: cmd, verbosity: 'executionStats' });
    assert.strictEqual(scan(e.queryPlanner.winningPlan).indexName, 'k_1__id_-1', JSON.stringify(cmd));
  }
  assert.strictEqual(await c.countDocuments({ z: 1 }), 0); // an explained update changes nothing
  assert.strictEqual(await c.countDocuments({ k: 3 }), 100);

  // use is counted; hidden ones are not used; a unique one holds
  const uses = async () => (await c.aggregate([{ $indexStats: {} }]).toArray()).find(i => i.name === 'l_1').accesses.ops;
  const before = await uses();
  await c.findOne({ l: 5 });
  assert.strictEqual(Number(await uses()), Number(before) + 1);
  await db.command({ collMod: 'items', index: { name: 'l_1', hidden: true } });
  await tour(c.find({ l: 5 }), ['COLLSCAN']);
  await assert.rejects(c.insertOne({ u: 1 }), e => e.code === 11000 && e.keyPattern.u === 1 && e.keyValue.u === 1);
  await c.dropIndex('u_1');
  await assert.rejects(c.dropIndex('u_1'), e => e.code === 27);
  await assert.rejects(c.createIndex({ k: 1 }, { unique: true }), e => e.code === 11000);
};
