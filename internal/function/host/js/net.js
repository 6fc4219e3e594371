// Node's net and tls as clients: bytes go through the server under its rules
// for addresses.
var S = load('stream').exports, Buffer = load('buffer').Buffer;
function op(action, arg, drains) { return native.operate('net', action, arg, drains !== false); }
function errorOf(e, call) { var err = new Error(call + ' ' + (e.errorCode || '') + ' ' + e.message); err.code = e.errorCode || 'EIO'; err.syscall = call; return err; }

class Socket extends S.Duplex {
  constructor(options) {
    super(options);
    this.connecting = false; this.pending = true; this.encrypted = false; this.authorized = false; this.bytesRead = this.bytesWritten = 0;
    Object.defineProperty(this, '__s', { value: { id: 0, ready: null, timer: null, ms: 0, reading: false, tls: false, handed: false }, writable: true });
  }
  connect(options, host, cb) {
    var s = this.__s, self = this;
    if (typeof options !== 'object') { options = { port: Number(options), host: typeof host === 'string' ? host : undefined }; if (typeof host === 'function') cb = host; } else if (typeof host === 'function') cb = host;
    if (cb) this.once(options.tls ? 'secureConnect' : 'connect', cb);
    this.connecting = true;
    this.host = options.host || options.hostname || 'localhost';
    s.ready = op('connect', { host: this.host, port: Number(options.port), tls: !!options.tls, servername: options.servername || '', insecure: options.rejectUnauthorized === false }).then(function (d) {
      s.id = d.id;
      self.connecting = self.pending = false;
      self.remoteAddress = d.remoteAddress; self.remotePort = d.remotePort; self.remoteFamily = d.remoteAddress.indexOf(':') < 0 ? 'IPv4' : 'IPv6'; self.localAddress = '0.0.0.0'; self.localPort = 0;
      if (self.destroyed) { op('close', { id: s.id }); return; }
      if (options.tls) secured(self, d);
      self.emit('connect'); self.emit('ready');
      if (options.tls) self.emit('secureConnect');
      if (s.reading) { s.reading = false; self._read(); }
    }).catch(function (e) { self.connecting = false; s.ready = null; self.destroy(errorOf(e, 'connect')); });
    this.__touch();
    return this;
  }
  __touch() {
    var s = this.__s, self = this, t = load('timers');
    if (s.timer) { t.clearTimeout(s.timer); s.timer = null; }
    if (s.ms > 0) s.timer = t.setTimeout(function () { self.emit('timeout'); }, s.ms);
  }
  setTimeout(ms, cb) { this.__s.ms = ms; this.timeout = ms; if (cb) { if (ms) this.once('timeout', cb); else this.removeListener('timeout', cb); } this.__touch(); return this; }
  setKeepAlive() { return this; } setNoDelay() { return this; } ref() { return this; } unref() { return this; }
  address() { return { address: this.localAddress, port: this.localPort, family: 'IPv4' }; }
  get readyState() { return this.connecting ? 'opening' : this.destroyed ? 'closed' : 'open'; }
  _read() {
    var s = this.__s, self = this;
    if (s.reading || s.handed) return;
    s.reading = true;
    if (!s.id) return;
    op('read', { id: s.id }, false).then(function (b) {
      s.reading = false;
      self._readableState.reading = false;
      if (self.destroyed) return;
      self.__touch();
      if (b === null) { self.push(null); return; }
      self.bytesRead += b.buffer.length;
      if (s.handed) { s.handed.push(Buffer.from(b.buffer)); return; }
      self.push(Buffer.from(b.buffer));
      // A socket is read on: data that arrives must be seen.
      if (!s.handed) self._read();
    }).catch(function (e) { s.reading = false; if (!self.destroyed && !s.handed) self.destroy(errorOf(e, 'read')); });
  }
  _write(chunk, encoding, cb) {
    var s = this.__s, self = this;
    Promise.resolve(s.ready).then(function () {
      if (!s.id) throw new Error('the socket is not connected');
      self.bytesWritten += chunk.length;
      self.__touch();
      return op('write', { id: s.id, data: Buffer.from(chunk) });
    }).then(function () { cb(); }, function (e) { cb(errorOf(e, 'write')); });
  }
  _final(cb) { cb(); }
  _destroy(e, cb) {
    var s = this.__s;
    if (s.timer) load('timers').clearTimeout(s.timer);
    if (s.id && !s.handed) { op('close', { id: s.id }).catch(function () {}); s.id = 0; }
    cb(e);
  }
  getPeerCertificate() { return {}; } getProtocol() { return this.__protocol || null; } getCipher() { return { name: this.__cipher, version: this.__protocol }; } isSessionReused() { return false; } setServername() {} getSession() {}
}
function secured(s, d) { s.encrypted = s.authorized = true; s.__protocol = d.protocol; s.__cipher = d.cipher; s.alpnProtocol = false; }

function connect(tls) {
  return function () {
    var a = Array.prototype.slice.call(arguments), cb = typeof a[a.length - 1] === 'function' ? a.pop() : undefined;
    var o = typeof a[0] === 'object' ? Object.assign({}, a[0]) : Object.assign({ port: a[0], host: typeof a[1] === 'string' ? a[1] : undefined }, typeof a[1] === 'object' ? a[1] : a[2]);
    if (tls && o.socket) return upgrade(o, cb);
    var s = new Socket(o);
    s.connect(Object.assign(o, { tls: tls }), cb);
    if (o.timeout) s.setTimeout(o.timeout);
    return s;
  };
}
// upgrade makes a secure socket of one that is connected, for STARTTLS.
function upgrade(o, cb) {
  var plain = o.socket, old = plain.__s, s = new Socket(o);
  if (cb) s.once('secureConnect', cb);
  old.handed = s;
  s.__s.ready = Promise.resolve(old.ready).then(function () { return op('starttls', { id: old.id, servername: o.servername || o.host || plain.host || '', insecure: o.rejectUnauthorized === false }); }).then(function (d) {
    s.__s.id = old.id;
    s.remoteAddress = d.remoteAddress; s.remotePort = d.remotePort;
    secured(s, d);
    s.emit('secureConnect');
    if (s.__s.reading) { s.__s.reading = false; s._read(); }
  }).catch(function (e) { s.destroy(errorOf(e, 'tls')); });
  return s;
}
function refuse(what) { return function () { throw new Error(what + ' is not available in functions'); }; }
function family(a) { return /^\d{1,3}(\.\d{1,3}){3}$/.test(a) && a.split('.').every(function (n) { return n <= 255; }) ? 4 : /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(a) ? 6 : 0; }
var common = { Socket: Socket, Stream: Socket };
return {
  net: Object.assign({ connect: connect(false), createConnection: connect(false), createServer: refuse('net.createServer'), Server: refuse('net.Server'), isIP: function (a) { return family(String(a)); }, isIPv4: function (a) { return family(String(a)) === 4; }, isIPv6: function (a) { return family(String(a)) === 6; } }, common),
  tls: { connect: connect(true), TLSSocket: Socket, createServer: refuse('tls.createServer'), Server: refuse('tls.Server'), createSecureContext: function (o) { return o || {}; }, checkServerIdentity: function () {}, getCiphers: function () { return []; }, rootCertificates: [], DEFAULT_MIN_VERSION: 'TLSv1.2', DEFAULT_MAX_VERSION: 'TLSv1.3' },
};
