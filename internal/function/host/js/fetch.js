// fetch, Headers, Request, Response, Blob, FormData.
var request = load('request'), E = load('encoding');
var asyncIterator = Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator');

class Headers {
  #map = new Map();
  constructor(init) {
    if (init === undefined || init === null) return;
    if (init instanceof Headers) init.forEach((v, k) => this.append(k, v));
    else if (typeof init[Symbol.iterator] === 'function') for (var p of init) this.append(p[0], p[1]);
    else for (var k of Object.keys(init)) for (var v of [].concat(init[k])) this.append(k, v);
  }
  append(k, v) { k = name(k); v = value(v); var l = this.#map.get(k); if (l) l.push(v); else this.#map.set(k, [v]); }
  delete(k) { this.#map.delete(name(k)); }
  get(k) { var l = this.#map.get(name(k)); return l ? l.join(', ') : null; }
  getSetCookie() { return (this.#map.get('set-cookie') || []).slice(); }
  has(k) { return this.#map.has(name(k)); }
  set(k, v) { this.#map.set(name(k), [value(v)]); }
  forEach(fn, self) { for (var p of this) fn.call(self, p[1], p[0], this); }
  *entries() { for (var k of [...this.#map.keys()].sort()) yield [k, this.#map.get(k).join(', ')]; }
  *keys() { for (var p of this.entries()) yield p[0]; }
  *values() { for (var p of this.entries()) yield p[1]; }
  [Symbol.iterator]() { return this.entries(); }
  raw() { var o = {}; this.#map.forEach(function (l, k) { o[k] = l; }); return o; }
}
function name(k) { k = String(k).toLowerCase(); if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(k)) throw new TypeError('Invalid header name: ' + k); return k; }
function value(v) { v = String(v).trim(); if (/[\0\r\n]/.test(v)) throw new TypeError('Invalid header value'); return v; }

class Blob {
  constructor(parts, options) {
    var chunks = [...(parts || [])].map(function (p) { return typeof p === 'string' ? native.utf8Encode(p) : p instanceof Blob ? p.__bytes : p instanceof ArrayBuffer ? new Uint8Array(p) : ArrayBuffer.isView(p) ? new Uint8Array(p.buffer, p.byteOffset, p.byteLength) : native.utf8Encode(String(p)); });
    Object.defineProperty(this, '__bytes', { value: load('buffer').Buffer.concat(chunks) });
    this.type = options && options.type ? String(options.type).toLowerCase() : '';
  }
  get size() { return this.__bytes.length; }
  async text() { return native.utf8Decode(this.__bytes); }
  async arrayBuffer() { return Uint8Array.from(this.__bytes).buffer; }
  slice(a, b, type) { return new Blob([this.__bytes.slice(a, b)], { type: type || '' }); }
}
class File extends Blob { constructor(parts, name, options) { super(parts, options); this.name = String(name); this.lastModified = options && options.lastModified || Date.now(); } }
class FormData {
  #list = [];
  #entry(v, filename) { return v instanceof Blob ? (filename === undefined && v instanceof File ? v : new File([v], filename === undefined ? 'blob' : filename, { type: v.type })) : String(v); }
  append(k, v, f) { this.#list.push([String(k), this.#entry(v, f)]); }
  set(k, v, f) { this.delete(k); this.append(k, v, f); }
  get(k) { var p = this.#list.find(function (x) { return x[0] === String(k); }); return p ? p[1] : null; }
  getAll(k) { return this.#list.filter(function (x) { return x[0] === String(k); }).map(function (x) { return x[1]; }); }
  has(k) { return this.get(k) !== null; }
  delete(k) { this.#list = this.#list.filter(function (x) { return x[0] !== String(k); }); }
  forEach(fn, self) { for (var p of this.#list) fn.call(self, p[1], p[0], this); }
  entries() { return this.#list[Symbol.iterator](); }
  keys() { return this.#list.map(function (p) { return p[0]; })[Symbol.iterator](); }
  values() { return this.#list.map(function (p) { return p[1]; })[Symbol.iterator](); }
  [Symbol.iterator]() { return this.entries(); }
  __encode() {
    var boundary = '----regent' + native.newObjectId(), parts = [];
    for (var p of this.#list) {
      var head = '--' + boundary + '\r\nContent-Disposition: form-data; name="' + p[0].replace(/["\r\n]/g, encodeURIComponent) + '"';
      if (typeof p[1] === 'string') parts.push(head + '\r\n\r\n' + p[1] + '\r\n');
      else { parts.push(head + '; filename="' + p[1].name.replace(/["\r\n]/g, encodeURIComponent) + '"\r\nContent-Type: ' + (p[1].type || 'application/octet-stream') + '\r\n\r\n', p[1], '\r\n'); }
    }
    parts.push('--' + boundary + '--\r\n');
    return { type: 'multipart/form-data; boundary=' + boundary, bytes: new Blob(parts).__bytes };
  }
}

function encodeBody(b) {
  if (b === undefined || b === null) return { bytes: null };
  if (typeof b === 'string') return { bytes: native.utf8Encode(b), type: 'text/plain;charset=UTF-8' };
  if (b instanceof FormData) return b.__encode();
  if (b instanceof Blob) return { bytes: b.__bytes, type: b.type || undefined };
  if (b instanceof load('url').URLSearchParams) return { bytes: native.utf8Encode(b.toString()), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (b instanceof ArrayBuffer) return { bytes: new Uint8Array(b) };
  if (ArrayBuffer.isView(b)) return { bytes: new Uint8Array(b.buffer, b.byteOffset, b.byteLength) };
  if (b._bsontype === 'Binary') return { bytes: b.buffer };
  return { bytes: native.utf8Encode(String(b)), type: 'text/plain;charset=UTF-8' };
}

class Body {
  #bytes; #used = false;
  constructor(bytes) { this.#bytes = bytes; }
  get bodyUsed() { return this.#used; }
  get body() {
    if (this.#bytes === null) return null;
    var take = () => this.#take();
    return {
      locked: false,
      getReader: function () { var sent = false; return { read: async function () { if (sent) return { done: true, value: undefined }; sent = true; var b = take(); return b.length ? { done: false, value: Uint8Array.from(b) } : { done: true, value: undefined }; }, releaseLock: function () {}, cancel: async function () {}, closed: Promise.resolve() }; },
      cancel: async function () {},
      [asyncIterator]: function () { var r = this.getReader(); return { next: r.read, return: async function () { return { done: true }; } }; },
    };
  }
  #take() {
    if (this.#used) throw new TypeError('Body is unusable: Body has already been read');
    this.#used = this.#bytes !== null;
    return this.#bytes === null ? new Uint8Array(0) : this.#bytes;
  }
  __peek() { return this.#bytes; }
  async text() { return new E.TextDecoder().decode(this.#take()); }
  async json() { return JSON.parse(new E.TextDecoder().decode(this.#take())); }
  async arrayBuffer() { return Uint8Array.from(this.#take()).buffer; }
  async bytes() { return Uint8Array.from(this.#take()); }
  async buffer() { return load('buffer').Buffer.from(this.#take()); }
  async blob() { return new Blob([this.#take()], { type: this.headers.get('content-type') || '' }); }
  async formData() {
    var f = new FormData();
    for (var p of new (load('url').URLSearchParams)(native.utf8Decode(this.#take()))) f.append(p[0], p[1]);
    return f;
  }
}

class Request extends Body {
  constructor(input, init) {
    init = init || {};
    var from = input instanceof Request ? input : null, b = encodeBody(init.body !== undefined ? init.body : from ? from.__peek() : null);
    super(b.bytes);
    this.url = from ? from.url : new (load('url').URL)(String(input)).href;
    this.method = String(init.method || (from ? from.method : 'GET')).replace(/^(get|post|put|delete|head|options)$/i, function (m) { return m.toUpperCase(); });
    this.headers = new Headers(init.headers || (from ? from.headers : undefined));
    if (b.type && !this.headers.has('content-type')) this.headers.set('content-type', b.type);
    this.redirect = init.redirect || (from ? from.redirect : 'follow');
    this.signal = init.signal || (from ? from.signal : undefined);
    if (b.bytes !== null && (this.method === 'GET' || this.method === 'HEAD')) throw new TypeError('Request with GET/HEAD method cannot have body');
  }
  clone() { return new Request(this); }
}

class Response extends Body {
  constructor(body, init) {
    init = init || {};
    var b = encodeBody(body);
    super(b.bytes);
    this.status = init.status === undefined ? 200 : init.status;
    this.statusText = init.statusText === undefined ? '' : String(init.statusText);
    this.headers = new Headers(init.headers);
    if (b.type && !this.headers.has('content-type')) this.headers.set('content-type', b.type);
    this.type = 'default'; this.url = ''; this.redirected = false;
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  clone() { var r = new Response(this.__peek(), this); r.url = this.url; r.redirected = this.redirected; return r; }
  static json(v, init) { var r = new Response(JSON.stringify(v), init); r.headers.set('content-type', 'application/json'); return r; }
  static error() { var r = new Response(null); r.status = 0; r.type = 'error'; return r; }
  static redirect(url, status) { return new Response(null, { status: status || 302, headers: { location: String(url) } }); }
}

function fetch(input, init) {
  return new Promise(function (resolve, reject) {
    var r = new Request(input, init), signal = r.signal;
    if (signal && signal.aborted) { reject(signal.reason); return; }
    if (signal) signal.addEventListener('abort', function () { reject(signal.reason); });
    request.send({ method: r.method, url: r.url, headers: r.headers.raw(), body: r.__peek(), follow: r.redirect === 'follow' }).then(function (x) {
      if (r.redirect === 'error' && x.statusCode >= 300 && x.statusCode < 400 && x.headers.Location) throw new TypeError('fetch failed: redirected');
      var none = x.statusCode === 204 || x.statusCode === 304 || r.method === 'HEAD';
      var out = new Response(none ? null : x.body.buffer, { status: x.statusCode, statusText: x.statusText, headers: x.headers });
      out.url = x.url; out.redirected = x.url !== r.url; out.type = 'basic';
      resolve(out);
    }).catch(function (e) {
      var err = new TypeError('fetch failed: ' + e.message);
      err.cause = e;
      reject(err);
    });
  });
}
return { fetch: fetch, Headers: Headers, Request: Request, Response: Response, Blob: Blob, File: File, FormData: FormData };
