// Web Push in headless Chromium, as far as it goes without a browser maker's
// push network: the page makes a subscription's keys, registers with the
// server, decrypts what the server sends (WebCrypto), and hands it to the
// service worker as the network would.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { REGENT_URL, REGENT_APP_ID, PAGE_URL, ENDPOINT, MESSAGE_URL, SEND_URL } = process.env;

const browser = await chromium.launch({
  executablePath: process.env.REGENT_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const context = await browser.newContext();
  await context.grantPermissions(["notifications"], { origin: PAGE_URL });
  const page = await context.newPage();
  await page.goto(PAGE_URL);

  // Log in and register, as the page of docs/push.md does.
  const registered = await page.evaluate(async ({ base, app, endpoint }) => {
    const json = { "Content-Type": "application/json" };
    const user = await (await fetch(`${base}/api/client/v2.0/app/${app}/auth/providers/anon-user/login`, { method: "POST", headers: json, body: "{}" })).json();
    const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
    const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const auth = crypto.getRandomValues(new Uint8Array(16));
    const b64 = (b) => btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    window.keys = { pair, point, auth };
    const subscription = { endpoint, expirationTime: null, keys: { p256dh: b64(point), auth: b64(auth) } };
    const answer = await fetch(`${base}/api/client/v2.0/app/${app}/push/providers/web/registration`, {
      method: "PUT",
      headers: { ...json, Authorization: `Bearer ${user.access_token}` },
      body: JSON.stringify({ registrationToken: JSON.stringify(subscription) }),
    });
    return answer.status;
  }, { base: REGENT_URL, app: REGENT_APP_ID, endpoint: ENDPOINT });
  assert.equal(registered, 204);

  // The test sends; the encrypted message comes back.
  assert.equal((await fetch(SEND_URL)).status, 200);
  const sealed = [...new Uint8Array(await (await fetch(MESSAGE_URL)).arrayBuffer())];
  assert.ok(sealed.length > 103);

  const text = await page.evaluate(async (bytes) => {
    const { pair, point, auth } = window.keys;
    const body = new Uint8Array(bytes), salt = body.slice(0, 16), sender = body.slice(21, 86), cipher = body.slice(86);
    const utf8 = (s) => new TextEncoder().encode(s);
    const hkdf = async (secret, salt, info, length) => {
      const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
      return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, length * 8));
    };
    const other = await crypto.subtle.importKey("raw", sender, { name: "ECDH", namedCurve: "P-256" }, false, []);
    const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: other }, pair.privateKey, 256));
    const secret = await hkdf(shared, auth, new Uint8Array([...utf8("WebPush: info\0"), ...point, ...sender]), 32);
    const key = await crypto.subtle.importKey("raw", await hkdf(secret, salt, utf8("Content-Encoding: aes128gcm\0"), 16), "AES-GCM", false, ["decrypt"]);
    const iv = await hkdf(secret, salt, utf8("Content-Encoding: nonce\0"), 12);
    const plain = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, cipher));
    return new TextDecoder().decode(plain.slice(0, plain.lastIndexOf(2)));
  }, sealed);
  assert.deepEqual(JSON.parse(text), { notification: { title: "Hello" }, data: { n: "1" } });

  // The service worker of docs/push.md shows it.
  const devtools = await context.newCDPSession(page);
  const found = new Promise((resolve) => devtools.on("ServiceWorker.workerRegistrationUpdated", (e) => e.registrations[0] && resolve(e.registrations[0].registrationId)));
  await devtools.send("ServiceWorker.enable");
  await page.evaluate(async () => { await navigator.serviceWorker.register("/worker.js"); await navigator.serviceWorker.ready; });
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: new URL(PAGE_URL).origin, registrationId: await found, data: text });
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    for (let i = 0; i < 100; i++) {
      const shown = await registration.getNotifications();
      if (shown.length) return { title: shown[0].title, data: shown[0].data };
      await new Promise((r) => setTimeout(r, 50));
    }
  }).then((shown) => assert.deepEqual(shown, { title: "Hello", data: { n: "1" } }));
  console.log("the notification was shown");
} finally {
  await browser.close();
}
