var util = load('util'), inspect = load('inspect').inspect;
class AssertionError extends Error {
  constructor(o) { super(o.message); this.name = 'AssertionError'; this.code = 'ERR_ASSERTION'; this.actual = o.actual; this.expected = o.expected; this.operator = o.operator; this.generatedMessage = !o.custom; }
}
function fail(actual, expected, message, operator, text) {
  if (message instanceof Error) throw message;
  throw new AssertionError({ actual: actual, expected: expected, operator: operator, message: message === undefined ? text : String(message), custom: message !== undefined });
}
function assert(v, message) { if (!v) fail(v, true, message, '==', 'The expression evaluated to a falsy value'); }
function binary(test, operator, text) { return function (a, b, message) { if (!test(a, b)) fail(a, b, message, operator, text + ':\n\n' + inspect(a) + '\n\n' + inspect(b)); }; }
function matches(e, expected) {
  if (expected === undefined) return true;
  if (typeof expected === 'function') { if (expected.prototype !== undefined && e instanceof expected) return true; if (Error.isPrototypeOf(expected)) return false; return expected.call({}, e) === true; }
  if (expected instanceof RegExp) return expected.test(String(e));
  return Object.keys(expected).every(function (k) { return expected[k] instanceof RegExp && typeof e[k] === 'string' ? expected[k].test(e[k]) : util.deepEqual(e[k], expected[k], true, []); });
}
Object.assign(assert, {
  AssertionError: AssertionError, ok: assert,
  fail: function (message) { fail(undefined, undefined, message, 'fail', 'Failed'); },
  equal: binary(function (a, b) { return a == b || a !== a && b !== b; }, '==', 'Expected values to be loosely equal'),
  notEqual: binary(function (a, b) { return a != b; }, '!=', 'Expected values to be loosely unequal'),
  strictEqual: binary(Object.is, 'strictEqual', 'Expected values to be strictly equal'),
  notStrictEqual: binary(function (a, b) { return !Object.is(a, b); }, 'notStrictEqual', 'Expected values to be strictly unequal'),
  deepEqual: binary(function (a, b) { return util.deepEqual(a, b, false, []); }, 'deepEqual', 'Expected values to be loosely deep-equal'),
  notDeepEqual: binary(function (a, b) { return !util.deepEqual(a, b, false, []); }, 'notDeepEqual', 'Expected values not to be loosely deep-equal'),
  deepStrictEqual: binary(function (a, b) { return util.deepEqual(a, b, true, []); }, 'deepStrictEqual', 'Expected values to be strictly deep-equal'),
  notDeepStrictEqual: binary(function (a, b) { return !util.deepEqual(a, b, true, []); }, 'notDeepStrictEqual', 'Expected values not to be strictly deep-equal'),
  match: binary(function (a, b) { return b.test(a); }, 'match', 'The input did not match the regular expression'),
  doesNotMatch: binary(function (a, b) { return !b.test(a); }, 'doesNotMatch', 'The input was expected to not match the regular expression'),
  throws: function (fn, expected, message) { try { fn(); } catch (e) { if (typeof expected === 'string' || matches(e, expected)) return; throw e; } fail(undefined, expected, typeof expected === 'string' ? expected : message, 'throws', 'Missing expected exception.'); },
  doesNotThrow: function (fn) { fn(); },
  rejects: async function (p, expected, message) { try { await (typeof p === 'function' ? p() : p); } catch (e) { if (matches(e, expected)) return; throw e; } fail(undefined, expected, message, 'rejects', 'Missing expected rejection.'); },
  doesNotReject: async function (p) { await (typeof p === 'function' ? p() : p); },
  ifError: function (e) { if (e !== null && e !== undefined) fail(e, null, 'ifError got unwanted exception: ' + (e instanceof Error ? e.message : inspect(e)), 'ifError'); },
});
assert.strict = assert;
return { exports: assert };
