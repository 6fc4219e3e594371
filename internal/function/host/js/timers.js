// Timers end with the call; a forgotten one does not keep it alive.
var running = new Map();
var last = 0;

class Timeout {
  constructor(id) { this.id = id; }
  ref() { return this; }
  unref() { return this; }
  hasRef() { return true; }
  refresh() { return this; }
  close() { clear(this); return this; }
  [Symbol.toPrimitive]() { return this.id; }
}

function start(fn, ms, args, repeat) {
  if (typeof fn !== 'function') throw new TypeError('The "callback" argument must be of type function. Received ' + typeof fn);
  var id = ++last;
  var stop = native.timer(function () {
    if (!repeat) running.delete(id);
    fn.apply(global, args);
  }, Number(ms) || 0, repeat);
  running.set(id, stop);
  return new Timeout(id);
}

function clear(timer) {
  if (timer === undefined || timer === null) return;
  var id = Number(timer);
  var stop = running.get(id);
  if (stop) {
    running.delete(id);
    stop();
  }
}

return {
  setTimeout: function setTimeout(fn, ms, ...args) { return start(fn, ms, args, false); },
  setInterval: function setInterval(fn, ms, ...args) { return start(fn, ms, args, true); },
  setImmediate: function setImmediate(fn, ...args) { return start(fn, 0, args, false); },
  clearTimeout: function clearTimeout(t) { clear(t); },
  clearInterval: function clearInterval(t) { clear(t); },
  clearImmediate: function clearImmediate(t) { clear(t); },
  queueMicrotask: function queueMicrotask(fn) {
    if (typeof fn !== 'function') throw new TypeError('The "callback" argument must be of type function');
    Promise.resolve().then(fn);
  },
};
