// The engine's regular expressions know no \p{…} and no flag v, and lose the names
// of groups where the flag is u and the text is beyond ASCII. Such patterns come
// here as texts, since their literals are translated to calls of RegExp, and leave
// with the classes written out, the flag u, and a condition that is always true,
// which the slower of the engine's two matchers alone takes.
var Native = global.RegExp;
function expand(pattern, flags) {
  if (typeof pattern !== 'string' || !/u/.test(flags) || !/\\[pP]\{|\(\?</.test(pattern)) return pattern;
  var inClass = false;
  return keepNames(pattern).replace(/\\[pP]\{([^}]*)\}|\\[^]|[\[\]]/g, function (m, name) {
    if (m === '[') inClass = true; else if (m === ']') inClass = false;
    if (name === undefined) return m;
    var ranges = native.unicodeClass(name, m[1] === 'P');
    if (ranges === undefined) throw new SyntaxError('Invalid regular expression: /' + pattern + '/: Invalid property name');
    return inClass ? ranges : '[' + ranges + ']';
  });
}
function keepNames(pattern) { return /\(\?<[^=!]/.test(pattern) ? pattern + '(?=)' : pattern; }
function setsRegExp(pattern, flags) {
  if (flags.includes('u')) throw new SyntaxError("Invalid flags supplied to RegExp constructor '" + flags + "'");
  var r = new Native(keepNames(native.setPattern(pattern, flags.includes('i'))), flags.replace('v', 'u'));
  return Object.defineProperties(r, { source: { value: pattern, configurable: true }, flags: { value: flags, configurable: true }, unicodeSets: { value: true, configurable: true }, unicode: { value: false, configurable: true } });
}
function RegExp(pattern, flags) {
  var text = flags === undefined ? (pattern instanceof Native ? pattern.flags : '') : String(flags);
  // The engine leaves a constructor's new.target to what it calls without new.
  var made = new.target !== undefined && this instanceof new.target ? new.target : undefined;
  if (made === undefined && pattern instanceof Native && flags === undefined) return pattern;
  if (/d/.test(text)) throw new SyntaxError('regular expressions with the flag d are not available in functions');
  if (/v/.test(text)) return setsRegExp(String(pattern instanceof Native ? pattern.source : pattern), text);
  var source = pattern instanceof Native ? pattern.source : pattern, expanded = expand(source, text);
  var r = Reflect.construct(Native, expanded === source ? [pattern, flags] : [expanded, text], made === undefined || made === RegExp ? Native : made);
  if (expanded !== source) Object.defineProperty(r, 'source', { value: source, configurable: true });
  return r;
}
Object.setPrototypeOf(RegExp, Native);
RegExp.prototype = Native.prototype;
Object.defineProperty(Native.prototype, 'constructor', { value: RegExp, writable: true, configurable: true });
Object.defineProperty(global, 'RegExp', { value: RegExp, writable: true, configurable: true, enumerable: false });
return {};
