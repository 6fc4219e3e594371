// Every operation of a collection through the unmodified realm-web, with the
// bytes that the server answers: a proxy between the two writes them down
// (client-api.md §1.17 says where they are exact).
import assert from "node:assert/strict";
import http from "node:http";
import * as Realm from "realm-web";

const { BSON, Credentials } = Realm;
const target = new URL(process.env.REGENT_URL);
const appId = process.env.REGENT_APP_ID;
const database = process.env.REGENT_DATABASE;

// The proxy passes everything on and keeps the last answer to a call.
let sent, last;
const proxy = http.createServer((request, response) => {
  const body = [];
  request.on("data", (chunk) => body.push(chunk));
  request.on("end", () => {
    const forward = http.request({ host: target.hostname, port: target.port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      const chunks = [];
      answer.on("data", (chunk) => {
        chunks.push(chunk);
        response.write(chunk);
      });
      answer.on("end", () => {
        if (request.method === "POST" && request.url.endsWith("/functions/call")) {
          sent = JSON.parse(Buffer.concat(body).toString());
          last = { status: answer.statusCode, type: answer.headers["content-type"], body: Buffer.concat(chunks).toString() };
        }
        response.end();
      });
      answer.on("error", () => response.destroy());
    });
    forward.on("error", () => response.destroy());
    response.on("close", () => forward.destroy());
    forward.end(Buffer.concat(body));
  });
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${proxy.address().port}`;

const app = new Realm.App({ id: appId, baseUrl });
const user = await app.logIn(Credentials.anonymous());
const c = user.mongoClient("mongodb-atlas").db(database).collection("c");
const oid = new BSON.ObjectId("5f0000000000000000000001");
const day = new Date(0);
// Actions beyond those of the SDK's class go through its own way of calling a
// service.
const action = (name, fields) => c.functions[name]({ database, collection: "c", ...fields });

const int = (n) => `{"$numberInt":"${n}"}`;
const counts = (matched, modified, more = "") => `{"matchedCount":${int(matched)},"modifiedCount":${int(modified)}${more}}`;

// Each row: the action that is sent, the call, the value that the SDK gives, the
// bytes of the answer.
const cases = [
  ["find", () => c.find(), [], "[]"],
  ["findOne", () => c.findOne(), null, "null"],
  ["count", () => c.count(), 0, '{"$numberLong":"0"}'],
  ["insertOne", () => c.insertOne({ _id: oid, n: 1, day }), { insertedId: oid }, '{"insertedId":{"$oid":"5f0000000000000000000001"}}'],
  ["insertOne", () => c.insertOne({ _id: "text" }), { insertedId: "text" }, '{"insertedId":"text"}'],
  ["insertMany", () => c.insertMany([{ _id: 1, n: 2 }, { _id: 2, n: 2.5 }]), { insertedIds: [1, 2] }, `{"insertedIds":[${int(1)},${int(2)}]}`],
  ["find", () => c.find({ n: { $gte: 1 } }, { sort: { n: -1 }, limit: 2 }), [{ _id: 2, n: 2.5 }, { _id: 1, n: 2 }], `[{"_id":${int(2)},"n":{"$numberDouble":"2.5"}},{"_id":${int(1)},"n":${int(2)}}]`],
  ["find", () => c.find({}, { projection: { _id: 1 }, sort: { _id: 1 }, limit: 1 }), [{ _id: 1 }], `[{"_id":${int(1)}}]`],
  ["findOne", () => c.findOne({ _id: oid }), { _id: oid, n: 1, day }, `{"_id":{"$oid":"5f0000000000000000000001"},"n":${int(1)},"day":{"$date":{"$numberLong":"0"}}}`],
  ["findOne", () => c.findOne({ _id: 1 }, { projection: { _id: 0 } }), { n: 2 }, `{"n":${int(2)}}`],
  ["count", () => c.count({ n: { $gt: 1 } }), 2, '{"$numberLong":"2"}'],
  ["count", () => c.count({}, { limit: 3 }), 3, '{"$numberLong":"3"}'],
  ["aggregate", () => c.aggregate([{ $match: { n: 2 } }, { $project: { _id: 0 } }]), [{ n: 2 }], `[{"n":${int(2)}}]`],
  ["aggregate", () => c.aggregate([{ $match: { n: 99 } }]), [], "[]"],
  ["updateOne", () => c.updateOne({ _id: 1 }, { $set: { n: 3 } }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["updateOne", () => c.updateOne({ _id: 1 }, { $set: { n: 3 } }), { matchedCount: 1, modifiedCount: 0 }, counts(1, 0)],
  ["updateOne", () => c.updateOne({ _id: 99 }, { $set: { n: 3 } }), { matchedCount: 0, modifiedCount: 0 }, counts(0, 0)],
  ["updateOne", () => c.updateOne({ _id: 3 }, { $set: { n: 3 } }, { upsert: true }), { matchedCount: 0, modifiedCount: 0, upsertedId: 3 }, counts(0, 0, `,"upsertedId":${int(3)}`)],
  ["updateOne", () => c.updateOne({ _id: 3 }, { $set: { n: 4 } }, { upsert: true }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["updateOne", () => c.updateOne({ _id: 3 }, { name: "plain" }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["updateMany", () => c.updateMany({ n: { $exists: true } }, { $inc: { n: 1 } }), { matchedCount: 3, modifiedCount: 3 }, counts(3, 3)],
  ["updateMany", () => c.updateMany({ _id: { $in: [1, 2] } }, { hidden: true }), { matchedCount: 2, modifiedCount: 2 }, counts(2, 2)],
  ["updateMany", () => c.updateMany({ _id: 4 }, { $set: { l: [1, 2] } }, { upsert: true }), { matchedCount: 0, modifiedCount: 0, upsertedId: 4 }, counts(0, 0, `,"upsertedId":${int(4)}`)],
  ["updateMany", () => action("updateMany", { query: { _id: 4 }, update: { $set: { "l.$[x]": 9 } }, arrayFilters: [{ x: 2 }] }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["updateOne", () => action("updateOne", { query: { _id: 4 }, update: [{ $set: { size: { $size: "$l" } } }] }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["findOneAndUpdate", () => c.findOneAndUpdate({ _id: 4 }, { $unset: { size: 1 } }), { _id: 4, l: [1, 9], size: 2 }, `{"_id":${int(4)},"l":[${int(1)},${int(9)}],"size":${int(2)}}`],
  ["findOneAndUpdate", () => c.findOneAndUpdate({ _id: 4 }, { $set: { a: 1 } }, { returnNewDocument: true, projection: { a: 1 } }), { _id: 4, a: 1 }, `{"_id":${int(4)},"a":${int(1)}}`],
  ["findOneAndUpdate", () => c.findOneAndUpdate({ _id: 99 }, { $set: { a: 1 } }), null, "null"],
  ["findOneAndUpdate", () => c.findOneAndUpdate({ _id: 5 }, { $set: { a: 1 } }, { upsert: true }), null, "null"],
  ["findOneAndUpdate", () => c.findOneAndUpdate({ _id: 6, x: 1 }, { name: "n", hiddenField: "h" }, { upsert: true, returnNewDocument: true }), { _id: 6, name: "n", hiddenField: "h" }, `{"_id":${int(6)},"name":"n","hiddenField":"h"}`],
  ["findOneAndReplace", () => c.findOneAndReplace({ _id: 6 }, { b: 1 }), { _id: 6, name: "n", hiddenField: "h" }, `{"_id":${int(6)},"name":"n","hiddenField":"h"}`],
  ["findOneAndReplace", () => c.findOneAndReplace({ _id: 6 }, { b: 2 }, { returnNewDocument: true }), { _id: 6, b: 2 }, `{"_id":${int(6)},"b":${int(2)}}`],
  ["findOneAndReplace", () => c.findOneAndDelete({ _id: 6 }), { _id: 6, b: 2 }, `{"_id":${int(6)},"b":${int(2)}}`], // what realm-web sends
  ["findOneAndDelete", () => action("findOneAndDelete", { filter: { _id: 5 } }), { _id: 5, a: 1 }, `{"_id":${int(5)},"a":${int(1)}}`],
  ["findOneAndDelete", () => action("findOneAndDelete", { filter: { _id: 5 }, projection: { a: 1 } }), null, "null"],
  ["replaceOne", () => action("replaceOne", { query: { _id: 4 }, replacement: { l: [1, [2]] } }), { matchedCount: 1, modifiedCount: 1 }, counts(1, 1)],
  ["replaceOne", () => action("replaceOne", { query: { _id: 7 }, replacement: { a: 1 }, upsert: true }), { matchedCount: 0, modifiedCount: 0, upsertedId: 7 }, counts(0, 0, `,"upsertedId":${int(7)}`)],
  ["distinct", () => action("distinct", { key: "hidden" }), [true], "[true]"],
  ["distinct", () => action("distinct", { key: "l", query: { _id: 4 } }), [1, [2]], `[${int(1)},[${int(2)}]]`],
  [
    "bulkWrite",
    () => action("bulkWrite", { operations: [{ insertOne: { document: { _id: 8 } } }, { updateMany: { filter: { _id: { $in: [7, 8] } }, update: { $set: { b: 1 } } } }, { replaceOne: { filter: { _id: 9 }, replacement: {}, upsert: true } }, { deleteOne: { filter: { _id: 8 } } }], ordered: true }),
    { insertedCount: 1, matchedCount: 2, modifiedCount: 2, deletedCount: 1, upsertedCount: 1, insertedIds: [8], upsertedIds: [{ index: 2, _id: 9 }] },
    `{"insertedCount":${int(1)},"matchedCount":${int(2)},"modifiedCount":${int(2)},"deletedCount":${int(1)},"upsertedCount":${int(1)},"insertedIds":[${int(8)}],"upsertedIds":[{"index":${int(2)},"_id":${int(9)}}]}`,
  ],
  ["deleteOne", () => c.deleteOne({ _id: 1 }), { deletedCount: 1 }, `{"deletedCount":${int(1)}}`],
  ["deleteOne", () => c.deleteOne({ _id: 99 }), { deletedCount: 0 }, `{"deletedCount":${int(0)}}`],
  ["deleteMany", () => c.deleteMany({ _id: { $gt: 1 } }), { deletedCount: 5 }, `{"deletedCount":${int(5)}}`],
  ["deleteMany", () => c.deleteMany(), { deletedCount: 2 }, `{"deletedCount":${int(2)}}`],
];

for (const [name, call, value, bytes] of cases) {
  const got = await call();
  assert.equal(sent.name, name);
  assert.equal(last.status, 200, last.body);
  assert.equal(last.type, "application/json");
  assert.equal(last.body, bytes, name);
  assert.equal(JSON.stringify(got), JSON.stringify(value), name);
  console.log(`ok ${name} ${bytes}`);
}

// Errors (client-api.md §1.17): status, text, code.
await c.insertOne({ _id: 1 });
const errors = [
  [() => c.insertOne({ _id: 1 }), 400, /^Duplicate key error/, "MongoDBError"],
  [() => c.insertMany([{ _id: 2 }, { _id: 1 }, { _id: 3 }]), 400, /^Duplicate key error/, "MongoDBError"],
  [() => c.insertMany([]), 400, /must provide at least one element/, "MongoDBError"],
  [() => c.find({ $who: 1 }), 400, /unknown top level operator: \$who\./, "MongoDBError"],
  [() => c.updateOne({}, { $who: 1 }), 400, /Unknown modifier: \$who/, "MongoDBError"],
  [() => c.aggregate([{ $who: 1 }]), 400, /Unrecognized pipeline stage name: '\$who'/, "MongoDBError"],
  [() => c.findOneAndReplace({}, { $set: { a: 1 } }), 400, /the replace operation document must not contain atomic operators/, "MongoDBError"],
  [() => action("explode", {}), 404, /explode/, "ServiceCommandNotFound"],
  [() => user.mongoClient("nope").db(database).collection("c").find(), 404, /^service not found: 'nope'$/, "ServiceNotFound"],
  [() => user.mongoClient("mongodb-atlas").db(database).collection("nope").find(), 403, /^no rule exists for namespace/, "NoMatchingRuleFound"],
  [() => user.mongoClient("mongodb-atlas").db(database).collection("closed").insertOne({ owner_id: "x" }), 400, /^insert not permitted$/, "NoMatchingRuleFound"],
  [() => user.mongoClient("mongodb-atlas").db(database).collection("closed").updateOne({}, { $set: { a: 1 } }), 400, /^update not permitted$/, "NoMatchingRuleFound"],
  [() => user.mongoClient("mongodb-atlas").db(database).collection("closed").deleteOne({}), 400, /^delete not permitted$/, "NoMatchingRuleFound"],
  [() => user.mongoClient("mongodb-atlas").db(database).collection("shaped").insertOne({ bad: "value" }), 400, /^schema validation failed at name: the field is required$/, "SchemaValidationFailedWrite"],
];
for (const [call, status, text, code] of errors) {
  let failed;
  try {
    await call();
  } catch (err) {
    failed = err;
  }
  assert.equal(failed?.constructor.name, "MongoDBRealmError", String(failed));
  assert.equal(failed.statusCode, status, failed.message);
  assert.match(failed.error, text);
  assert.equal(failed.errorCode, code);
  assert.match(failed.link, /logs\?co_id=[0-9a-f]{24}$/);
  assert.deepEqual(Object.keys(JSON.parse(last.body)).sort(), ["error", "error_code", "link"]);
  console.log(`ok ${status} ${failed.error}`);
}
// The documents before the duplicate stayed.
assert.deepEqual((await c.find({}, { sort: { _id: 1 } })).map((d) => d._id), [1, 2]);

// watch: everything, by ids, by filter.
const opened = (stream) => {
  const first = stream.next();
  return new Promise((resolve) => setTimeout(() => resolve({ stream, first }), 500));
};
const whole = await opened(c.watch());
const byId = await opened(c.watch({ ids: [42] }));
const byFilter = await opened(c.watch({ filter: { "fullDocument.name": "100%\n\r????>>>>" } }));
await c.insertOne({ _id: 41, name: "100%\n\r????>>>>" });
await c.insertOne({ _id: 42 });
const told = async ({ first }) => (await first).value.documentKey._id;
assert.deepEqual([await told(whole), await told(byId), await told(byFilter)], [41, 42, 41]);
await c.updateOne({ _id: 42 }, { $set: { a: 1 } });
await c.updateOne({ _id: 42 }, { b: 1 });
await c.deleteOne({ _id: 42 });
const types = [];
for (let i = 0; i < 3; i++) types.push((await byId.stream.next()).value.operationType);
assert.deepEqual(types, ["update", "replace", "delete"]);
for (const { stream } of [whole, byId, byFilter]) await stream.return();
console.log("ok watch");
proxy.closeAllConnections();
proxy.close();
process.exit(0);
