// Log-ins by every provider that needs no browser, and functions with every type of
// value, through unmodified realm-web. REGENT_JWT_KEY signs the tokens.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import * as Realm from "realm-web";

const { BSON, Credentials } = Realm;
const app = new Realm.App({ id: "providers-abcde", baseUrl: process.env.REGENT_URL });

const rejects = (promise, status, error, code) =>
  assert.rejects(promise, (err) => {
    assert.equal(err.statusCode, status, err.message);
    if (error instanceof RegExp) assert.match(err.error, error);
    else assert.equal(err.error, error);
    assert.equal(err.errorCode, code);
    return true;
  });

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (claims, key = process.env.REGENT_JWT_KEY, header = { alg: "HS256", typ: "JWT" }) => {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
};
const later = Math.floor(Date.now() / 1000) + 600;
const claims = { aud: "shop", sub: "jwt-7", exp: later, profile: { email: "j@example.com" }, name: "Jay" };

// Custom function.
await rejects(app.logIn(Credentials.function({ name: "eve", code: "wrong" })), 401, /Authentication failed/, "AuthError");
const fun = await app.logIn(Credentials.function({ name: "fay", code: "letmein" }));
assert.deepEqual(fun.identities, [{ id: "shop-fay", providerType: "custom-function" }]);
assert.equal(fun.customData.name, undefined);
const again = await app.logIn(Credentials.function({ name: "fay", code: "letmein" }));
assert.equal(again.id, fun.id);
assert.equal((await fun.functions.whoAmI()).data.name, "fay");

// Custom JWT.
for (const bad of [
  jwt(claims, "another key of at least thirty-two characters"),
  jwt({ ...claims, exp: later - 1200 }),
  jwt({ ...claims, aud: "other" }),
  jwt({ ...claims, sub: undefined }),
  jwt({ ...claims, profile: {} }),
  jwt({ ...claims, nbf: later }),
  `${encode({ alg: "none" })}.${encode(claims)}.`,
  "nonsense",
])
  await rejects(app.logIn(Credentials.jwt(bad)), 401, "unauthorized", "AuthError");
const jay = await app.logIn(Credentials.jwt(jwt(claims)));
assert.deepEqual(jay.profile, { email: "j@example.com", name: "Jay" });
assert.deepEqual(jay.identities, [{ id: "jwt-7", providerType: "custom-token" }]);

// A JWT whose key is in a JWKS.
const jwks = new Realm.App({ id: "jwks-abcde", baseUrl: process.env.REGENT_URL });
const jill = await jwks.logIn(Credentials.jwt(process.env.REGENT_JWKS_TOKEN));
assert.deepEqual([jill.identities, jill.profile], [[{ id: "jill", providerType: "custom-token" }], { email: "jill@example.com" }]);
await rejects(jwks.logIn(Credentials.jwt(process.env.REGENT_ID_TOKEN)), 401, "unauthorized", "AuthError");
await rejects(jwks.logIn(Credentials.jwt(jwt(claims))), 401, "unauthorized", "AuthError");

// A JWT that a public key in PEM form verifies.
const pem = new Realm.App({ id: "pem-abcde", baseUrl: process.env.REGENT_URL });
const pat = await pem.logIn(Credentials.jwt(process.env.REGENT_PEM_TOKEN));
assert.deepEqual([pat.identities, pat.profile], [[{ id: "pat", providerType: "custom-token" }], { email: "pat@example.com" }]);
assert.equal((await pem.logIn(Credentials.jwt(process.env.REGENT_PEM_TOKEN))).id, pat.id);
await rejects(pem.logIn(Credentials.jwt(process.env.REGENT_ID_TOKEN)), 401, "unauthorized", "AuthError"); // another audience
await rejects(pem.logIn(Credentials.jwt(jwt(claims))), 401, "unauthorized", "AuthError"); // HS256
await rejects(pem.logIn(Credentials.jwt(process.env.REGENT_PEM_CONFUSED)), 401, "unauthorized", "AuthError"); // the PEM as an HMAC secret

