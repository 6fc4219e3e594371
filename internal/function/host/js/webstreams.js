// ReadableStream, as far as clients use it: a source is pulled when somebody
// reads, and one reader has it at a time. Byte streams and tee are not there.
var inside = new WeakMap();

function settleAll(s) {
  while (s.waiting.length > 0 && (s.chunks.length > 0 || s.state !== 'readable')) {
    var w = s.waiting.shift();
    if (s.chunks.length > 0) w.ok({ value: s.chunks.shift(), done: false });
    else if (s.state === 'errored') w.no(s.error);
    else w.ok({ value: undefined, done: true });
  }
  if (s.state === 'errored') s.no(s.error);
  else if (s.state === 'closing' && s.chunks.length === 0) { s.state = 'closed'; s.ok(); }
}
function pull(s) {
  if (s.pulling || s.state !== 'readable' || typeof s.source.pull !== 'function' || s.chunks.length >= s.mark && s.waiting.length === 0) return;
  s.pulling = true;
  s.started.then(function () { return s.source.pull(s.controller); }).then(function () { s.pulling = false; if (s.waiting.length > 0 || s.chunks.length < s.mark) pull(s); }, function (e) { s.pulling = false; fail(s, e); });
}
function fail(s, e) {
  if (s.state !== 'readable') return;
  s.state = 'errored'; s.error = e; s.chunks = [];
  settleAll(s);
}
function controllerOf(s) {
  return {
    get desiredSize() { return s.state === 'errored' ? null : s.state === 'readable' ? s.mark - s.chunks.length : 0; },
    enqueue: function (chunk) {
      if (s.state !== 'readable') throw new TypeError('Invalid state: Controller is already closed');
      s.chunks.push(chunk); settleAll(s);
    },
    close: function () {
      if (s.state !== 'readable') throw new TypeError('Invalid state: Controller is already closed');
      s.state = 'closing'; settleAll(s);
    },
    error: function (e) { fail(s, e); },
  };
}

class ReadableStreamDefaultReader {
  #stream; #s;
  constructor(stream) {
    var s = inside.get(stream);
    if (s === undefined) throw new TypeError('The "stream" argument must be an instance of ReadableStream');
    if (s.reader) throw new TypeError('Invalid state: ReadableStream is locked');
    s.reader = this; this.#stream = stream; this.#s = s;
  }
  get closed() { return this.#s.closed; }
  read() {
    var s = this.#s;
    if (s.reader !== this) return Promise.reject(new TypeError('Invalid state: The reader is not attached to a stream'));
    return new Promise(function (ok, no) { s.waiting.push({ ok: ok, no: no }); settleAll(s); pull(s); });
  }
  cancel(reason) { return cancel(this.#s, reason); }
  releaseLock() { if (this.#s.reader === this) this.#s.reader = undefined; }
}
function cancel(s, reason) {
  if (s.state === 'errored') return Promise.reject(s.error);
  if (s.state !== 'readable') return Promise.resolve();
  s.chunks = []; s.state = 'closing';
  settleAll(s);
  return Promise.resolve(typeof s.source.cancel === 'function' ? s.source.cancel(reason) : undefined).then(function () {});
}

class ReadableStream {
  constructor(source, strategy) {
    source = source === undefined || source === null ? {} : source;
    if (source.type === 'bytes') throw new Error('byte streams are not available in functions');
    var s = { source: source, mark: strategy && strategy.highWaterMark !== undefined ? Number(strategy.highWaterMark) : 1, chunks: [], waiting: [], state: 'readable', pulling: false };
    s.closed = new Promise(function (ok, no) { s.ok = ok; s.no = no; });
    s.closed.catch(function () {});
    s.controller = controllerOf(s);
    inside.set(this, s);
    s.started = Promise.resolve(typeof source.start === 'function' ? source.start(s.controller) : undefined);
    s.started.then(function () { pull(s); }, function (e) { fail(s, e); });
  }
  get locked() { return inside.get(this).reader !== undefined; }
  getReader() { return new ReadableStreamDefaultReader(this); }
  cancel(reason) {
    if (this.locked) return Promise.reject(new TypeError('Invalid state: ReadableStream is locked'));
    return cancel(inside.get(this), reason);
  }
  values(options) {
    var reader = this.getReader(), keep = options && options.preventCancel;
    var it = {
      next: function () { return reader.read().then(function (r) { if (r.done) reader.releaseLock(); return r; }); },
      return: function (v) { var end = keep ? Promise.resolve() : reader.cancel(v); reader.releaseLock(); return end.then(function () { return { value: v, done: true }; }); },
    };
    it[asyncIterator] = function () { return it; };
    return it;
  }
  static from(items) {
    var it = typeof items[asyncIterator] === 'function' ? items[asyncIterator]() : items[Symbol.iterator]();
    return new ReadableStream({
      pull: function (c) { return Promise.resolve(it.next()).then(function (r) { if (r.done) c.close(); else return Promise.resolve(r.value).then(function (v) { c.enqueue(v); }); }); },
      cancel: function (reason) { if (typeof it.return === 'function') return it.return(reason); },
    }, { highWaterMark: 0 });
  }
}
var asyncIterator = Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator');
Object.defineProperty(ReadableStream.prototype, asyncIterator, { value: ReadableStream.prototype.values, writable: true, configurable: true });

return { ReadableStream: ReadableStream, ReadableStreamDefaultReader: ReadableStreamDefaultReader };
