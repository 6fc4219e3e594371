// One session with the unmodified realm-web, written from the SDK's public
// documentation alone: every call an app would make, in the order in which a
// person would. Fails by throwing.
import assert from "node:assert/strict";
import * as Realm from "realm-web";

const { BSON, Credentials } = Realm;
const baseUrl = process.env.REGENT_URL;
const appId = process.env.REGENT_APP_ID;
const app = new Realm.App({ id: appId, baseUrl });
const email = `ada-${Date.now()}@example.com`;
const password = "correct horse";

const step = async (name, run) => {
  const started = Date.now();
  try {
    await run();
  } catch (err) {
    console.error(`FAILED ${name}`);
    throw err;
  }
  console.log(`ok ${name} (${Date.now() - started} ms)`);
};

const rejects = async (promise, status, error, code) => {
  try {
    await promise;
  } catch (err) {
    assert.equal(err.constructor.name, "MongoDBRealmError", String(err));
    assert.equal(err.statusCode, status, err.message);
    if (error instanceof RegExp) assert.match(err.error, error);
    else assert.equal(err.error, error);
    assert.equal(err.errorCode, code);
    assert.match(err.link, /logs\?co_id=[0-9a-f]{24}$/);
    return;
  }
  assert.fail("expected a rejection");
};

const itemsOf = (user) => user.mongoClient("mongodb-atlas").db("todo").collection("items");
const item = (user, text, more) => ({ owner_id: user.id, text, done: false, ...more });
const keysOf = (doc) => Object.keys(doc).sort();

let anon, ada, bob;

await step("unknown app", async () => {
  const other = new Realm.App({ id: "nope-abcde", baseUrl });
  await rejects(other.logIn(Credentials.anonymous()), 404, "cannot find app using Client App ID 'nope-abcde'", undefined);
});

await step("anonymous log-in", async () => {
  anon = await app.logIn(Credentials.anonymous());
  assert.match(anon.id, /^[0-9a-f]{24}$/);
  assert.equal(anon.state, "active");
  assert.equal(anon.isLoggedIn, true);
  assert.equal(anon.providerType, "anon-user");
  assert.deepEqual(anon.identities.map((i) => i.providerType), ["anon-user"]);
  assert.match(anon.identities[0].id, /^[0-9a-f]{24}-[a-z]{24}$/);
  assert.equal(anon.profile.name, undefined);
  assert.match(anon.deviceId, /^[0-9a-f]{24}$/);
  assert.notEqual(anon.deviceId, "0".repeat(24));
  assert.equal(anon.accessToken.split(".").length, 3);
  assert.equal(app.currentUser.id, anon.id);
  const again = await app.logIn(Credentials.anonymous());
  assert.equal(again.id, anon.id);
  const fresh = await app.logIn(Credentials.anonymous(false));
  assert.notEqual(fresh.id, anon.id);
  await fresh.logOut();
  app.switchUser(anon);
});

await step("custom data of the creation function", async () => {
  assert.equal(anon.customData.name, "guest");
  assert.equal(anon.customData.owner_id, anon.id);
});

await step("register", async () => {
  await rejects(app.emailPasswordAuth.registerUser({ email, password: "short" }), 400, "password must be between 6 and 128 characters", "BadRequest");
  await app.emailPasswordAuth.registerUser({ email, password });
  await rejects(app.emailPasswordAuth.registerUser({ email, password }), 409, "name already in use", "AccountNameInUse");
  await rejects(app.emailPasswordAuth.confirmUser({ token: "a_token", tokenId: "e30=" }), 400, "invalid token data", "BadRequest");
  await rejects(app.emailPasswordAuth.retryCustomConfirmation({ email }), 400, `cannot run confirmation for ${email}: automatic confirmation is enabled`, undefined);
  await rejects(app.emailPasswordAuth.sendResetPasswordEmail({ email }), 400, "please use reset password via function", undefined);
});

await step("refused log-ins", async () => {
  await rejects(app.logIn(Credentials.emailPassword(email, "wrong horse")), 401, "unauthorized", "InvalidPassword");
  await rejects(app.logIn(Credentials.emailPassword("nobody@example.com", password)), 401, "unauthorized", "InvalidPassword");
  await rejects(app.logIn(Credentials.apiKey("nope")), 401, "unauthorized", "AuthError");
  await rejects(app.logIn(Credentials.jwt("nope")), 404, /custom-token/, "AuthProviderNotFound");
});

await step("link the anonymous user", async () => {
  await anon.linkCredentials(Credentials.emailPassword(email, password));
  assert.deepEqual(anon.identities.map((i) => i.providerType), ["anon-user", "local-userpass"]);
  assert.equal(anon.profile.email, email);
  ada = await app.logIn(Credentials.emailPassword(email, password));
  assert.equal(ada.id, anon.id);
  await app.emailPasswordAuth.registerUser({ email: "x" + email, password });
  await rejects(ada.linkCredentials(Credentials.emailPassword("x" + email, password)), 409, "linking a local-userpass identity is not allowed when one is already linked", "InternalServerError");
});

