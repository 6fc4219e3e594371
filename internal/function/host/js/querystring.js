function unescape(s) { try { return decodeURIComponent(s); } catch (e) { return s; } }
function escape(s) { return encodeURIComponent(s); }
function primitive(v) { return typeof v === 'string' ? v : typeof v === 'number' && isFinite(v) || typeof v === 'boolean' || typeof v === 'bigint' ? String(v) : ''; }
function parse(text, sep, eq, options) {
  sep = sep || '&'; eq = eq || '=';
  var decode = options && options.decodeURIComponent || q.unescape, max = options && options.maxKeys !== undefined ? options.maxKeys : 1000;
  var out = Object.create(null);
  if (typeof text !== 'string' || text === '') return out;
  var parts = text.split(sep);
  if (max > 0) parts = parts.slice(0, max);
  for (var p of parts) {
    if (p === '') continue;
    p = p.replace(/\+/g, ' ');
    var i = p.indexOf(eq), k = decode(i < 0 ? p : p.slice(0, i)), v = i < 0 ? '' : decode(p.slice(i + eq.length));
    if (k in out) { if (Array.isArray(out[k])) out[k].push(v); else out[k] = [out[k], v]; } else out[k] = v;
  }
  return out;
}
function stringify(o, sep, eq, options) {
  sep = sep || '&'; eq = eq || '=';
  var encode = options && options.encodeURIComponent || q.escape;
  if (o === null || typeof o !== 'object') return '';
  return Object.keys(o).map(function (k) {
    var name = encode(primitive(k)) + eq;
    return Array.isArray(o[k]) ? o[k].map(function (v) { return name + encode(primitive(v)); }).join(sep) : name + encode(primitive(o[k]));
  }).filter(Boolean).join(sep);
}
var q = { parse: parse, decode: parse, stringify: stringify, encode: stringify, escape: escape, unescape: unescape };
return { exports: q };
