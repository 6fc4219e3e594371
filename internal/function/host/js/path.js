// Node's path for POSIX.
function normalizeParts(p, absolute) {
  var out = [];
  for (var part of p.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') { if (out.length && out[out.length - 1] !== '..') out.pop(); else if (!absolute) out.push('..'); } else out.push(part);
  }
  return out.join('/');
}
function text(p, name) { if (typeof p !== 'string') { var e = new TypeError('The "' + (name || 'path') + '" argument must be of type string. Received ' + typeof p); e.code = 'ERR_INVALID_ARG_TYPE'; throw e; } return p; }
var path = {
  sep: '/', delimiter: ':',
  normalize: function (p) {
    text(p);
    if (p === '') return '.';
    var abs = p[0] === '/', s = normalizeParts(p, abs);
    if (s === '' && !abs) s = '.';
    if (s && p[p.length - 1] === '/') s += '/';
    return abs ? '/' + s : s;
  },
  join: function () { var parts = Array.prototype.filter.call(arguments, function (p) { return text(p) !== ''; }); return parts.length ? path.normalize(parts.join('/')) : '.'; },
  resolve: function () {
    var r = '';
    for (var i = arguments.length - 1; i >= 0 && r[0] !== '/'; i--) { var p = text(arguments[i]); if (p) r = r ? p + '/' + r : p; }
    if (r[0] !== '/') r = '/' + r;
    return '/' + normalizeParts(r, true);
  },
  isAbsolute: function (p) { return text(p)[0] === '/'; },
  dirname: function (p) { text(p); p = p.replace(/\/+$/, '') || (p[0] === '/' ? '/' : ''); var i = p.lastIndexOf('/'); return i < 0 ? '.' : p.slice(0, i).replace(/\/+$/, '') || '/'; },
  basename: function (p, ext) { var b = text(p).replace(/\/+$/, ''); b = b.slice(b.lastIndexOf('/') + 1); return ext && b !== ext && b.endsWith(ext) ? b.slice(0, -ext.length) : b; },
  extname: function (p) { var b = path.basename(text(p)), i = b.lastIndexOf('.'); return i <= 0 || b === '..' ? '' : b.slice(i); },
  relative: function (from, to) {
    var a = path.resolve(from).split('/').filter(Boolean), b = path.resolve(to).split('/').filter(Boolean), i = 0;
    while (i < a.length && i < b.length && a[i] === b[i]) i++;
    return a.slice(i).map(function () { return '..'; }).concat(b.slice(i)).join('/');
  },
  parse: function (p) { var base = path.basename(p), ext = path.extname(p), dir = path.dirname(p); return { root: p[0] === '/' ? '/' : '', dir: dir === '.' && p.indexOf('/') < 0 ? '' : dir, base: base, ext: ext, name: ext ? base.slice(0, -ext.length) : base }; },
  format: function (o) { var dir = o.dir || o.root, base = o.base || (o.name || '') + (o.ext || ''); return dir ? (dir === o.root ? dir + base : dir + '/' + base) : base; },
  toNamespacedPath: function (p) { return p; },
};
path.posix = path;
path.win32 = load('absent').make('path.win32', { sep: '\\', delimiter: ';' });
return { exports: path };
