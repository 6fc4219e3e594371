// Node's zlib: whole pieces at a time.
var B = load('buffer'), Buffer = B.Buffer, Transform = load('stream').exports.Transform;
function input(v) { return typeof v === 'string' ? Buffer.from(v) : v instanceof ArrayBuffer ? new Uint8Array(v) : v; }
var api = { constants: { Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1, Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_PARAM_MODE: 0, BROTLI_PARAM_QUALITY: 1, BROTLI_PARAM_LGWIN: 2, BROTLI_PARAM_SIZE_HINT: 5, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11, BROTLI_MIN_WINDOW_BITS: 10, BROTLI_MAX_WINDOW_BITS: 24, BROTLI_DEFAULT_WINDOW: 22 } };
Object.assign(api, api.constants);
function add(name, className, run) {
  api[name + 'Sync'] = function (data, o) { try { return B.adopt(run(input(data), o || {})); } catch (e) { e.code = e.code || 'Z_DATA_ERROR'; throw e; } };
  api[name] = function (data, o, cb) {
    if (typeof o === 'function') { cb = o; o = {}; }
    var v, e = null;
    try { v = api[name + 'Sync'](data, o); } catch (x) { e = x; }
    Promise.resolve().then(function () { if (e) cb(e); else cb(null, v); });
  };
  class C extends Transform {
    constructor(o) { super(o); this.__o = o || {}; this.__parts = []; }
    _transform(chunk, encoding, cb) { this.__parts.push(chunk); cb(); }
    _flush(cb) {
      var data = Buffer.concat(this.__parts);
      if (data.length === 0 && !/^(gzip|deflate|brotliCompress)/.test(name)) return cb();
      try { this.push(api[name + 'Sync'](data, this.__o)); } catch (e) { return cb(e); }
      cb();
    }
    flush(kind, cb) { if (typeof kind === 'function') cb = kind; if (cb) Promise.resolve().then(cb); }
    close(cb) { this.destroy(); if (cb) Promise.resolve().then(cb); }
  }
  Object.defineProperty(C, 'name', { value: className });
  api[className] = C;
  api['create' + className] = function (o) { return new C(o); };
}
add('gzip', 'Gzip', function (d, o) { return native.deflate('gzip', d, o.level); });
add('gunzip', 'Gunzip', function (d) { return native.inflate('gzip', d); });
add('deflate', 'Deflate', function (d, o) { return native.deflate('zlib', d, o.level); });
add('inflate', 'Inflate', function (d) { return native.inflate('zlib', d); });
add('deflateRaw', 'DeflateRaw', function (d, o) { return native.deflate('raw', d, o.level); });
add('inflateRaw', 'InflateRaw', function (d) { return native.inflate('raw', d); });
add('unzip', 'Unzip', function (d) { return native.inflate('unzip', d); });
function parameter(o, key) { return o.params && o.params[key]; }
add('brotliCompress', 'BrotliCompress', function (d, o) {
  var quality = parameter(o, api.constants.BROTLI_PARAM_QUALITY);
  return native.brotli(d, quality === undefined ? 11 : quality, parameter(o, api.constants.BROTLI_PARAM_LGWIN) || 0);
});
add('brotliDecompress', 'BrotliDecompress', function (d) { return native.inflate('brotli', d); });
api.crc32 = function (data, start) { return native.crc32(input(data), start || 0); };
return { exports: api };