await step("insert and find", async () => {
  const items = itemsOf(ada);
  const one = await items.insertOne(item(ada, "one"));
  assert.deepEqual(keysOf(one), ["insertedId"]);
  assert.match(one.insertedId.toHexString(), /^[0-9a-f]{24}$/);
  const many = await items.insertMany([item(ada, "two"), item(ada, "three")]);
  assert.equal(many.insertedIds.length, 2);
  assert.deepEqual((await items.find()).map((i) => i.text), ["one", "two", "three"]);
  assert.deepEqual((await items.find({}, { sort: { text: 1 }, limit: 2 })).map((i) => i.text), ["one", "three"]);
  const found = await items.findOne({ _id: one.insertedId });
  assert.deepEqual(keysOf(found), ["_id", "done", "owner_id", "text"]);
  assert.deepEqual(keysOf(await items.findOne({ text: "two" }, { projection: { text: 1 } })), ["_id", "text"]);
  assert.equal(await items.findOne({ text: "none" }), null);
  assert.equal(await items.count(), 3);
  assert.equal(await items.count({ text: "two" }), 1);
});

await step("update", async () => {
  const items = itemsOf(ada);
  assert.deepEqual(await items.updateOne({ text: "one" }, { $set: { done: true } }), { matchedCount: 1, modifiedCount: 1 });
  assert.deepEqual(await items.updateMany({}, { $set: { done: false } }), { matchedCount: 3, modifiedCount: 1 });
  assert.deepEqual(await items.updateOne({ text: "none" }, { $set: { done: true } }), { matchedCount: 0, modifiedCount: 0 });
  const id = new BSON.ObjectId();
  const upserted = await items.updateOne({ _id: id }, { $set: item(ada, "four") }, { upsert: true });
  assert.equal(upserted.upsertedId.toHexString(), id.toHexString());
  assert.equal((await items.findOneAndUpdate({ _id: id }, { $set: { text: "4" } })).text, "four");
  assert.equal((await items.findOneAndUpdate({ _id: id }, { $set: { text: "vier" } }, { returnNewDocument: true })).text, "vier");
  assert.equal((await items.findOneAndReplace({ _id: id }, item(ada, "fünf"), { returnNewDocument: true })).text, "fünf");
  assert.deepEqual(await items.updateMany({ _id: id }, item(ada, "plain")), { matchedCount: 1, modifiedCount: 1 });
  await rejects(items.updateOne({}, { $who: { a: 1 } }), 400, /Unknown modifier: \$who/, "MongoDBError");
  await rejects(items.find({ $who: 1 }), 400, /unknown top level operator: \$who\./, "MongoDBError");
});

await step("delete", async () => {
  const items = itemsOf(ada);
  assert.equal((await items.findOneAndDelete({ text: "plain" })).text, "plain");
  assert.deepEqual(await items.deleteOne({ text: "one" }), { deletedCount: 1 });
  assert.equal(await items.count(), 2);
});

await step("aggregate", async () => {
  const items = itemsOf(ada);
  const [sum] = await items.aggregate([{ $group: { _id: "$done", n: { $sum: 1 } } }]);
  assert.deepEqual(sum, { _id: false, n: 2 });
  await rejects(items.aggregate([{ $lookup: { from: "profiles", localField: "a", foreignField: "b", as: "c" } }]), 400, /\$lookup/, "MongoDBError");
});

await step("rules keep others out", async () => {
  bob = await app.logIn(Credentials.anonymous(false));
  assert.notEqual(bob.id, ada.id);
  const items = itemsOf(bob);
  assert.deepEqual(await items.find(), []);
  assert.equal(await items.findOne({}), null);
  assert.equal(await items.count(), 0);
  assert.deepEqual(await items.updateMany({}, { $set: { text: "mine" } }), { matchedCount: 0, modifiedCount: 0 });
  assert.deepEqual(await items.deleteMany({}), { deletedCount: 0 });
  await rejects(items.insertOne(item(ada, "forged")), 400, "insert not permitted", "NoMatchingRuleFound");
  await rejects(bob.mongoClient("mongodb-atlas").db("todo").collection("secrets").find(), 403, /no rule exists for namespace 'todo.secrets'/, "NoMatchingRuleFound");
  await rejects(bob.mongoClient("nope").db("todo").collection("items").find(), 404, "service not found: 'nope'", "ServiceNotFound");
  await rejects(itemsOf(ada).updateOne({ text: "two" }, { $set: { owner_id: bob.id } }), 400, "update not permitted", "NoMatchingRuleFound");
});

