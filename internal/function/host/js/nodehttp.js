// Node's http and https as clients. A request is sent when it is ended, and its
// answer arrives whole.
var S = load('stream').exports, EventEmitter = load('events').exports, Buffer = load('buffer').Buffer, U = load('url'), request = load('request');

class IncomingMessage extends S.Readable {
  constructor() { super({ autoDestroy: false }); this.headers = {}; this.rawHeaders = []; this.trailers = {}; this.rawTrailers = []; this.httpVersion = '1.1'; this.httpVersionMajor = 1; this.httpVersionMinor = 1; this.complete = false; this.aborted = false; }
  _read() {}
  setTimeout() { return this; }
}
class Agent extends EventEmitter { constructor(o) { super(); this.options = o || {}; this.maxSockets = Infinity; this.sockets = {}; this.requests = {}; this.freeSockets = {}; this.protocol = 'http:'; this.defaultPort = 80; } destroy() {} getName() { return ''; } addRequest() {} createConnection() {} }
class HttpsAgent extends Agent { constructor(o) { super(o); this.protocol = 'https:'; this.defaultPort = 443; } }

function optionsOf(args, protocol) {
  var o = {}, cb;
  args = Array.prototype.slice.call(args);
  if (typeof args[args.length - 1] === 'function') cb = args.pop();
  if (typeof args[0] === 'string') Object.assign(o, U.urlToHttpOptions(new U.URL(args.shift())));
  else if (args[0] instanceof U.URL) Object.assign(o, U.urlToHttpOptions(args.shift()));
  Object.assign(o, args[0]);
  o.protocol = o.protocol || protocol;
  return { options: o, callback: cb };
}

