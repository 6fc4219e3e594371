// Streams in the shape of Node's: flowing and paused reading, back pressure by
// write()'s return value and 'drain', pipe, pipeline, finished, iteration.
var EventEmitter = load('events').exports;
var Buffer = load('buffer').Buffer;
var asyncIterator = Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator');
function later(fn) { Promise.resolve().then(fn); }
function inherits(C, P) { Object.setPrototypeOf(C.prototype, P.prototype); Object.setPrototypeOf(C, P); }

function Stream() { EventEmitter.call(this); }
Stream.prototype = Object.create(EventEmitter.prototype, { constructor: { value: Stream, writable: true, configurable: true } });
Object.setPrototypeOf(Stream, EventEmitter);

// Readable

function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  Stream.call(this);
  initReadable(this, options || {});
}
inherits(Readable, Stream);
function initReadable(s, o) {
  s._readableState = { buffer: [], length: 0, flowing: null, ended: false, endEmitted: false, reading: false, objectMode: !!(o.objectMode || o.readableObjectMode), highWaterMark: o.highWaterMark || (o.objectMode ? 16 : 65536), encoding: o.encoding || null, decoder: null, pipes: [], destroyed: false, scheduled: false };
  s.readable = true;
  s.destroyed = false;
  if (o.autoDestroy === false) s._autoDestroy = false;
  if (typeof o.read === 'function') s._read = o.read;
  if (typeof o.destroy === 'function') s._destroy = o.destroy;
  if (o.encoding) s.setEncoding(o.encoding);
}
var readable = {
  _read: function () { throw new Error('The _read() method is not implemented'); },
  push: function (chunk, encoding) { return addChunk(this, chunk, encoding, false); },
  unshift: function (chunk, encoding) { return addChunk(this, chunk, encoding, true); },
  setEncoding: function (e) { this._readableState.encoding = e; this._readableState.decoder = new (load('stringdecoder').exports.StringDecoder)(e); return this; },
  on: function (name, fn) {
    Stream.prototype.on.call(this, name, fn);
    if (name === 'data' && this._readableState && this._readableState.flowing !== false) this.resume();
    if (name === 'readable' && this._readableState) { this._readableState.flowing = false; this._readableState.wantReadable = true; schedule(this); }
    return this;
  },
  resume: function () { var st = this._readableState; st.flowing = true; schedule(this); this.emit('resume'); return this; },
  pause: function () { this._readableState.flowing = false; this.emit('pause'); return this; },
  isPaused: function () { return this._readableState.flowing === false; },
  read: function (n) {
    var st = this._readableState;
    if (st.length === 0 && !st.ended) fill(this);
    if (st.length === 0) { if (st.ended) end(this); return null; }
    var out;
    if (st.objectMode) { out = st.buffer.shift(); st.length--; } else if (n === undefined || n >= st.length) {
      if (n !== undefined && n > st.length && !st.ended) return null;
      out = st.buffer.length === 1 ? st.buffer[0] : typeof st.buffer[0] === 'string' ? st.buffer.join('') : Buffer.concat(st.buffer);
      st.buffer = []; st.length = 0;
    } else {
      var all = st.buffer.length === 1 ? st.buffer[0] : typeof st.buffer[0] === 'string' ? st.buffer.join('') : Buffer.concat(st.buffer);
      out = all.slice(0, n); st.buffer = [all.slice(n)]; st.length -= n;
    }
    if (st.length === 0 && st.ended) end(this); else if (!st.ended) schedule(this);
    this.emit('data', out);
    return out;
  },
  pipe: function (dest, options) {
    var src = this;
    function data(chunk) { if (dest.write(chunk) === false) src.pause(); }
    function drain() { if (src._readableState.flowing === false) src.resume(); }
    function ended() { dest.end(); }
    src._readableState.pipes.push({ dest: dest, data: data, drain: drain, ended: ended });
    src.on('data', data);
    dest.on('drain', drain);
    if (!options || options.end !== false) src.once('end', ended);
    dest.emit('pipe', src);
    return dest;
  },
  unpipe: function (dest) {
    for (var p of this._readableState.pipes.slice()) {
      if (dest && p.dest !== dest) continue;
      this.removeListener('data', p.data); p.dest.removeListener('drain', p.drain); this.removeListener('end', p.ended);
      this._readableState.pipes.splice(this._readableState.pipes.indexOf(p), 1);
      p.dest.emit('unpipe', this);
    }
    return this;
  },
  destroy: function (err) { return destroy(this, err); },
  _destroy: function (err, cb) { cb(err); },
  toArray: async function () { var out = [], it = this[asyncIterator](); for (var r = await it.next(); !r.done; r = await it.next()) out.push(r.value); return out; },
  wrap: function (old) {
    var s = this;
    s._read = function () { old.resume && old.resume(); };
    old.on('data', function (c) { s.push(c); }); old.on('end', function () { s.push(null); }); old.on('error', function (e) { s.destroy(e); });
    return s;
  },
};
Object.assign(Readable.prototype, readable);
Readable.prototype.addListener = Readable.prototype.on;
Object.defineProperty(Readable.prototype, 'readableEnded', { get: function () { return this._readableState.endEmitted; }, configurable: true });
Object.defineProperty(Readable.prototype, 'readableFlowing', { get: function () { return this._readableState.flowing; }, configurable: true });
Object.defineProperty(Readable.prototype, 'readableLength', { get: function () { return this._readableState.length; }, configurable: true });
Object.defineProperty(Readable.prototype, 'readableObjectMode', { get: function () { return this._readableState.objectMode; }, configurable: true });
Object.defineProperty(Readable.prototype, 'readableHighWaterMark', { get: function () { return this._readableState.highWaterMark; }, configurable: true });
Readable.prototype[asyncIterator] = function () {
  var s = this, queue = [], waiting = null, done = false, failure = null;
  function wake() { if (waiting) { var w = waiting; waiting = null; w(); } }
  s.on('data', function (c) { queue.push(c); s.pause(); wake(); });
  s.on('end', function () { done = true; wake(); });
  s.on('close', function () { done = true; wake(); });
  s.on('error', function (e) { failure = e; wake(); });
  return {
    next: async function () {
      for (;;) {
        if (queue.length) { var v = queue.shift(); if (!queue.length) s.resume(); return { done: false, value: v }; }
        if (failure) throw failure;
        if (done) return { done: true, value: undefined };
        await new Promise(function (resolve) { waiting = resolve; });
      }
    },
    return: async function () { s.destroy(); return { done: true, value: undefined }; },
    [asyncIterator]: function () { return this; },
  };
};
function addChunk(s, chunk, encoding, front) {
  var st = s._readableState;
  st.reading = false;
  if (chunk === null) {
    if (st.decoder) { var rest = st.decoder.end(); if (rest) { st.buffer.push(rest); st.length += rest.length; } }
    st.ended = true;
    schedule(s);
    return false;
  }
  if (st.ended && !front) { destroy(s, new Error('stream.push() after EOF')); return false; }
  if (!st.objectMode) {
    if (typeof chunk === 'string') chunk = st.decoder ? chunk : Buffer.from(chunk, encoding);
    else if (!(chunk instanceof Uint8Array)) throw new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ' + typeof chunk);
    else if (!Buffer.isBuffer(chunk)) chunk = Buffer.from(chunk);
    if (st.decoder && typeof chunk !== 'string') chunk = st.decoder.write(chunk);
    if (chunk.length === 0) { schedule(s); return st.length < st.highWaterMark; }
  }
  if (front) st.buffer.unshift(chunk); else st.buffer.push(chunk);
  st.length += st.objectMode ? 1 : chunk.length;
  schedule(s);
  return st.length < st.highWaterMark;
}
function fill(s) {
  var st = s._readableState;
  if (st.ended || st.reading || s.destroyed) return;
  st.reading = true;
  try { s._read(st.highWaterMark); } catch (e) { destroy(s, e); }
}
function schedule(s) {
  var st = s._readableState;
  if (st.scheduled || s.destroyed) return;
  st.scheduled = true;
  later(function () {
    st.scheduled = false;
    if (s.destroyed) return;
    if (st.wantReadable && (st.length > 0 || st.ended) && !st.endEmitted) {
      s.emit('readable');
      if (st.length === 0 && st.ended) end(s);
      else if (st.length < st.highWaterMark && !st.ended) fill(s);
      return;
    }
    if (st.flowing === true) {
      while (st.flowing && st.length > 0 && !s.destroyed) {
        var c = st.buffer.shift();
        st.length -= st.objectMode ? 1 : c.length;
        s.emit('data', c);
      }
      if (st.length === 0 && st.ended && st.flowing) { end(s); return; }
    }
    if (!st.ended && st.length < st.highWaterMark && (st.flowing || st.wantReadable)) fill(s);
  });
}
function end(s) {
  var st = s._readableState;
  if (st.endEmitted || s.destroyed) return;
  st.endEmitted = true;
  s.readable = false;
  later(function () {
    s.emit('end');
    if (s._writableState === undefined || s._writableState.finished) closeStream(s);
  });
}
// A stream that came to its end is destroyed, as Node's autoDestroy does.
function closeStream(s) {
  if (s._autoDestroy !== false) { destroy(s); return; }
  if (!s._closed) { s._closed = true; later(function () { s.emit('close'); }); }
}
function destroy(s, err) {
  if (s.destroyed) return s;
  s.destroyed = true;
  s.readable = s.writable = false;
  s._destroy(err || null, function (e) {
    later(function () { if (e) s.emit('error', e); if (!s._closed) { s._closed = true; s.emit('close'); } });
  });
  return s;
}
Readable.from = function (iterable, options) {
  var it = iterable[asyncIterator] ? iterable[asyncIterator]() : (typeof iterable === 'string' || Buffer.isBuffer(iterable) ? [iterable] : iterable)[Symbol.iterator]();
  var r = new Readable(Object.assign({ objectMode: true }, options));
  r._read = function () {
    Promise.resolve(it.next()).then(function (x) { if (x.done) r.push(null); else return Promise.resolve(x.value).then(function (v) { r.push(v); }); }).catch(function (e) { r.destroy(e); });
  };
  return r;
};

