// Node's EventEmitter.
function EventEmitter() { EventEmitter.init.call(this); }
EventEmitter.init = function () {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) this._events = Object.create(null);
  if (this._maxListeners === undefined) this._maxListeners = undefined;
};
EventEmitter.defaultMaxListeners = 10;
EventEmitter.usingDomains = false;
EventEmitter.EventEmitter = EventEmitter;
EventEmitter.errorMonitor = Symbol('events.errorMonitor');
EventEmitter.captureRejectionSymbol = Symbol.for('nodejs.rejection');

function table(e) { if (!e._events) EventEmitter.init.call(e); return e._events; }
function add(e, name, fn, first) {
  if (typeof fn !== 'function') throw new TypeError('The "listener" argument must be of type function. Received ' + (fn === null ? 'null' : typeof fn));
  var t = table(e);
  if (t.newListener !== undefined) e.emit('newListener', name, fn.listener || fn);
  var list = t[name] ? t[name].slice() : [];
  if (first) list.unshift(fn); else list.push(fn);
  t[name] = list;
  return e;
}
function onceWrap(e, name, fn) {
  function wrapped() { e.removeListener(name, wrapped); return fn.apply(e, arguments); }
  wrapped.listener = fn;
  return wrapped;
}
Object.assign(EventEmitter.prototype, {
  setMaxListeners: function (n) { this._maxListeners = n; return this; },
  getMaxListeners: function () { return this._maxListeners === undefined ? EventEmitter.defaultMaxListeners : this._maxListeners; },
  on: function (name, fn) { return add(this, name, fn, false); },
  addListener: function (name, fn) { return add(this, name, fn, false); },
  prependListener: function (name, fn) { return add(this, name, fn, true); },
  once: function (name, fn) {
    if (typeof fn !== 'function') throw new TypeError('The "listener" argument must be of type function');
    return add(this, name, onceWrap(this, name, fn), false);
  },
  prependOnceListener: function (name, fn) { return add(this, name, onceWrap(this, name, fn), true); },
  emit: function (name) {
    var args = Array.prototype.slice.call(arguments, 1), list = table(this)[name];
    if (!list || list.length === 0) {
      if (name === 'error') {
        if (args[0] instanceof Error) throw args[0];
        var e = new Error('Unhandled error. (' + String(args[0]) + ')');
        e.context = args[0];
        throw e;
      }
      return false;
    }
    for (var fn of list) fn.apply(this, args);
    return true;
  },
  removeListener: function (name, fn) {
    var t = table(this), list = t[name];
    if (!list) return this;
    for (var i = list.length - 1; i >= 0; i--) {
      if (list[i] === fn || list[i].listener === fn) {
        t[name] = list.slice(0, i).concat(list.slice(i + 1));
        if (t[name].length === 0) delete t[name];
        if (t.removeListener) this.emit('removeListener', name, fn);
        break;
      }
    }
    return this;
  },
  removeAllListeners: function (name) { var t = table(this); if (name === undefined) this._events = Object.create(null); else delete t[name]; return this; },
  listeners: function (name) { return (table(this)[name] || []).map(function (f) { return f.listener || f; }); },
  rawListeners: function (name) { return (table(this)[name] || []).slice(); },
  listenerCount: function (name) { return (table(this)[name] || []).length; },
  eventNames: function () { return Reflect.ownKeys(table(this)); },
});
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;
EventEmitter.listenerCount = function (e, name) { return e.listenerCount(name); };
EventEmitter.once = function (e, name) {
  return new Promise(function (resolve, reject) {
    function ok() { e.removeListener('error', bad); resolve(Array.prototype.slice.call(arguments)); }
    function bad(err) { e.removeListener(name, ok); reject(err); }
    e.once(name, ok);
    if (name !== 'error') e.once('error', bad);
  });
};
// on gives the arguments of every such event, one after the other.
EventEmitter.on = function (e, name) {
  var queue = [], waiting = null, failure = null, done = false;
  function wake() { if (waiting) { var w = waiting; waiting = null; w(); } }
  function ok() { queue.push(Array.prototype.slice.call(arguments)); wake(); }
  function bad(err) { failure = err; wake(); }
  function stop() { done = true; e.removeListener(name, ok); e.removeListener('error', bad); wake(); return Promise.resolve({ done: true, value: undefined }); }
  e.on(name, ok);
  if (name !== 'error') e.on('error', bad);
  return {
    next: async function () {
      for (;;) {
        if (queue.length) return { done: false, value: queue.shift() };
        if (failure) { var err = failure; failure = null; stop(); throw err; }
        if (done) return { done: true, value: undefined };
        await new Promise(function (resolve) { waiting = resolve; });
      }
    },
    return: stop,
    throw: function (err) { stop(); return Promise.reject(err); },
    [Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator')]: function () { return this; },
  };
};
EventEmitter.getEventListeners = function (e, name) { return typeof e.listeners === 'function' ? e.listeners(name) : []; };
EventEmitter.getMaxListeners = function (e) { return typeof e.getMaxListeners === 'function' ? e.getMaxListeners() : 0; };
EventEmitter.setMaxListeners = function (n) { for (var i = 1; i < arguments.length; i++) if (typeof arguments[i].setMaxListeners === 'function') arguments[i].setMaxListeners(n); };
EventEmitter.addAbortListener = function (signal, fn) {
  if (signal.aborted) Promise.resolve().then(fn); else signal.addEventListener('abort', fn, { once: true });
  return { [Symbol.dispose || Symbol.for('Symbol.dispose')]: function () { signal.removeEventListener('abort', fn); } };
};
return { exports: EventEmitter };