class ClientRequest extends S.Writable {
  constructor(o, cb) {
    super({ autoDestroy: false });
    this.__o = o; this.__headers = new Map(); this.__parts = []; this.__timer = null;
    this.method = String(o.method || 'GET').toUpperCase();
    this.path = o.path || '/';
    this.protocol = o.protocol;
    this.host = String(o.hostname || o.host || 'localhost').replace(/:\d+$/, '');
    this.aborted = false; this.reusedSocket = false; this.headersSent = false; this.agent = o.agent;
    var port = o.port || (/:(\d+)$/.exec(o.host || '') || [])[1];
    this.__port = port;
    this.socket = this.connection = Object.assign(new EventEmitter(), { setKeepAlive: function () {}, setTimeout: function () {}, setNoDelay: function () {}, ref: function () {}, unref: function () {}, destroy: function () {}, connecting: false, encrypted: o.protocol === 'https:', writable: true, readable: true, remoteAddress: undefined });
    if (Array.isArray(o.headers)) for (var i = 0; i + 1 < o.headers.length; i += 2) this.setHeader(o.headers[i], o.headers[i + 1]);
    else for (var k of Object.keys(o.headers || {})) if (o.headers[k] !== undefined) this.setHeader(k, o.headers[k]);
    if (o.auth && !this.getHeader('authorization')) this.setHeader('Authorization', 'Basic ' + native.base64Encode(o.auth));
    if (cb) this.once('response', cb);
    if (o.timeout) this.setTimeout(o.timeout);
    if (o.signal) { if (o.signal.aborted) this.__abort(); else o.signal.addEventListener('abort', () => this.__abort()); }
    var self = this;
    Promise.resolve().then(function () { self.emit('socket', self.socket); });
  }
  __abort() { var e = new Error('The operation was aborted'); e.name = 'AbortError'; e.code = 'ABORT_ERR'; this.destroy(e); }
  setHeader(k, v) { this.__headers.set(String(k).toLowerCase(), [String(k), v]); return this; }
  appendHeader(k, v) { var old = this.getHeader(k); return this.setHeader(k, old === undefined ? v : [].concat(old, v)); }
  getHeader(k) { var h = this.__headers.get(String(k).toLowerCase()); return h && h[1]; }
  getHeaders() { var o = Object.create(null); this.__headers.forEach(function (h, k) { o[k] = h[1]; }); return o; }
  getHeaderNames() { return [...this.__headers.keys()]; }
  getRawHeaderNames() { return [...this.__headers.values()].map(function (h) { return h[0]; }); }
  hasHeader(k) { return this.__headers.has(String(k).toLowerCase()); }
  removeHeader(k) { this.__headers.delete(String(k).toLowerCase()); }
  flushHeaders() {}
  setNoDelay() {} setSocketKeepAlive() {}
  setTimeout(ms, cb) {
    var self = this, t = load('timers');
    if (cb) this.once('timeout', cb);
    if (this.__timer) t.clearTimeout(this.__timer);
    if (ms > 0) this.__timer = t.setTimeout(function () { self.emit('timeout'); }, ms);
    return this;
  }
  abort() { this.aborted = true; this.destroy(); }
  _write(chunk, encoding, cb) { this.__parts.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk); cb(); }
  _destroy(e, cb) {
    if (this.__timer) load('timers').clearTimeout(this.__timer);
    if (!e && !this.res) { e = new Error('socket hang up'); e.code = 'ECONNRESET'; }
    if (this.res && !this.res.complete) this.res.destroy(e);
    cb(e);
  }
  _final(cb) {
    var self = this, headers = {};
    this.headersSent = true;
    this.__headers.forEach(function (h) { headers[h[0]] = [].concat(h[1]).map(String); });
    var host = this.host.indexOf(':') >= 0 && this.host[0] !== '[' ? '[' + this.host + ']' : this.host;
    var url = this.protocol + '//' + host + (this.__port ? ':' + this.__port : '') + (this.path[0] === '/' ? '' : '/') + this.path;
    request.send({ method: this.method, url: url, headers: headers, body: this.__parts.length ? Buffer.concat(this.__parts) : undefined, insecure: this.__o.rejectUnauthorized === false || !!(this.__o.agent && this.__o.agent.options && this.__o.agent.options.rejectUnauthorized === false) }).then(function (x) {
      if (self.__timer) load('timers').clearTimeout(self.__timer);
      if (self.destroyed) return;
      var m = self.res = new IncomingMessage();
      m.statusCode = x.statusCode; m.statusMessage = x.statusText; m.req = self; m.socket = m.connection = self.socket; m.url = '';
      for (var k of Object.keys(x.headers)) {
        var low = k.toLowerCase();
        if (low === 'content-encoding' || low === 'content-length') continue;
        for (var v of x.headers[k]) m.rawHeaders.push(k, v);
        m.headers[low] = low === 'set-cookie' ? x.headers[k] : x.headers[k].join(', ');
      }
      m.headers['content-length'] = String(x.body.buffer.length);
      if (!self.emit('response', m)) m.resume();
      m.push(Buffer.from(x.body.buffer));
      m.complete = true;
      m.push(null);
    }, function (e) {
      if (self.destroyed) return;
      var err = new Error(e.message);
      err.code = e.errorCode || 'ECONNREFUSED';
      err.hostname = self.host;
      self.destroy(err);
    });
    cb();
  }
}

function make(protocol) {
  function req() { var a = optionsOf(arguments, protocol); return new ClientRequest(a.options, a.callback); }
  var api = {
    request: req, get: function () { var r = req.apply(null, arguments); r.end(); return r; },
    Agent: protocol === 'https:' ? HttpsAgent : Agent, globalAgent: protocol === 'https:' ? new HttpsAgent() : new Agent(),
    ClientRequest: ClientRequest, IncomingMessage: IncomingMessage, OutgoingMessage: ClientRequest, maxHeaderSize: 16384,
    METHODS: ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'],
    STATUS_CODES: { 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict', 410: 'Gone', 413: 'Payload Too Large', 415: 'Unsupported Media Type', 418: "I'm a Teapot", 422: 'Unprocessable Entity', 429: 'Too Many Requests', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout' },
    validateHeaderName: function () {}, validateHeaderValue: function () {},
  };
  var refuse = function (what) { return function () { throw new Error(what + ' is not available in functions'); }; };
  api.createServer = refuse((protocol === 'https:' ? 'https' : 'http') + '.createServer');
  api.Server = refuse('http.Server');
  api.ServerResponse = function ServerResponse() { throw new Error('http.ServerResponse is not available in functions'); };
  api.ServerResponse.prototype = Object.create(S.Writable.prototype);
  return api;
}
return { http: make('http:'), https: make('https:') };
