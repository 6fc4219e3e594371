// Runs the functions of the case files that it is given under Node and prints
// what each gives, as canonical Extended JSON, one line a case.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import vm from "node:vm";

const require = createRequire(import.meta.url);

function extended(v) {
  if (v === undefined) return { $undefined: true };
  if (typeof v === "bigint") return { $numberLong: String(v) };
  if (typeof v === "number") {
    if (Number.isSafeInteger(v) && !Object.is(v, -0)) return v >= -(2 ** 31) && v < 2 ** 31 ? { $numberInt: String(v) } : { $numberLong: String(v) };
    return { $numberDouble: Object.is(v, -0) ? "-0.0" : String(v) };
  }
  if (v === null || typeof v !== "object") return v;
  if (v instanceof Date) return { $date: { $numberLong: String(v.getTime()) } };
  if (ArrayBuffer.isView(v) || v instanceof ArrayBuffer) return { $binary: { base64: Buffer.from(v.buffer ?? v, v.byteOffset, v.byteLength).toString("base64"), subType: "00" } };
  if (Array.isArray(v)) return v.map(extended);
  return Object.fromEntries(Object.entries(v).filter(([, x]) => typeof x !== "function").map(([k, x]) => [k, extended(x)]));
}

for (const file of process.argv.slice(2)) {
  const [head, ...parts] = readFileSync(file, "utf8").split(/^-- (.+) --\n/m);
  const functions = {};
  for (let i = 0; i < parts.length; i += 2) functions[parts[i]] = parts[i + 1];
  for (const [, name] of head.matchAll(/^call (\S+) \[\]$/gm)) {
    let line;
    try {
      const f = vm.runInThisContext(`(function(require,exports){return(function(){${functions[name]}\n;return exports}).call(this)})`, { filename: name + ".js" })(require, {});
      line = "want " + JSON.stringify(extended(await f()));
    } catch (e) {
      line = "fail " + e.message;
    }
    console.log(JSON.stringify([file, name, line]));
  }
}