await step("functions", async () => {
  const { greeting, open, done } = await ada.functions.summary();
  assert.deepEqual({ greeting, open, done }, { greeting: "Have a good day", open: 2, done: 0 });
  const summary = ada.functions.summary;
  assert.equal((await summary()).open, 2);
  assert.equal((await ada.callFunction("summary")).open, 2);
  await rejects(ada.functions.createProfile({}), 404, "function not found: 'createProfile'", "FunctionNotFound");
  await rejects(ada.functions.nope(), 404, "function not found: 'nope'", "FunctionNotFound");
});

await step("watch", async () => {
  const items = itemsOf(ada);
  const stream = items.watch();
  const first = stream.next();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const text = "100% \n\r\n special ????>>>>";
  const { insertedId } = await items.insertOne(item(ada, text));
  await itemsOf(bob).insertOne(item(bob, "bob's"));
  await items.updateOne({ _id: insertedId }, { $set: { done: true } });
  await items.deleteOne({ _id: insertedId });
  let event = (await first).value;
  assert.equal(event.operationType, "insert");
  assert.equal(event.fullDocument.text, text);
  assert.equal(event.documentKey._id.toHexString(), insertedId.toHexString());
  assert.deepEqual(event.ns, { db: "todo", coll: "items" });
  event = (await stream.next()).value;
  assert.equal(event.operationType, "update");
  assert.deepEqual(event.updateDescription.updatedFields, { done: true });
  assert.equal(event.fullDocument.done, true);
  event = (await stream.next()).value;
  assert.equal(event.operationType, "delete");
  await stream.return();

  const filtered = items.watch({ filter: { "fullDocument.text": "yes" } });
  const hit = filtered.next();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await items.insertOne(item(ada, "no"));
  await items.insertOne(item(ada, "yes"));
  assert.equal((await hit).value.fullDocument.text, "yes");
  await filtered.return();
});

await step("custom data", async () => {
  const profiles = ada.mongoClient("mongodb-atlas").db("todo").collection("profiles");
  await profiles.updateOne({ owner_id: ada.id }, { $set: { name: "Ada" } });
  assert.equal((await ada.refreshCustomData()).name, "Ada");
  assert.equal(ada.customData.name, "Ada");
});

await step("api keys", async () => {
  await app.switchUser(ada);
  const key = await ada.apiKeys.create("laptop");
  assert.deepEqual(keysOf(key), ["_id", "disabled", "key", "name"]);
  assert.equal(typeof key._id, "string");
  assert.deepEqual(await ada.apiKeys.fetchAll(), [{ _id: key._id, name: "laptop", disabled: false }]);
  assert.deepEqual(await ada.apiKeys.fetch(key._id), { _id: key._id, name: "laptop", disabled: false });
  const byKey = await app.logIn(Credentials.apiKey(key.key));
  assert.equal(byKey.id, ada.id);
  ada = await app.logIn(Credentials.emailPassword(email, password));
  await ada.apiKeys.disable(key._id);
  assert.equal((await ada.apiKeys.fetch(key._id)).disabled, true);
  await rejects(app.logIn(Credentials.apiKey(key.key)), 401, "unauthorized", "AuthError");
  await ada.apiKeys.enable(key._id);
  await ada.apiKeys.delete(key._id);
  assert.deepEqual(await ada.apiKeys.fetchAll(), []);
  await rejects(ada.apiKeys.fetch(key._id), 404, "API key not found", "APIKeyNotFound");
  await rejects(ada.apiKeys.create("not a name!"), 400, /can only contain ASCII letters, numbers, underscores, and hyphens/, "InvalidParameter");
});

await step("refreshes a foreign access token", async () => {
  ada.accessToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwiaWF0IjoxNTE2MjM5MDIyLCJleHAiOjE1MTYyMzkwMjJ9.c2lnbmF0dXJl";
  assert.equal((await ada.functions.summary()).greeting, "Have a good day");
});

await step("reset by function", async () => {
  await rejects(app.emailPasswordAuth.callResetPasswordFunction({ email, password: "new password" }), 400, `failed to reset password for user "${email}"`, undefined);
  await app.emailPasswordAuth.callResetPasswordFunction({ email, password });
  await rejects(app.emailPasswordAuth.callResetPasswordFunction({ email: "nobody@example.com", password }), 404, "user not found", "UserNotFound");
});

await step("log out", async () => {
  await ada.logOut();
  assert.equal(ada.isLoggedIn, false);
  assert.equal(ada.state, "logged-out");
  ada = await app.logIn(Credentials.emailPassword(email, password));
});

await step("delete the user", async () => {
  await app.deleteUser(ada);
  assert.equal(ada.state, "removed");
  await rejects(app.logIn(Credentials.emailPassword(email, password)), 401, "unauthorized", "InvalidPassword");
});

await step("remove the last user", async () => {
  await app.removeUser(bob);
  assert.equal(Object.values(app.allUsers).filter((u) => u.isLoggedIn).length, 0);
});
