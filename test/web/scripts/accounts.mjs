// Accounts in headless Chromium: the redirect flow of realm-web with an OpenID
// provider, linking by it, and the pages behind the links of mails.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const url = process.env.REGENT_URL;
const redirect = process.env.REGENT_PAGE;

const browser = await chromium.launch({
  executablePath: process.env.REGENT_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(redirect);
  await page.waitForFunction(() => window.ready);
  await page.evaluate((url) => (window.app = new Realm.App({ id: "accounts-abcde", baseUrl: url })), url);
  return page;
}

// atProvider fills in the provider's form in the window that realm-web opens
// while work runs in the page.
async function atProvider(page, user, work, argument) {
  const popup = page.waitForEvent("popup");
  const done = page.evaluate(work, argument);
  done.catch(() => {});
  const form = await popup;
  await form.fill("#username", user);
  await form.fill("#password", "verysecure");
  // The window closes itself when the log-in is done, which may be before the
  // key is up again.
  await form.press("#password", "Enter").catch((err) => {
    if (!form.isClosed()) throw err;
  });
  return done;
}

// shot keeps a picture of a page where REGENT_SHOTS names a folder.
const shot = async (page, name) => process.env.REGENT_SHOTS && page.screenshot({ path: `${process.env.REGENT_SHOTS}/${name}.png` });

const describe = `(user) => ({ id: user.id, identities: user.identities.map((i) => i.providerType), profile: user.profile, device: user.deviceId, loggedIn: user.isLoggedIn })`;

const login = async ([redirect, describe]) => eval(describe)(await app.logIn(Realm.Credentials.google({ redirectUrl: redirect })));
const link = async ([redirect, describe]) => {
  await app.currentUser.linkCredentials(Realm.Credentials.google({ redirectUrl: redirect }));
  await app.currentUser.refreshCustomData();
  return eval(describe)(app.currentUser);
};
const company = async ([redirect, describe]) => eval(describe)(await app.logIn(new Realm.Credentials("oauth2-company", "oauth2-company", false, { redirectUrl: redirect })));
const linkCompany = async ([redirect, describe]) => {
  await app.currentUser.linkCredentials(new Realm.Credentials("oauth2-company", "oauth2-company", false, { redirectUrl: redirect }));
  return eval(describe)(app.currentUser);
};
const anonymous = async (describe) => eval(describe)(await app.logIn(Realm.Credentials.anonymous(false)));

try {
  // Log in, twice: the same user.
  const page = await open(await browser.newContext());
  const first = await atProvider(page, "test-user2", login, [redirect, describe]);
  assert.deepEqual(first.identities, ["oauth2-google"]);
  assert.equal(first.profile.email, "test-user2@zitadel.ch");
  assert.equal(first.profile.firstName, "Test");
  assert.ok(first.device && first.loggedIn);
  const other = await open(await browser.newContext());
  const again = await atProvider(other, "test-user2", login, [redirect, describe]);
  assert.equal(again.id, first.id);

  // Any OpenID provider under a name of the app's own: its identities are its own.
  const named = await open(await browser.newContext());
  const employee = await atProvider(named, "test-user2", company, [redirect, describe]);
  assert.notEqual(employee.id, first.id);
  assert.deepEqual([employee.identities, employee.profile.email, employee.profile.called], [["oauth2-company"], "test-user2@zitadel.ch", "Test User2"]);

  // Link another account of the provider to an anonymous user.
  const linking = await open(await browser.newContext());
  const before = await linking.evaluate(anonymous, describe);
  const after = await atProvider(linking, "test-user@127.0.0.1", link, [redirect, describe]);
  assert.equal(after.id, before.id);
  assert.deepEqual(after.identities, ["anon-user", "oauth2-google"]);
  const both = await atProvider(linking, "test-user@127.0.0.1", linkCompany, [redirect, describe]);
  assert.deepEqual([both.id, both.identities], [before.id, ["anon-user", "oauth2-google", "oauth2-company"]]);

  // Linking what belongs to somebody is refused, once. realm-web does not look
  // at the error that the page gets, and says this for every one.
  const refused = await open(await browser.newContext());
  await refused.evaluate(anonymous, describe);
  await assert.rejects(atProvider(refused, "test-user2", link, [redirect, describe]), /Failed to decode 'authInfo'/);
  assert.deepEqual(await refused.evaluate(async () => { await app.currentUser.refreshCustomData(); return app.currentUser.identities.map((i) => i.providerType); }), ["anon-user"]);

  // Who refuses at the provider comes back without a session, and no user is made of
  // it; the next try works.
  const reluctant = await open(await browser.newContext());
  const asked = reluctant.waitForEvent("popup");
  const no = reluctant.evaluate(login, [redirect, describe]).then(() => "ok", String);
  const consent = await asked;
  let fragment;
  consent.on("response", (r) => {
    const to = r.headers().location ?? "";
    if (to.startsWith(redirect)) fragment = new URLSearchParams(new URL(to).hash.slice(1));
  });
  const request = await consent.locator("input[name=id]").getAttribute("value");
  await consent.goto(new URL("/deny?id=" + request, consent.url()).href).catch((err) => {
    if (!consent.isClosed()) throw err; // the page closed itself
  });
  assert.match(await no, /Failed to decode 'authInfo'/);
  assert.deepEqual([fragment.get("_baas_error"), fragment.has("_baas_ua")], ["The user refused", false]);
  assert.equal(await reluctant.evaluate(() => app.currentUser), null);
  const willing = await atProvider(reluctant, "test-user2", login, [redirect, describe]);
  assert.equal(willing.id, first.id);

  // A page that the app does not name gets nothing, nor does a window that is closed.
  const astray = await open(await browser.newContext());
  const popup = astray.waitForEvent("popup");
  const lost = astray.evaluate(login, [redirect + "elsewhere", describe]).then(() => "ok", String);
  const shown = await popup;
  await shown.waitForFunction(() => document.body?.textContent.includes("redirect"));
  await shown.close();
  assert.match(await lost, /Window closed/);
  await astray.evaluate(anonymous, describe);
  assert.match(await astray.evaluate(link, [redirect + "elsewhere", describe]).then(() => "ok", String), /status 400/);

  // Register, confirm by the mail's link and Regent's page, reset the same way.
  const mail = await open(await browser.newContext());
  const outcome = (work, argument) => mail.evaluate(`(${work})(${JSON.stringify(argument)}).then(() => "ok", (err) => err.error ?? String(err))`);
  const logIn = `([email, password]) => app.logIn(Realm.Credentials.emailPassword(email, password))`;
  const address = "ann@example.com";
  assert.equal(await outcome(`(email) => app.emailPasswordAuth.registerUser({ email, password: "secret1" })`, address), "ok");
  assert.equal(await outcome(logIn, [address, "secret1"]), "unauthorized");

  const outbox = await mail.context().newPage();
  outbox.setDefaultTimeout(15_000);
  await outbox.goto(url + "/outbox");
  await shot(outbox, "outbox");
  await outbox.click("text=Open the link of this mail");
  await outbox.waitForSelector("text=Confirm the address");
  await shot(outbox, "confirm");
  await outbox.click("text=Confirm the address");
  await outbox.waitForSelector("[role=status]");
  await shot(outbox, "confirmed");
  assert.equal(await outcome(logIn, [address, "secret1"]), "ok");

  assert.equal(await outcome(`(email) => app.emailPasswordAuth.sendResetPasswordEmail({ email })`, address), "ok");
  await outbox.goto(url + "/outbox");
  await outbox.click("text=Open the link of this mail >> nth=0");
  await outbox.getByLabel("New password").fill("secret2");
  await outbox.getByLabel("The same once more").fill("secret3");
  await outbox.click("text=Change the password");
  assert.match(await outbox.textContent("[role=alert]"), /differ/);
  await shot(outbox, "reset");
  await outbox.getByLabel("New password").fill("secret2");
  await outbox.getByLabel("The same once more").fill("secret2");
  await outbox.click("text=Change the password");
  await outbox.waitForSelector("[role=status]");
  assert.equal(await outcome(logIn, [address, "secret1"]), "unauthorized");
  assert.equal(await outcome(logIn, [address, "secret2"]), "ok");
  console.log("ok");
} finally {
  await browser.close();
}
