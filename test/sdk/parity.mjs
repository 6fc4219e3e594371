// Runs the JavaScript side of TestParity with the unmodified realm-web: each
// step is announced to the recording proxy and then evaluated. Steps share the
// variables on `v`.
import { createRequire } from "node:module";
import { join } from "node:path";
import { readFileSync } from "node:fs";

// The packages are test/web's, where this is started.
const require = createRequire(join(process.cwd(), "package.json"));
const Realm = require("realm-web");

const url = process.env.REGENT_URL;
const steps = JSON.parse(readFileSync(process.env.PARITY_STEPS, "utf8"));
const app = new Realm.App({ id: process.env.REGENT_APP_ID, baseUrl: url, app: { name: "parity", version: "1.0" } });
const AsyncFunction = (async () => {}).constructor;
const v = {};
for (const [name, code] of steps) {
  await fetch(`${url}/__step/${name}`);
  try {
    await new AsyncFunction("app", "Credentials", "BSON", "v", code)(app, Realm.Credentials, Realm.BSON, v);
  } catch (err) {
    console.error(`step ${name}: ${err.stack}`);
    process.exit(1);
  }
}