// Writable

function Writable(options) {
  if (!Writable.prototype.isPrototypeOf(this) && !Duplex.prototype.isPrototypeOf(this)) return new Writable(options);
  Stream.call(this);
  initWritable(this, options || {});
}
inherits(Writable, Stream);
function initWritable(s, o) {
  s._writableState = { queue: [], length: 0, busy: false, ending: false, ended: false, finished: false, needDrain: false, objectMode: !!(o.objectMode || o.writableObjectMode), highWaterMark: o.highWaterMark || (o.objectMode ? 16 : 16384), decodeStrings: o.decodeStrings !== false, defaultEncoding: 'utf8', corked: 0 };
  s.writable = true;
  s.destroyed = false;
  if (o.autoDestroy === false) s._autoDestroy = false;
  if (typeof o.write === 'function') s._write = o.write;
  if (typeof o.writev === 'function') s._writev = o.writev;
  if (typeof o.final === 'function') s._final = o.final;
  if (typeof o.destroy === 'function') s._destroy = o.destroy;
}
var writable = {
  _write: function (chunk, encoding, cb) { cb(new Error('The _write() method is not implemented')); },
  write: function (chunk, encoding, cb) {
    var st = this._writableState;
    if (typeof encoding === 'function') { cb = encoding; encoding = undefined; }
    if (st.ending || this.destroyed) {
      var e = new Error(this.destroyed ? 'Cannot call write after a stream was destroyed' : 'write after end');
      e.code = this.destroyed ? 'ERR_STREAM_DESTROYED' : 'ERR_STREAM_WRITE_AFTER_END';
      if (cb) later(function () { cb(e); });
      if (!this.destroyed) destroy(this, e);
      return false;
    }
    if (chunk === null) throw new TypeError('May not write null values to stream');
    if (!st.objectMode) {
      if (typeof chunk === 'string') { if (st.decodeStrings) { chunk = Buffer.from(chunk, encoding || st.defaultEncoding); encoding = 'buffer'; } } else if (chunk instanceof Uint8Array) { if (!Buffer.isBuffer(chunk)) chunk = Buffer.from(chunk); encoding = 'buffer'; } else throw new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ' + typeof chunk);
    }
    st.queue.push({ chunk: chunk, encoding: encoding || st.defaultEncoding, cb: cb });
    st.length += st.objectMode ? 1 : chunk.length;
    var room = st.length < st.highWaterMark;
    if (!room) st.needDrain = true;
    work(this);
    return room;
  },
  end: function (chunk, encoding, cb) {
    if (typeof chunk === 'function') { cb = chunk; chunk = undefined; } else if (typeof encoding === 'function') { cb = encoding; encoding = undefined; }
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
    if (cb) { if (this._writableState.finished) later(cb); else this.once('finish', cb); }
    this._writableState.ending = true;
    this._writableState.corked = 0;
    work(this);
    return this;
  },
  cork: function () { this._writableState.corked++; },
  uncork: function () { if (this._writableState.corked) this._writableState.corked--; work(this); },
  setDefaultEncoding: function (e) { this._writableState.defaultEncoding = e; return this; },
  destroy: function (err) { return destroy(this, err); },
  _destroy: function (err, cb) { cb(err); },
};
Object.assign(Writable.prototype, writable);
function work(s) {
  var st = s._writableState;
  if (st.busy || st.corked || s.destroyed) return;
  if (st.queue.length === 0) {
    if (st.ending && !st.ended) {
      st.ended = true;
      s.writable = false;
      var finish = function (e) {
        if (e) { destroy(s, e); return; }
        later(function () {
          if (st.finished) return;
          st.finished = true;
          s.emit('finish');
          if (s._readableState === undefined || s._readableState.endEmitted) closeStream(s);
        });
      };
      var prefinish = function (e) { if (e) return finish(e); if (typeof s._flushFinal === 'function') s._flushFinal(finish); else finish(); };
      if (typeof s._final === 'function') { try { s._final(prefinish); } catch (e) { finish(e); } } else prefinish();
    }
    return;
  }
  var item = st.queue.shift();
  st.busy = true;
  var called = false;
  var done = function (e) {
    if (called) return;
    called = true;
    later(function () {
      st.busy = false;
      st.length -= st.objectMode ? 1 : item.chunk.length;
      if (item.cb) item.cb(e || null);
      if (e) { destroy(s, e); return; }
      if (st.needDrain && st.length < st.highWaterMark) { st.needDrain = false; if (!st.ending) s.emit('drain'); }
      work(s);
    });
  };
  try { s._write(item.chunk, item.encoding, done); } catch (e) { done(e); }
}
for (var pair of [['writableEnded', 'ending'], ['writableFinished', 'finished'], ['writableLength', 'length'], ['writableHighWaterMark', 'highWaterMark'], ['writableObjectMode', 'objectMode'], ['writableCorked', 'corked']]) {
  (function (name, key) { Object.defineProperty(Writable.prototype, name, { get: function () { return this._writableState && this._writableState[key]; }, configurable: true }); })(pair[0], pair[1]);
}

