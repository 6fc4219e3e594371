// Every option of the driver's methods that a server has a say in.
const assert = require('assert');
const { MongoClient, Long, MinKey, ObjectId } = require('mongodb');

module.exports = async ({ client, db, uri }) => {
  const c = db.collection('items');
  await c.insertMany(Array.from({ length: 30 }, (_, i) => ({ _id: i, a: i % 3, s: i % 2 ? 'B' : 'b', l: [{ x: i, y: 1 }, { x: i + 1, y: 2 }] })));
  await c.createIndex({ a: 1, _id: 1 }, { name: 'a' });

  // find
  const all = { sort: { _id: -1 }, projection: { _id: 1 }, skip: 2, limit: 3, batchSize: 2, hint: 'a', comment: 'c', maxTimeMS: 5000, allowDiskUse: true, noCursorTimeout: true, allowPartialResults: true, readConcern: 'local', collation: { locale: 'simple' }, let: { n: 1 } };
  assert.deepStrictEqual(await c.find({ $expr: { $eq: ['$a', '$$n'] } }, all).toArray(), [{ _id: 22 }, { _id: 19 }, { _id: 16 }]);
  assert.deepStrictEqual(await c.find({}, { min: { a: 1, _id: 4 }, max: { a: 1, _id: 10 }, hint: { a: 1, _id: 1 }, projection: { a: 1 } }).toArray(), [{ _id: 4, a: 1 }, { _id: 7, a: 1 }]);
  assert.deepStrictEqual(await c.find({ a: 2 }, { returnKey: true, limit: 1 }).toArray(), [{ a: 2, _id: 2 }]);
  assert.ok((await c.find({}, { showRecordId: true, limit: 1 }).toArray())[0].$recordId);
  assert.deepStrictEqual(await c.find({ s: 'B' }, { collation: { locale: 'en', strength: 1 }, projection: { _id: 0, s: 1 } }).limit(2).toArray(), [{ s: 'b' }, { s: 'B' }]);
  assert.deepStrictEqual(await c.find({ _id: 1 }, { projection: { l: { $slice: [1, 1] } } }).next(), { _id: 1, a: 1, s: 'B', l: [{ x: 2, y: 2 }] });
  assert.deepStrictEqual(await c.find({ _id: 1 }, { projection: { l: { $elemMatch: { y: 2 } } } }).next(), { _id: 1, l: [{ x: 2, y: 2 }] });
  assert.deepStrictEqual(await c.find({ 'l.x': 5 }, { projection: { 'l.$': 1 } }).next(), { _id: 4, l: [{ x: 5, y: 2 }] });
  assert.deepStrictEqual(await c.findOne({}, { sort: { _id: -1 }, projection: { n: { $size: '$l' } } }), { _id: 29, n: 2 });
  assert.strictEqual((await c.find({}, { singleBatch: true, batchSize: 4 }).toArray()).length, 4);
  const cursor = c.find({}, { batchSize: 3 });
  assert.ok(await cursor.hasNext());
  assert.strictEqual((await cursor.next())._id, 0);
  assert.strictEqual(cursor.readBufferedDocuments().length, 2);
  cursor.rewind();
  assert.strictEqual((await cursor.tryNext())._id, 0);
  assert.strictEqual((await cursor.clone().map(d => d._id).toArray()).length, 30);
  await cursor.close();
  let streamed = 0;
  for await (const d of c.find({}, { batchSize: 5 }).stream()) streamed += d._id;
  assert.strictEqual(streamed, 435);
  await assert.rejects(c.find({}, { hint: 'nope' }).toArray(), e => e.code === 2);
  await assert.rejects(c.find({}, { sort: { a: 1 }, skip: -1 }).toArray(), e => e.code === 51024);

  // counting and values
  assert.strictEqual(await c.countDocuments({ a: 1 }, { skip: 2, limit: 5, hint: 'a', maxTimeMS: 5000, comment: 'c' }), 5);
  assert.strictEqual(await c.countDocuments({ s: 'b' }, { collation: { locale: 'en', strength: 2 } }), 30);
  assert.strictEqual(await c.estimatedDocumentCount({ maxTimeMS: 5000, comment: 'c' }), 30);
  assert.deepStrictEqual(await c.distinct('s', { a: 0 }, { collation: { locale: 'en', strength: 2 }, maxTimeMS: 5000, hint: 'a', comment: 'c' }), ['b']);
  assert.deepStrictEqual(await c.distinct('l.y'), [1, 2]);

  // one write with every option
  assert.strictEqual((await c.updateOne({ a: 1 }, { $set: { 'l.$[e].z': 1 } }, { arrayFilters: [{ 'e.y': 2 }], hint: 'a', sort: { _id: -1 }, comment: 'c', maxTimeMS: 5000 })).modifiedCount, 1);
  assert.strictEqual((await c.findOne({ 'l.z': 1 }))._id, 28);
  assert.strictEqual((await c.updateMany({ s: 'B', $expr: { $gt: ['$_id', '$$low'] } }, { $set: { m: 1 } }, { collation: { locale: 'en', strength: 2 }, let: { low: 25 } })).modifiedCount, 4);
  assert.strictEqual((await c.replaceOne({ a: 2 }, { a: 2, r: 1 }, { sort: { _id: 1 }, hint: { a: 1, _id: 1 } })).modifiedCount, 1);
  assert.deepStrictEqual(await c.findOne({ _id: 2 }), { _id: 2, a: 2, r: 1 });
  assert.strictEqual((await c.deleteMany({ s: 'B' }, { collation: { locale: 'en', strength: 2 }, hint: '_id_', let: {}, comment: 'c' })).deletedCount, 29);
  await c.insertMany([{ _id: 1, n: 1 }, { _id: 3, n: 3 }], { ordered: false, bypassDocumentValidation: true, comment: 'c' });
  const old = await c.findOneAndUpdate({ n: { $gt: 0 } }, [{ $set: { n: { $add: ['$n', '$$by'] } } }], { let: { by: 10 }, sort: { n: -1 }, projection: { _id: 0 }, includeResultMetadata: true, hint: '_id_', maxTimeMS: 5000 });
  assert.deepStrictEqual([old.value, old.lastErrorObject.updatedExisting], [{ n: 3 }, true]);
  const fresh = await c.findOneAndReplace({ _id: 'new' }, { k: 1 }, { upsert: true, returnDocument: 'after', includeResultMetadata: true });
  assert.deepStrictEqual([fresh.value, fresh.lastErrorObject.upserted], [{ _id: 'new', k: 1 }, 'new']);
  assert.deepStrictEqual(await c.findOneAndDelete({ _id: 'new' }, { projection: { k: 1, _id: 0 }, collation: { locale: 'en' } }), { k: 1 });
  await assert.rejects(c.updateOne({ _id: 1 }, { $set: { 'n.x': 1 } }), e => e.code === 28);
  await assert.rejects(c.updateOne({ _id: 1 }, { $inc: { n: 1 }, $set: { n: 2 } }), e => e.code === 40);
  await assert.rejects(c.updateOne({ _id: 1 }, { $set: { a: 1 } }, { hint: 'nope' }), e => e.code === 2);

  // bulks of every kind of statement, ordered and not, and by the old builders
  await c.deleteMany({});
  const bulk = await c.bulkWrite([
    { insertOne: { document: { _id: 1, s: 'x', l: [1, 5] } } }, { insertOne: { document: { _id: 2, s: 'X', l: [7] } } },
    { updateOne: { filter: { s: 'X' }, update: { $set: { one: 1 } }, collation: { locale: 'en', strength: 2 }, sort: { _id: 1 } } },
    { updateMany: { filter: {}, update: { $set: { 'l.$[big]': 0 } }, arrayFilters: [{ big: { $gt: 4 } }], hint: '_id_' } },
    { updateOne: { filter: { _id: 9 }, update: [{ $set: { up: '$_id' } }], upsert: true } },
    { replaceOne: { filter: { _id: 2 }, replacement: { r: 1 } } }, { deleteOne: { filter: { _id: 1 } } }, { deleteMany: { filter: { up: 9 } } },
  ], { ordered: true, comment: 'c', let: {} });
  assert.deepStrictEqual([bulk.insertedCount, bulk.matchedCount, bulk.modifiedCount, bulk.upsertedCount, bulk.upsertedIds[4], bulk.deletedCount], [2, 4, 4, 1, 9, 2]);
  assert.deepStrictEqual(await c.find().toArray(), [{ _id: 2, r: 1 }]);
  const builder = c.initializeUnorderedBulkOp();
  builder.insert({ _id: 3 });
  builder.insert({ _id: 3 });
  builder.find({ _id: 2 }).upsert().updateOne({ $set: { b: 1 } });
  builder.find({ _id: 77 }).upsert().replaceOne({ v: 1 });
  builder.find({ b: 1 }).delete();
  await assert.rejects(builder.execute(), e => e.code === 11000 && e.result.insertedCount === 1 && e.result.upsertedCount === 1 && e.result.deletedCount === 1 && e.writeErrors.length === 1 && e.writeErrors[0].index === 1);
  const ordered = c.initializeOrderedBulkOp();
  ordered.insert({ _id: 4 });
  ordered.find({ _id: 4 }).update({ $set: { b: 1 } });
  assert.strictEqual((await ordered.execute()).modifiedCount, 1);
  await assert.rejects(client.bulkWrite([
    { namespace: db.databaseName + '.items', name: 'insertOne', document: { _id: 4 } },
    { namespace: db.databaseName + '.more', name: 'insertOne', document: { _id: 1 } },
    { namespace: db.databaseName + '.more', name: 'updateMany', filter: {}, update: { $set: { z: 1 } } },
    { namespace: db.databaseName + '.more', name: 'replaceOne', filter: { _id: 8 }, replacement: { a: 1 }, upsert: true },
    { namespace: db.databaseName + '.more', name: 'deleteOne', filter: { _id: 1 }, hint: '_id_' },
  ], { ordered: false }), e => e.writeErrors.get(0).code === 11000 && e.partialResult.insertedCount === 1 && e.partialResult.modifiedCount === 1 && e.partialResult.upsertedCount === 1 && e.partialResult.deletedCount === 1);

  // indexes with every option, told back as they were asked for
  const i = db.collection('indexed');
  const specs = [
    { key: { a: 1, b: -1 }, name: 'ab', unique: true, sparse: true }, { key: { t: 1 }, name: 't', expireAfterSeconds: 60, hidden: true }, { key: { p: 1 }, name: 'p', partialFilterExpression: { p: { $gt: 1 } }, collation: { locale: 'en', strength: 2 } },
    { key: { '$**': 1 }, name: 'wild', wildcardProjection: { a: 0 } }, { key: { h: 'hashed' }, name: 'h' }, { key: { g: '2dsphere' }, name: 'g' }, { key: { q: '2d' }, name: 'q', bits: 20, min: -10, max: 10 },
    { key: { w: 'text', v: 'text' }, name: 'w', weights: { w: 3, v: 2 }, default_language: 'german', language_override: 'lang' }];
  assert.deepStrictEqual(await i.createIndexes(specs, { comment: 'c', maxTimeMS: 5000, commitQuorum: 'majority' }), specs.map(s => s.name));
  const told = await i.listIndexes().toArray();
  for (const s of specs) {
    const t = told.find(x => x.name === s.name);
    for (const [k, v] of Object.entries(s)) {
      if (k === 'key' && s.name === 'w') assert.deepStrictEqual(t.key, { _fts: 'text', _ftsx: 1 });
      else if (k === 'collation') assert.strictEqual(t.collation.strength, 2);
      else assert.deepStrictEqual(JSON.stringify(t[k]), JSON.stringify(k === 'weights' ? { v: 2, w: 3 } : v), s.name + '.' + k);
    }
  }
  assert.ok(await i.indexExists(['ab', 'wild']));
  assert.deepStrictEqual((await i.indexInformation()).ab, [['a', 1], ['b', -1]]);
  assert.strictEqual((await i.indexes()).length, 9);
  await assert.rejects(i.createIndex({ a: 1, b: -1 }, { name: 'other', unique: true, sparse: true }), e => e.code === 85 || e.code === 86);
  await i.dropIndexes();
  assert.strictEqual((await i.indexes()).length, 1);

  // collections, databases, commands
  await db.createCollection('made', { collation: { locale: 'en' }, validator: { a: { $exists: true } }, validationLevel: 'moderate', validationAction: 'warn', changeStreamPreAndPostImages: { enabled: true }, comment: 'c' });
  assert.strictEqual((await db.collection('made').options()).validationAction, 'warn');
  assert.strictEqual(await db.collection('made').isCapped(), false);
  await assert.rejects(db.createCollection('ts', { timeseries: { timeField: 't' } }), e => e.code === 72);
  await assert.rejects(db.createCollection('cl', { clusteredIndex: { key: { _id: 1 }, unique: true } }), e => e.code === 72);
  await assert.rejects(c.createSearchIndex({ definition: {} }), e => e.code === 115);
  await assert.rejects(c.listSearchIndexes().toArray(), e => e.code > 0);
  assert.strictEqual((await db.admin().validateCollection('x').catch(() => 'admin has none')), 'admin has none');
  assert.deepStrictEqual((await db.runCursorCommand({ find: 'items', filter: { _id: 4 }, batchSize: 1 }).toArray()), [{ _id: 4, b: 1 }]);
  assert.strictEqual((await db.admin().buildInfo()).ok, 1);
  assert.strictEqual((await db.admin().ping()).ok, 1);
  assert.ok((await db.admin().serverStatus()).uptime >= 0);
  assert.strictEqual((await db.admin().replSetGetStatus()).myState, 1);
  assert.strictEqual(await db.collection('made').drop(), true);
  assert.strictEqual(await db.collection('none').drop(), true);
  assert.ok(new ObjectId() && Long.ZERO && new MinKey());

  // connections of other kinds
  const u = new URL(uri);
  for (const more of [{ replicaSet: 'docdb' }, { directConnection: true }, { compressors: ['zlib'] }, { serverApi: { version: '1', strict: true, deprecationErrors: true } }, { serverMonitoringMode: 'poll' }, { retryReads: false, retryWrites: false, readPreference: 'nearest', readConcernLevel: 'majority', w: 'majority', journal: true }, { maxPoolSize: 1, appName: 'x'.repeat(120) }]) {
    if (more.replicaSet && u.hostname !== '127.0.0.1') continue;
    const other = new MongoClient(uri, more);
    await other.connect();
    const d = other.db(db.databaseName).collection('others');
    await d.insertOne({ how: Object.keys(more)[0] });
    assert.strictEqual((await d.find({ how: Object.keys(more)[0] }).toArray()).length, 1);
    assert.ok(await d.aggregate([{ $count: 'n' }]).next());
    await other.withSession(s => s.withTransaction(() => d.insertOne({ txn: 1 }, { session: s })));
    await other.close();
  }
  const strict = await new MongoClient(uri, { serverApi: { version: '1', strict: true } }).connect();
  await assert.rejects(strict.db('t').command({ collStats: 'x' }), e => e.code === 323);
  await strict.close();
};
