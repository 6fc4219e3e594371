// Event, EventTarget, AbortController, DOMException.
class Event {
  constructor(type, init) { this.type = String(type); this.bubbles = !!(init && init.bubbles); this.cancelable = !!(init && init.cancelable); this.defaultPrevented = false; this.target = this.currentTarget = null; this.timeStamp = Date.now(); }
  preventDefault() { if (this.cancelable) this.defaultPrevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.__stop = true; }
}
class EventTarget {
  #all = new Map();
  addEventListener(type, fn, options) {
    if (!fn) return;
    var list = this.#all.get(type) || [];
    if (!list.some(function (l) { return l.fn === fn; })) list.push({ fn: fn, once: !!(options && options.once) });
    this.#all.set(type, list);
  }
  removeEventListener(type, fn) { this.#all.set(type, (this.#all.get(type) || []).filter(function (l) { return l.fn !== fn; })); }
  dispatchEvent(e) {
    e.target = e.currentTarget = this;
    for (var l of (this.#all.get(e.type) || []).slice()) {
      if (l.once) this.removeEventListener(e.type, l.fn);
      if (typeof l.fn === 'function') l.fn.call(this, e); else l.fn.handleEvent(e);
      if (e.__stop) break;
    }
    if (typeof this['on' + e.type] === 'function' && !e.__stop) this['on' + e.type](e);
    return !e.defaultPrevented;
  }
}
var codes = { AbortError: 20, TimeoutError: 23, DataCloneError: 25, InvalidCharacterError: 5, SyntaxError: 12 };
class DOMException extends Error {
  constructor(message, name) { super(message === undefined ? '' : String(message)); Object.defineProperty(this, 'name', { value: name === undefined ? 'Error' : String(name), configurable: true }); }
  get code() { return codes[this.name] || 0; }
}
class AbortSignal extends EventTarget {
  constructor() { super(); this.aborted = false; this.reason = undefined; this.onabort = null; }
  throwIfAborted() { if (this.aborted) throw this.reason; }
  static abort(reason) { var s = new AbortSignal(); abort(s, reason); return s; }
  static timeout(ms) { var s = new AbortSignal(); load('timers').setTimeout(function () { abort(s, new DOMException('The operation was aborted due to timeout', 'TimeoutError')); }, ms); return s; }
  static any(list) { var s = new AbortSignal(); for (let x of list) { if (x.aborted) { abort(s, x.reason); break; } x.addEventListener('abort', function () { abort(s, x.reason); }); } return s; }
}
function abort(s, reason) {
  if (s.aborted) return;
  s.aborted = true;
  s.reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
  s.dispatchEvent(new Event('abort'));
}
class AbortController {
  constructor() { this.signal = new AbortSignal(); }
  abort(reason) { abort(this.signal, reason); }
}
return { Event: Event, EventTarget: EventTarget, DOMException: DOMException, AbortSignal: AbortSignal, AbortController: AbortController };