// Duplex, Transform, PassThrough

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  Stream.call(this);
  initReadable(this, options || {});
  initWritable(this, options || {});
  this.allowHalfOpen = !options || options.allowHalfOpen !== false;
  if (!this.allowHalfOpen) this.once('end', function () { this.end(); });
}
inherits(Duplex, Readable);
for (var k of Object.getOwnPropertyNames(Writable.prototype)) {
  if (k !== 'constructor' && k !== 'destroy' && k !== '_destroy') Object.defineProperty(Duplex.prototype, k, Object.getOwnPropertyDescriptor(Writable.prototype, k));
}
Object.defineProperty(Writable, Symbol.hasInstance, { value: function (o) {
  if (this !== Writable) return Function.prototype[Symbol.hasInstance].call(this, o);
  return !!o && typeof o === 'object' && o._writableState !== undefined;
} });

function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  Duplex.call(this, options);
  if (options && typeof options.transform === 'function') this._transform = options.transform;
  if (options && typeof options.flush === 'function') this._flush = options.flush;
  this._held = null;
}
inherits(Transform, Duplex);
Transform.prototype._transform = function (chunk, encoding, cb) { cb(new Error('The _transform() method is not implemented')); };
Transform.prototype._write = function (chunk, encoding, cb) {
  var s = this;
  s._transform(chunk, encoding, function (e, out) {
    if (e) return cb(e);
    if (out !== undefined && out !== null) s.push(out);
    if (s._readableState.length < s._readableState.highWaterMark || s._readableState.flowing) cb(); else s._held = cb;
  });
};
Transform.prototype._read = function () { this._readableState.reading = false; if (this._held) { var cb = this._held; this._held = null; cb(); } };
Transform.prototype._flushFinal = function (cb) {
  var s = this;
  if (typeof s._flush !== 'function') { s.push(null); return cb(); }
  s._flush(function (e, out) {
    if (e) return cb(e);
    if (out !== undefined && out !== null) s.push(out);
    s.push(null);
    cb();
  });
};
function PassThrough(options) { if (!(this instanceof PassThrough)) return new PassThrough(options); Transform.call(this, options); }
inherits(PassThrough, Transform);
PassThrough.prototype._transform = function (chunk, encoding, cb) { cb(null, chunk); };