// Google by id token and by code, Apple by id token, Facebook by access token.
const { REGENT_ID_TOKEN: idToken, REGENT_FOREIGN_TOKEN: foreign } = process.env;
const google = await app.logIn(Credentials.google({ idToken }));
assert.deepEqual([google.identities, google.profile], [[{ id: "ida", providerType: "oauth2-google" }], { email: "ida@example.com", name: "IDA" }]);
assert.equal((await app.logIn(Credentials.google({ idToken }))).id, google.id);
assert.deepEqual((await app.logIn(Credentials.google({ authCode: "good code" }))).identities, [{ id: "by-code", providerType: "oauth2-google" }]);
const apple = await app.logIn(Credentials.apple(idToken));
assert.deepEqual(apple.identities, [{ id: "ida", providerType: "oauth2-apple" }]);
assert.notEqual(apple.id, google.id);
const facebook = await app.logIn(Credentials.facebook("ours"));
assert.deepEqual([facebook.identities, facebook.profile], [[{ id: "77", providerType: "oauth2-facebook" }], { email: "fay@example.com", name: "Fay" }]);
for (const bad of [Credentials.google({ idToken: foreign }), Credentials.google({ authCode: "bad code" }), Credentials.apple(foreign), Credentials.facebook("theirs"), Credentials.facebook("nonsense")])
  await rejects(app.logIn(bad), 401, "unauthorized", "AuthError");

// A server's API key is a user of its own, of type server.
const backend = await app.logIn(Credentials.apiKey(process.env.REGENT_SERVER_KEY));
assert.equal(backend.identities[0].providerType, "api-key");
assert.equal((await backend.functions.whoAmI()).type, "server");

// A disabled provider.
await rejects(app.logIn(Credentials.anonymous()), 404, /anon-user/, "AuthProviderNotFound");

// Linking further providers keeps their order.
await app.emailPasswordAuth.registerUser({ email: "j@example.com", password: "secret1" });
await jay.linkCredentials(Credentials.emailPassword("j@example.com", "secret1"));
await rejects(jay.linkCredentials(Credentials.function({ name: "fay", code: "letmein" })), 409, "a user already exists with the specified provider", "InvalidSession");
await jay.linkCredentials(Credentials.function({ name: "jay", code: "letmein" }));
assert.deepEqual(jay.identities.map((i) => i.providerType), ["custom-token", "local-userpass", "custom-function"]);
for (const taken of [Credentials.google({ idToken }), Credentials.apple(idToken), Credentials.facebook("ours"), Credentials.apiKey(process.env.REGENT_SERVER_KEY)])
  await rejects(jay.linkCredentials(taken), 409, "a user already exists with the specified provider", "InvalidSession");
await rejects(jay.linkCredentials(Credentials.google({ idToken: foreign })), 409, "unauthorized", "InvalidSession");
const me = await jay.functions.whoAmI();
assert.deepEqual(me.identities, ["custom-token", "local-userpass", "custom-function"]);
assert.equal(me.id, jay.id);
assert.equal(me.type, "normal");
assert.equal(me.system, false);

// Every type of value survives, both ways.
for (const value of [
  null, true, "text", 5, -1, 1.5, 2 ** 31, [], {}, { a: [1, { b: "x" }] }, new Date(1577836800123),
  new BSON.ObjectId(), BSON.Long.fromString("9007199254740993"), new BSON.Double(3), new BSON.Int32(7), BSON.Decimal128.fromString("1.50"),
  new BSON.Binary(Buffer.from([1, 2, 3]), 0), new BSON.BSONRegExp("^a", "i"), new BSON.BSONRegExp("a\\/b\\\\u002f", ""), new BSON.MinKey(), new BSON.MaxKey(), new BSON.Timestamp(BSON.Long.fromNumber(5)),
]) {
  const got = await jay.functions.identity(value);
  assert.equal(BSON.EJSON.stringify({ v: got }), BSON.EJSON.stringify({ v: value }));
}
assert.equal(await jay.functions.identity(undefined), null);

assert.equal(await jay.functions.sum(), 0);
assert.equal(await jay.functions.sum(1, 2, 3), 6);
assert.equal(await jay.functions.sum(1.25, 2), 3.25);

// Errors of functions.
await rejects(jay.functions.fail(), 400, /unknown.* is not defined/, "FunctionExecutionError");
await rejects(jay.functions.fail({ code: 7 }), 400, /"code"/, "FunctionExecutionError");
await rejects(jay.functions.onlyAdmins(), 403, 'rule not matched for function "onlyAdmins"', "FunctionExecutionError");
const admin = await app.logIn(Credentials.function({ name: "admin", code: "letmein" }));
assert.equal(await admin.functions.onlyAdmins(), "for admins");

// As whom functions run: a system function sees all; called from it, a function
// without settings of its own inherits that.
const [system, count, inherited] = await jay.functions.elevated();
assert.deepEqual([system, count, inherited], [true, 1, 1]);
assert.deepEqual(await jay.functions.asCaller(), []);
console.log("ok");
