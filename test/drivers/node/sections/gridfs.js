// Files in GridFS: upload, download, parts, find, rename, delete.
const assert = require('assert');
const crypto = require('crypto');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const { GridFSBucket } = require('mongodb');

module.exports = async ({ db }) => {
  const bucket = new GridFSBucket(db, { bucketName: 'photos', chunkSizeBytes: 64 * 1024 });
  const read = async stream => { const parts = []; for await (const p of stream) parts.push(p); return Buffer.concat(parts); };
  const data = crypto.randomBytes(1_000_000);
  const up = bucket.openUploadStream('a.bin', { metadata: { by: 'ann' } });
  await pipeline(Readable.from([data.subarray(0, 333_333), data.subarray(333_333)]), up);
  assert.ok((await read(bucket.openDownloadStream(up.id))).equals(data));
  assert.ok((await read(bucket.openDownloadStream(up.id, { start: 70_000, end: 140_000 }))).equals(data.subarray(70_000, 140_000)));
  const files = await bucket.find({ 'metadata.by': 'ann' }).toArray();
  assert.deepStrictEqual(files.map(f => [f.filename, f.length, f.chunkSize]), [['a.bin', 1_000_000, 65536]]);
  assert.strictEqual(await db.collection('photos.chunks').countDocuments({ files_id: up.id }), 16);
  assert.deepStrictEqual((await db.collection('photos.chunks').indexes()).find(i => i.unique).key, { files_id: 1, n: 1 });
  assert.deepStrictEqual((await db.collection('photos.files').indexes()).map(i => i.key), [{ _id: 1 }, { filename: 1, uploadDate: 1 }]);

  // revisions of a name, an empty file, one that is given up
  await pipeline(Readable.from([Buffer.from('second')]), bucket.openUploadStream('a.bin'));
  assert.strictEqual((await read(bucket.openDownloadStreamByName('a.bin'))).toString(), 'second');
  assert.strictEqual((await read(bucket.openDownloadStreamByName('a.bin', { revision: 0 }))).length, 1_000_000);
  const empty = bucket.openUploadStream('empty');
  await pipeline(Readable.from([]), empty);
  assert.strictEqual((await read(bucket.openDownloadStream(empty.id))).length, 0);
  const given = bucket.openUploadStream('given up');
  await new Promise(r => given.write(Buffer.alloc(200_000), r));
  await given.abort();
  assert.strictEqual(await db.collection('photos.chunks').countDocuments({ files_id: given.id }), 0);

  await bucket.rename(up.id, 'b.bin');
  assert.strictEqual((await bucket.find({ filename: 'b.bin' }).toArray())[0]._id.toString(), up.id.toString());
  await bucket.delete(up.id);
  await assert.rejects(bucket.delete(up.id), /File not found/);
  await assert.rejects(read(bucket.openDownloadStream(up.id)), e => e.code === 'ENOENT');
  assert.strictEqual(await db.collection('photos.chunks').countDocuments({ files_id: up.id }), 0);
  await bucket.drop();
  assert.deepStrictEqual(await db.listCollections().toArray(), []);
};
