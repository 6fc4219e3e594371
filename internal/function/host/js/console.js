// console: every method gives one line of the call's log.
var counts = new Map(), times = new Map(), indent = '';

function line(level) {
  return function () {
    var text = arguments.length === 1 && typeof arguments[0] === 'string' ? arguments[0] : load('inspect').format.apply(undefined, arguments);
    native.log(level, indent + text);
  };
}
var log = line('info'), warn = line('warn'), error = line('error'), debug = line('debug');

var console = {
  log: log, info: log, warn: warn, error: error, debug: debug,
  trace: function () { debug('Trace: ' + load('inspect').format.apply(undefined, arguments) + '\n' + new Error().stack); },
  dir: function (v, options) { log(load('inspect').inspect(v, options)); },
  table: function (v) { log(load('inspect').inspect(v)); },
  assert: function (ok) {
    if (!ok) error('Assertion failed' + (arguments.length > 1 ? ': ' + load('inspect').format.apply(undefined, Array.prototype.slice.call(arguments, 1)) : ''));
  },
  group: function () { if (arguments.length) log.apply(undefined, arguments); indent += '  '; },
  groupEnd: function () { indent = indent.slice(2); },
  count: function (label) { label = label === undefined ? 'default' : String(label); var n = (counts.get(label) || 0) + 1; counts.set(label, n); log(label + ': ' + n); },
  countReset: function (label) { counts.delete(label === undefined ? 'default' : String(label)); },
  time: function (label) { times.set(label === undefined ? 'default' : String(label), Date.now()); },
  timeLog: function (label) { label = label === undefined ? 'default' : String(label); if (times.has(label)) log(label + ': ' + (Date.now() - times.get(label)) + 'ms'); },
  timeEnd: function (label) { label = label === undefined ? 'default' : String(label); console.timeLog(label); times.delete(label); },
};
console.groupCollapsed = console.group;
return { console: console };
