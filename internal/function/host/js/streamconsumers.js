// Node's stream/consumers: all of a stream at once.
var Buffer = load('buffer').Buffer;
async function buffer(s) {
  var it = s[Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator')](), parts = [];
  for (var r = await it.next(); !r.done; r = await it.next()) parts.push(Buffer.from(r.value));
  return Buffer.concat(parts);
}
async function text(s) { return new (load('encoding').TextDecoder)().decode(await buffer(s)); }
async function json(s) { return JSON.parse(await text(s)); }
async function arrayBuffer(s) { var b = await buffer(s); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); }
async function blob(s) { return new (load('fetch').Blob)([await buffer(s)]); }
return { exports: { arrayBuffer: arrayBuffer, blob: blob, buffer: buffer, json: json, text: text } };
