// Plays the person of TestLogInInBrowser: opens the address that the program
// printed, fills in the provider's form, and reads what the program's page says.
import { createRequire } from "node:module";
import { join } from "node:path";

// The packages are test/web's, where this is started.
const { chromium } = createRequire(join(process.cwd(), "package.json"))("playwright-core");

const browser = await chromium.launch({
  executablePath: process.env.REGENT_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(process.env.LOGIN_ADDRESS);
  await page.fill("#username", "test-user2");
  await page.fill("#password", "verysecure");
  await page.press("#password", "Enter");
  await page.getByText("You are logged in and can close this page.").waitFor();
  // No token stays in the address, where the history would keep it.
  if (page.url().includes("_baas")) throw new Error(`the address is ${page.url()}`);
} finally {
  await browser.close();
}
