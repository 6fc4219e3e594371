// The engine's regular expressions know no \p{…}. Patterns that have one come
// here as texts, since their literals are translated to calls of RegExp, and
// leave with the classes written out.
var Native = global.RegExp;
function expand(pattern, flags) {
  if (typeof pattern !== 'string' || !/[uv]/.test(flags) || !/\\[pP]\{/.test(pattern)) return pattern;
  var inClass = false;
  return pattern.replace(/\\[pP]\{([^}]*)\}|\\[^]|[\[\]]/g, function (m, name) {
    if (m === '[') inClass = true; else if (m === ']') inClass = false;
    if (name === undefined) return m;
    var ranges = native.unicodeClass(name, m[1] === 'P');
    if (ranges === undefined) throw new SyntaxError('Invalid regular expression: /' + pattern + '/: Invalid property name');
    return inClass ? ranges : '[' + ranges + ']';
  });
}
function RegExp(pattern, flags) {
  var text = flags === undefined ? (pattern instanceof Native ? pattern.flags : '') : String(flags);
  if (new.target === undefined && pattern instanceof Native && flags === undefined) return pattern;
  var source = pattern instanceof Native ? pattern.source : pattern, expanded = expand(source, text);
  var r = Reflect.construct(Native, expanded === source ? [pattern, flags] : [expanded, text], new.target === undefined || new.target === RegExp ? Native : new.target);
  if (expanded !== source) Object.defineProperty(r, 'source', { value: source, configurable: true });
  return r;
}
Object.setPrototypeOf(RegExp, Native);
RegExp.prototype = Native.prototype;
Object.defineProperty(Native.prototype, 'constructor', { value: RegExp, writable: true, configurable: true });
Object.defineProperty(global, 'RegExp', { value: RegExp, writable: true, configurable: true, enumerable: false });
return {};
