// AsyncLocalStorage holds its value for synchronous code only.
class AsyncLocalStorage {
  #v;
  run(v, fn, ...args) { var old = this.#v; this.#v = v; try { return fn(...args); } finally { this.#v = old; } }
  exit(fn, ...args) { return this.run(undefined, fn, ...args); }
  getStore() { return this.#v; }
  enterWith(v) { this.#v = v; }
  disable() { this.#v = undefined; }
}
class AsyncResource { constructor(type) { this.type = type; } runInAsyncScope(fn, self, ...args) { return fn.apply(self, args); } emitDestroy() { return this; } asyncId() { return 1; } bind(fn) { return fn; } static bind(fn) { return fn; } }
return { exports: { AsyncLocalStorage: AsyncLocalStorage, AsyncResource: AsyncResource, createHook: function () { return { enable: function () { return this; }, disable: function () { return this; } }; }, executionAsyncId: function () { return 1; }, triggerAsyncId: function () { return 0; } } };
