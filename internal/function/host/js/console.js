// The rarer methods of console; the others are in Go.
var counts = new Map(), times = new Map();

function line(level) {
  return function () { native.log(level, load('inspect').print.apply(undefined, arguments)); };
}
var log = line('info'), error = line('error'), debug = line('debug');
function named(label) { return label === undefined ? 'default' : String(label); }

var members = {
  trace: function trace() { debug('Trace: ' + load('inspect').print.apply(undefined, arguments) + '\n' + new Error().stack); },
  dir: function dir(v, options) { log(load('inspect').inspect(v, options)); },
  table: function table(v) { log(load('inspect').inspect(v, { depth: 4 })); },
  assert: function assert(ok) {
    if (!ok) error('Assertion failed' + (arguments.length > 1 ? ': ' + load('inspect').print.apply(undefined, Array.prototype.slice.call(arguments, 1)) : ''));
  },
  count: function count(label) { label = named(label); var n = (counts.get(label) || 0) + 1; counts.set(label, n); log(label + ': ' + n); },
  countReset: function countReset(label) { counts.delete(named(label)); },
  time: function time(label) { times.set(named(label), Date.now()); },
  timeLog: function timeLog(label) { label = named(label); if (times.has(label)) log(label + ': ' + (Date.now() - times.get(label)) + 'ms'); },
  timeEnd: function timeEnd(label) { members.timeLog(label); times.delete(named(label)); },
};
return Object.assign(Object.create(null), members);