function finished(s, options, cb) {
  if (typeof options === 'function') { cb = options; options = {}; }
  var called = false;
  function done(e) { if (!called) { called = true; cb(e); } }
  s.on('end', function () { if (!s._writableState || s._writableState.finished || !s.writable) done(); });
  s.on('finish', function () { if (!s._readableState || s._readableState.endEmitted || s.readable === false) done(); });
  s.on('error', done);
  s.on('close', function () { done(s._readableState && !s._readableState.endEmitted && !s._writableState ? new Error('Premature close') : undefined); });
  return function () { called = true; };
}
// pipeline connects streams, iterables and functions, which are called with
// what comes before them and give an iterable or, as the last, a promise.
function pipeline() {
  var list = Array.prototype.slice.call(arguments), cb = typeof list[list.length - 1] === 'function' && arguments.length > 1 ? list.pop() : function (e) { if (e) throw e; };
  if (Array.isArray(list[0])) list = list[0];
  var called = false, streams = [], last = null;
  function done(e, value) { if (called) return; called = true; if (e) streams.forEach(function (s) { s.destroy && s.destroy(); }); cb(e || undefined, value); }
  for (var s of list) {
    var piped = last;
    if (typeof s === 'function') {
      s = last === null ? s() : s(last);
      piped = null;
      if (s && typeof s.then === 'function') { s.then(function (v) { done(null, v); }, done); return last; }
    }
    if (typeof s.pipe !== 'function' && typeof s.write !== 'function') s = Readable.from(s);
    s.on('error', done);
    streams.push(s);
    if (piped) piped.pipe(s);
    last = s;
  }
  last.on(last._writableState ? 'finish' : 'end', function () { done(); });
  return last;
}
Object.assign(Stream, { Stream: Stream, Readable: Readable, Writable: Writable, Duplex: Duplex, Transform: Transform, PassThrough: PassThrough, finished: finished, pipeline: pipeline,
  addAbortSignal: function (signal, s) { signal.addEventListener('abort', function () { s.destroy(new Error('The operation was aborted')); }); return s; } });
Stream.promises = {
  pipeline: function () { var a = Array.prototype.slice.call(arguments); return new Promise(function (ok, bad) { pipeline.apply(null, a.concat(function (e) { e ? bad(e) : ok(); })); }); },
  finished: function (s, o) { return new Promise(function (ok, bad) { finished(s, o || {}, function (e) { e ? bad(e) : ok(); }); }); },
};
Stream.isReadable = function (s) { return !!s && !s.destroyed && s.readable === true; };
Stream.isWritable = function (s) { return !!s && !s.destroyed && s.writable === true; };
Stream.isErrored = function (s) { return !!s && !!s.errored; };
Stream.isDestroyed = function (s) { return !!s && s.destroyed === true; };
Stream.destroy = function (s, e) { return s.destroy(e); };
Stream.prototype.pipe = readable.pipe;
return { exports: Stream };
