// Uses the example app's page in headless Chromium as two people at two tabs
// would. REGENT_SHOT names a file for a screenshot.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const url = process.env.REGENT_URL;
const email = `grace-${Date.now()}@example.com`;
const password = "amazing grace";

const browser = await chromium.launch({
  executablePath: process.env.REGENT_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const complaints = [];
async function open(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (err) => complaints.push(String(err)));
  page.on("console", (m) => m.type() === "error" && !/status of 4\d\d/.test(m.text()) && complaints.push(m.text()));
  await page.goto(url);
  return page;
}

const texts = (page) => page.locator("#items li span").allTextContents();
const waitForItems = (page, want) =>
  page.waitForFunction(
    (want) => JSON.stringify([...document.querySelectorAll("#items li span")].map((e) => e.textContent)) === want,
    JSON.stringify(want),
  );

try {
  const context = await browser.newContext({ viewport: { width: 900, height: 720 } });
  const page = await open(context);

  // Anonymous, with custom data from the first token on.
  await page.click("#anonymous");
  await page.waitForSelector("#signed-in:not([hidden])");
  assert.equal(await page.textContent("#name"), "guest");
  assert.equal(await page.textContent("#identities"), "anon-user");
  await page.waitForSelector("#live.on");

  await page.fill("#text", "Buy milk");
  await page.press("#text", "Enter");
  await waitForItems(page, ["Buy milk"]);
  await page.fill("#text", "100 % sure?");
  await page.press("#text", "Enter");
  await waitForItems(page, ["Buy milk", "100 % sure?"]);

  // Another tab of the same browser is the same user, and sees changes live.
  const tab = await open(context);
  await waitForItems(tab, ["Buy milk", "100 % sure?"]);
  await tab.waitForSelector("#live.on");
  await tab.check('[aria-label="Done: Buy milk"]');
  await page.waitForSelector("#items li.done");
  await page.waitForFunction(() => document.querySelector("#summary").textContent.startsWith("1 open, 1 done. Have a good day"));

  // Link the anonymous user: the to-dos stay.
  await page.click("#link summary");
  await page.fill("#link-email", email);
  await page.fill("#link-password", password);
  await page.click("#link-form button");
  await page.waitForFunction(() => document.querySelector("#identities").textContent === "anon-user + local-userpass");
  assert.deepEqual(await texts(page), ["Buy milk", "100 % sure?"]);

  // Custom data: written under the rules, read back from a new token.
  await page.click("details:last-of-type summary");
  await page.fill("#new-name", "Grace");
  await page.click("#rename button");
  await page.waitForFunction(() => document.querySelector("#name").textContent === "Grace");
  if (process.env.REGENT_SHOT) await page.screenshot({ path: process.env.REGENT_SHOT });

  await tab.click('[aria-label="Delete: Buy milk"]');
  await waitForItems(page, ["100 % sure?"]);

  // Log out, a wrong password, the right one.
  await page.click("#logout");
  await page.waitForSelector("#signed-out:not([hidden])");
  await page.fill("#email", email);
  await page.fill("#password", "wrong password");
  await page.click("#login");
  await page.waitForSelector("#error:not([hidden])");
  assert.equal(await page.textContent("#error"), "unauthorized");
  await page.fill("#password", password);
  await page.click("#login");
  await waitForItems(page, ["100 % sure?"]);
  assert.equal(await page.textContent("#name"), "Grace");

  // Somebody else registers and sees nothing of it.
  const stranger = await open(await browser.newContext());
  await stranger.fill("#email", "x" + email);
  await stranger.fill("#password", password);
  await stranger.click("#register");
  await stranger.waitForSelector("#none:not([hidden])");
  assert.deepEqual(await texts(stranger), []);

  // A reload stays logged in.
  await page.reload();
  await waitForItems(page, ["100 % sure?"]);
  assert.deepEqual(complaints, []);
  console.log("ok");
} catch (err) {
  console.error("complaints of the pages:", complaints);
  throw err;
} finally {
  await browser.close();
}
