// URL and URLSearchParams in the shape of the WHATWG standard, and Node's older
// url.parse, url.format and url.resolve.
var special = { 'http:': '80', 'https:': '443', 'ftp:': '21', 'ws:': '80', 'wss:': '443', 'file:': '' };

function invalid(text) { var e = new TypeError('Invalid URL'); e.code = 'ERR_INVALID_URL'; e.input = text; return e; }
function encode(text, keep) {
  return String(text).replace(/[\ud800-\udbff][\udc00-\udfff]|[^]/g, function (c) {
    if (keep.test(c)) return c;
    try { return encodeURIComponent(c).replace(/[!'()*~]/g, function (x) { return x; }).replace(/^[!'()*~]$/, function (x) { return '%' + x.charCodeAt(0).toString(16).toUpperCase(); }); } catch (e) { return '%EF%BF%BD'; }
  });
}
var pathKeep = /[A-Za-z0-9\-._~!$&'()*+,;=:@%\/\[\]|^]/, queryKeep = /[A-Za-z0-9\-._~!$&()*+,;=:@%\/?\[\]{}|^`\\]/, hashKeep = /[A-Za-z0-9\-._~!$&'()*+,;=:@%\/?\[\]{}|^\\#]/, userKeep = /[A-Za-z0-9\-._~!$&'()*+,%]/;

function parseHost(host, isSpecial) {
  if (host[0] === '[') { if (!/^\[[0-9a-fA-F:.]+\]$/.test(host)) return undefined; return host.toLowerCase(); }
  if (!isSpecial) return /[\s#\/?@\\<>^|]/.test(host) ? undefined : encode(host, /[!-~]/);
  try { host = decodeURIComponent(host); } catch (e) { return undefined; }
  if (host === '') return undefined;
  var ascii = native.toASCII(host);
  if (ascii === undefined || /[\s#%\/:<>?@\[\\\]^|\u0000-\u001f]/.test(ascii)) return undefined;
  return ipv4(ascii);
}
// Numbers of any base and length mean an IPv4 address, as in browsers.
function ipv4(host) {
  var parts = host.replace(/\.$/, '').split('.');
  if (!/^(0[xX][0-9a-fA-F]*|\d+)$/.test(parts[parts.length - 1])) return host;
  if (parts.length > 4) return undefined;
  var numbers = [];
  for (var p of parts) {
    if (p === '') return undefined;
    var n = /^0[xX]/.test(p) ? (p.length === 2 ? 0 : parseInt(p.slice(2), 16)) : p.length > 1 && p[0] === '0' ? (/^[0-7]+$/.test(p) ? parseInt(p, 8) : NaN) : /^\d+$/.test(p) ? parseInt(p, 10) : NaN;
    if (isNaN(n)) return undefined;
    numbers.push(n);
  }
  var last = numbers.pop();
  if (last >= Math.pow(256, 4 - numbers.length) || numbers.some(function (n) { return n > 255; })) return undefined;
  for (var i = 0; i < numbers.length; i++) last += numbers[i] * Math.pow(256, 3 - i);
  return [Math.floor(last / 16777216), Math.floor(last / 65536) % 256, Math.floor(last / 256) % 256, last % 256].join('.');
}
function cleanPath(path, isSpecial) {
  if (isSpecial) path = path.replace(/\\/g, '/');
  var out = [], parts = path.split('/');
  parts.shift();
  parts.forEach(function (p, i) {
    var lower = p.toLowerCase().replace(/%2e/g, '.'), last = i === parts.length - 1;
    if (lower === '..') { out.pop(); if (last) out.push(''); } else if (lower === '.') { if (last) out.push(''); } else out.push(encode(p, pathKeep));
  });
  return '/' + out.join('/');
}

function parse(input, base) {
  var text = String(input).replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, '').replace(/[\t\n\r]/g, '');
  var r = { protocol: '', username: '', password: '', hostname: '', port: '', pathname: '', search: '', hash: '', opaque: false };
  var i = text.indexOf('#');
  if (i >= 0) { r.hash = text.length > i + 1 ? '#' + encode(text.slice(i + 1), hashKeep) : ''; text = text.slice(0, i); }
  var m = /^([a-zA-Z][a-zA-Z0-9+\-.]*):/.exec(text);
  var from = base === undefined ? undefined : base instanceof URL ? base.__parts() : parse(base);
  if (m && from && m[1].toLowerCase() + ':' === from.protocol && special[from.protocol] !== undefined && !/^[\/\\]/.test(text.slice(m[0].length))) { text = text.slice(m[0].length); m = null; }
  if (!m) {
    if (!from || from.opaque && text !== '') throw invalid(input);
    r.protocol = from.protocol;
    var isSpecial = special[r.protocol] !== undefined;
    if (isSpecial ? /^[\/\\]{2}/.test(text) : text.slice(0, 2) === '//') return authority(r, text, input);
    r.username = from.username; r.password = from.password; r.hostname = from.hostname; r.port = from.port; r.opaque = from.opaque;
    var q = text.indexOf('?'), search = '';
    if (q >= 0) { search = text.slice(q + 1); text = text.slice(0, q); }
    if (text === '') { r.pathname = from.pathname; r.search = q >= 0 ? (search ? '?' + encode(search, queryKeep) : '') : from.search; return r; }
    r.search = search ? '?' + encode(search, queryKeep) : '';
    if (isSpecial) text = text.replace(/\\/g, '/');
    r.pathname = cleanPath(text[0] === '/' ? text : from.pathname.replace(/[^\/]*$/, '') + text, isSpecial);
    return r;
  }
  r.protocol = m[1].toLowerCase() + ':';
  text = text.slice(m[0].length);
  if (special[r.protocol] !== undefined) return authority(r, r.protocol === 'file:' ? fileText(text) : '//' + text.replace(/^[\/\\]*/, ''), input);
  if (text.slice(0, 2) === '//') return authority(r, text, input);
  var qi = text.indexOf('?');
  if (qi >= 0) { r.search = text.length > qi + 1 ? '?' + encode(text.slice(qi + 1), queryKeep) : ''; text = text.slice(0, qi); }
  if (text[0] === '/') r.pathname = cleanPath(text, false); else { r.opaque = true; r.pathname = text.replace(/[\u0000-\u001f]/g, function (c) { return encodeURIComponent(c); }); }
  return r;
}
// fileText: only two slashes begin a host, any other number a path.
function fileText(text) {
  text = text.replace(/\\/g, '/');
  return /^\/\/(?!\/)/.test(text) ? text : '///' + text.replace(/^\/*/, '');
}
function authority(r, text, input) {
  var isSpecial = special[r.protocol] !== undefined;
  var stop = isSpecial ? /[\/\\?]/ : /[\/?]/, rest = text.slice(2), at = rest.search(stop), auth = at < 0 ? rest : rest.slice(0, at);
  rest = at < 0 ? '' : rest.slice(at);
  var u = auth.lastIndexOf('@');
  if (u >= 0) {
    var cred = auth.slice(0, u), c = cred.indexOf(':');
    r.username = encode(c < 0 ? cred : cred.slice(0, c), userKeep);
    r.password = c < 0 ? '' : encode(cred.slice(c + 1), userKeep);
    auth = auth.slice(u + 1);
  }
  var pm = /:(\d*)$/.exec(auth);
  if (pm && !/^\[[^\]]*$/.test(auth)) {
    auth = auth.slice(0, pm.index);
    if (pm[1] !== '') { if (+pm[1] > 65535) throw invalid(input); r.port = String(+pm[1]) === special[r.protocol] ? '' : String(+pm[1]); }
  }
  if (r.protocol === 'file:' && auth === '') r.hostname = '';
  else if (auth === '' && !isSpecial) r.hostname = '';
  else { var h = parseHost(auth, isSpecial); if (h === undefined) throw invalid(input); r.hostname = h; }
  var q = rest.indexOf('?');
  if (q >= 0) { r.search = rest.length > q + 1 ? '?' + encode(rest.slice(q + 1), queryKeep) : ''; rest = rest.slice(0, q); }
  r.hasHost = true;
  r.pathname = rest === '' ? (isSpecial ? '/' : '') : cleanPath(rest, isSpecial);
  return r;
}
function serialize(r, noHash) {
  var s = r.protocol;
  if (r.hostname !== '' || r.protocol === 'file:' || r.hasHost) {
    s += '//';
    if (r.username || r.password) s += r.username + (r.password ? ':' + r.password : '') + '@';
    s += r.hostname + (r.port !== '' ? ':' + r.port : '');
  }
  return s + r.pathname + r.search + (noHash ? '' : r.hash);
}

class URLSearchParams {
  #list = []; #changed = null;
  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init === 'object' || typeof init === 'function') {
      if (init instanceof URLSearchParams) this.#list = [...init].map(function (p) { return [p[0], p[1]]; });
      else if (typeof init[Symbol.iterator] === 'function') for (var p of init) { var a = [...p]; if (a.length !== 2) throw new TypeError('Each query pair must be an iterable [name, value] tuple'); this.#list.push([String(a[0]), String(a[1])]); }
      else for (var k of Object.keys(init)) this.#list.push([k, String(init[k])]);
    } else this.__read(String(init));
  }
  __read(text) {
    if (text[0] === '?') text = text.slice(1);
    this.#list = text.split('&').filter(Boolean).map(function (p) {
      var i = p.indexOf('=');
      return [decode(i < 0 ? p : p.slice(0, i)), i < 0 ? '' : decode(p.slice(i + 1))];
    });
  }
  __bind(fn) { this.#changed = fn; }
  #touch() { if (this.#changed) this.#changed(this.toString()); }
  get size() { return this.#list.length; }
  append(k, v) { this.#list.push([String(k), String(v)]); this.#touch(); }
  delete(k, v) { k = String(k); this.#list = this.#list.filter(function (p) { return p[0] !== k || v !== undefined && p[1] !== String(v); }); this.#touch(); }
  get(k) { k = String(k); var p = this.#list.find(function (x) { return x[0] === k; }); return p ? p[1] : null; }
  getAll(k) { k = String(k); return this.#list.filter(function (x) { return x[0] === k; }).map(function (x) { return x[1]; }); }
  has(k, v) { k = String(k); return this.#list.some(function (x) { return x[0] === k && (v === undefined || x[1] === String(v)); }); }
  set(k, v) {
    k = String(k);
    var i = this.#list.findIndex(function (x) { return x[0] === k; });
    if (i < 0) this.#list.push([k, String(v)]);
    else { this.#list[i][1] = String(v); this.#list = this.#list.filter(function (x, j) { return x[0] !== k || j === i; }); }
    this.#touch();
  }
  sort() { this.#list.sort(function (a, b) { return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0; }); this.#touch(); }
  forEach(fn, self) { for (var p of this.#list) fn.call(self, p[1], p[0], this); }
  keys() { return this.#list.map(function (p) { return p[0]; })[Symbol.iterator](); }
  values() { return this.#list.map(function (p) { return p[1]; })[Symbol.iterator](); }
  entries() { return this.#list.map(function (p) { return [p[0], p[1]]; })[Symbol.iterator](); }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#list.map(function (p) { return form(p[0]) + '=' + form(p[1]); }).join('&'); }
  get [Symbol.toStringTag]() { return 'URLSearchParams'; }
}
function decode(s) {
  s = s.replace(/\+/g, ' ');
  try { return decodeURIComponent(s); } catch (e) {
    return native.utf8Decode(native.latin1Encode(s.replace(/%([0-9a-fA-F]{2})/g, function (m, h) { return String.fromCharCode(parseInt(h, 16)); })));
  }
}
function form(s) { return encode(s, /[A-Za-z0-9\-._]/).replace(/\*/g, '*').replace(/%20/g, '+').replace(/%2A/g, '*'); }

class URL {
  #p; #params = null;
  constructor(input, base) {
    if (arguments.length === 0) throw new TypeError('The "url" argument must be specified');
    this.#p = parse(input, base === undefined ? undefined : base);
  }
  static canParse(input, base) { try { parse(input, base); return true; } catch (e) { return false; } }
  static parse(input, base) { try { return new URL(input, base); } catch (e) { return null; } }
  __parts() { return Object.assign({}, this.#p); }
  get href() { return serialize(this.#p); }
  set href(v) { this.#p = parse(v); this.#sync(); }
  get origin() { var p = this.#p; return special[p.protocol] !== undefined && p.protocol !== 'file:' ? p.protocol + '//' + this.host : 'null'; }
  get protocol() { return this.#p.protocol; }
  set protocol(v) { v = String(v).replace(/:.*$/, '').toLowerCase() + ':'; if ((special[v] !== undefined) === (special[this.#p.protocol] !== undefined)) { this.#p.protocol = v; if (this.#p.port === special[v]) this.#p.port = ''; } }
  get username() { return this.#p.username; }
  set username(v) { this.#p.username = encode(v, userKeep); }
  get password() { return this.#p.password; }
  set password(v) { this.#p.password = encode(v, userKeep); }
  get host() { return this.#p.hostname + (this.#p.port !== '' ? ':' + this.#p.port : ''); }
  set host(v) { var m = /^(.*?)(?::(\d+))?$/.exec(String(v)); this.hostname = m[1]; if (m[2] !== undefined) this.port = m[2]; }
  get hostname() { return this.#p.hostname; }
  set hostname(v) { var h = parseHost(String(v), special[this.#p.protocol] !== undefined); if (h !== undefined) this.#p.hostname = h; }
  get port() { return this.#p.port; }
  set port(v) { v = String(v); if (v === '') this.#p.port = ''; else if (/^\d+/.test(v) && parseInt(v, 10) <= 65535) { v = String(parseInt(v, 10)); this.#p.port = v === special[this.#p.protocol] ? '' : v; } }
  get pathname() { return this.#p.pathname; }
  set pathname(v) { if (!this.#p.opaque) { v = String(v); this.#p.pathname = cleanPath(v[0] === '/' ? v : '/' + v, special[this.#p.protocol] !== undefined).replace(/[?#]/g, encodeURIComponent); } }
  get search() { return this.#p.search; }
  set search(v) { v = String(v).replace(/^\?/, ''); this.#p.search = v ? '?' + encode(v, queryKeep).replace(/#/g, '%23') : ''; this.#sync(); }
  get hash() { return this.#p.hash; }
  set hash(v) { v = String(v).replace(/^#/, ''); this.#p.hash = v ? '#' + encode(v, hashKeep) : ''; }
  get searchParams() {
    if (!this.#params) { var self = this; this.#params = new URLSearchParams(this.#p.search); this.#params.__bind(function (s) { self.#p.search = s ? '?' + s : ''; }); }
    return this.#params;
  }
  #sync() { if (this.#params) this.#params.__read(this.#p.search); }
  toString() { return this.href; }
  toJSON() { return this.href; }
  inspect() { return 'URL { href: ' + JSON.stringify(this.href) + ' }'; }
  [Symbol.for('nodejs.util.inspect.custom')]() { return this.inspect(); }
  get [Symbol.toStringTag]() { return 'URL'; }
}

// Node's older interface

function Url() { this.protocol = this.slashes = this.auth = this.host = this.port = this.hostname = this.hash = this.search = this.query = this.pathname = this.path = this.href = null; }
Url.prototype.format = function () { return format(this); };
Url.prototype.resolve = function (to) { return resolve(this.href, to); };
function parseOld(text, withQuery, slashesHost) {
  if (text instanceof Url) return text;
  if (typeof text !== 'string') throw new TypeError('The "url" argument must be of type string. Received ' + typeof text);
  var u = new Url(), rest = text.trim(), m;
  if ((m = /#.*$/.exec(rest))) { u.hash = m[0]; rest = rest.slice(0, m.index); }
  if ((m = /\?.*$/.exec(rest))) { u.search = m[0]; rest = rest.slice(0, m.index); }
  u.query = u.search ? u.search.slice(1) : null;
  if (withQuery) { u.query = load('querystring').exports.parse(u.query || ''); u.search = u.search || ''; }
  if ((m = /^([a-zA-Z][a-zA-Z0-9+.\-]*:)/.exec(rest))) { u.protocol = m[1].toLowerCase(); rest = rest.slice(m[0].length); }
  var known = u.protocol && special[u.protocol] !== undefined;
  if ((known || slashesHost || u.protocol) && /^\/\//.test(rest) && u.protocol !== 'javascript:' || !u.protocol && slashesHost && /^\/\//.test(rest)) {
    u.slashes = true;
    rest = rest.slice(2);
    var at = rest.search(/[\/\\]/), auth = at < 0 ? rest : rest.slice(0, at);
    rest = at < 0 ? '' : rest.slice(at).replace(/\\/g, '/');
    var i = auth.lastIndexOf('@');
    if (i >= 0) { try { u.auth = decodeURIComponent(auth.slice(0, i)); } catch (e) { u.auth = auth.slice(0, i); } auth = auth.slice(i + 1); }
    if ((m = /:(\d*)$/.exec(auth)) && !/^\[[^\]]*$/.test(auth)) { u.port = m[1] || null; auth = auth.slice(0, m.index); }
    u.hostname = auth.toLowerCase().replace(/^\[|\]$/g, '');
    u.host = auth.toLowerCase() + (u.port ? ':' + u.port : '');
    if (known && rest === '') rest = '/';
  }
  u.pathname = rest === '' ? null : rest.replace(/[\s"<>`{}|^]/g, encodeURIComponent);
  u.path = u.pathname || u.search ? (u.pathname || '') + (u.search || '') : null;
  u.href = format(u);
  return u;
}
function format(u, options) {
  if (typeof u === 'string') u = parseOld(u);
  if (u instanceof URL) {
    var p = u.__parts();
    if (options && options.auth === false) p.username = p.password = '';
    if (options && options.fragment === false) p.hash = '';
    if (options && options.search === false) p.search = '';
    return serialize(p);
  }
  var protocol = u.protocol || '';
  if (protocol && protocol[protocol.length - 1] !== ':') protocol += ':';
  var host = u.host !== null && u.host !== undefined ? (u.auth ? encodeURIComponent(u.auth).replace(/%3A/i, ':') + '@' : '') + u.host : u.hostname ? (u.auth ? encodeURIComponent(u.auth).replace(/%3A/i, ':') + '@' : '') + (u.hostname.indexOf(':') >= 0 ? '[' + u.hostname + ']' : u.hostname) + (u.port ? ':' + u.port : '') : '';
  var query = u.query !== null && typeof u.query === 'object' ? load('querystring').exports.stringify(u.query) : '';
  var search = u.search || (query ? '?' + query : ''), hash = u.hash || '', pathname = u.pathname || '';
  if (u.slashes || (!protocol || special[protocol] !== undefined) && host) { host = '//' + host; if (pathname && pathname[0] !== '/') pathname = '/' + pathname; } else host = '';
  if (hash && hash[0] !== '#') hash = '#' + hash;
  if (search && search[0] !== '?') search = '?' + search;
  return protocol + host + pathname.replace(/[?#]/g, encodeURIComponent) + search.replace('#', '%23') + hash;
}
function resolve(from, to) {
  try { return new URL(to, from).href; } catch (e) { /* relative to a relative address */ }
  var u = new URL(to, new URL(from, 'resolve://host/'));
  return u.protocol === 'resolve:' ? u.pathname + u.search + u.hash : u.href;
}
var api = {
  URL: URL, URLSearchParams: URLSearchParams, Url: Url, parse: parseOld, format: format, resolve: resolve,
  resolveObject: function (from, to) { return parseOld(resolve(from, to)); },
  domainToASCII: function (d) { return native.toASCII(d) || ''; }, domainToUnicode: function (d) { return native.toUnicode(d); },
  fileURLToPath: function (u) { return decodeURIComponent(new URL(u).pathname); }, pathToFileURL: function (p) { return new URL('file://' + p); },
  urlToHttpOptions: function (u) { return { protocol: u.protocol, hostname: u.hostname, hash: u.hash, search: u.search, pathname: u.pathname, path: u.pathname + u.search, href: u.href, port: u.port === '' ? undefined : Number(u.port), auth: u.username || u.password ? decodeURIComponent(u.username) + ':' + decodeURIComponent(u.password) : undefined }; },
};
return Object.assign({ exports: api }, api);
