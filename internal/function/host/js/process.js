// A harmless part of Node's process.
var EventEmitter = load('events').exports;
var p = new EventEmitter();
function refuse(name) { return function () { throw new Error('process.' + name + ' is not available in functions'); }; }
function output(level) { return { write: function (s) { native.console()[level](String(s).replace(/\n$/, '')); return true; }, isTTY: false, columns: 80, on: function () { return this; }, once: function () { return this; }, emit: function () { return false; }, end: function () {} }; }
function hrtime(before) {
  var ns = native.hrtime(), s = Math.floor(ns / 1e9), n = Math.floor(ns % 1e9);
  if (before) { s -= before[0]; n -= before[1]; if (n < 0) { s--; n += 1e9; } }
  return [s, n];
}
hrtime.bigint = function () { return BigInt(Math.floor(native.hrtime())); };
Object.assign(p, {
  env: {}, argv: ['node'], execArgv: [], execPath: '/node', pid: 1, ppid: 0, title: 'node', arch: 'x64', platform: 'linux', version: 'v18.20.0',
  versions: { node: '18.20.0', v8: '10.2', modules: '108' }, release: { name: 'node' }, config: { variables: {} }, features: {}, exitCode: undefined, browser: false,
  nextTick: function (fn) { var args = Array.prototype.slice.call(arguments, 1); Promise.resolve().then(function () { fn.apply(null, args); }); },
  hrtime: hrtime, uptime: function () { return native.hrtime() / 1e9; }, cwd: function () { return '/'; }, umask: function () { return 18; },
  memoryUsage: function () { return { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }; }, cpuUsage: function () { return { user: 0, system: 0 }; },
  emitWarning: function (w) { native.console().warn('Warning: ' + (w && w.message || w)); },
  getuid: function () { return -1; }, getgid: function () { return -1; }, geteuid: function () { return -1; },
  exit: refuse('exit'), abort: refuse('abort'), kill: refuse('kill'), chdir: refuse('chdir'), dlopen: refuse('dlopen'), binding: refuse('binding'),
});
// Firestore speaks HTTP when it finds this, else HTTP/2, which is not there.
Object.defineProperty(p.env, 'FIRESTORE_PREFER_REST', { value: 'true', writable: true, configurable: true });
Object.defineProperty(p, 'stdout', { get: function () { return output('log'); }, enumerable: true });
Object.defineProperty(p, 'stderr', { get: function () { return output('error'); }, enumerable: true });
// By this packages tell Node from a browser: axios before 1.0 finds its adapter so.
Object.defineProperty(p, Symbol.toStringTag, { value: 'process', configurable: true });
return { exports: p, process: p };
