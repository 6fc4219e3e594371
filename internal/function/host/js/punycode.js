function toASCII(s) { return s.split('@').map(function (part, i, all) { return i === all.length - 1 ? part.split('.').map(function (l) { return /[^\0-\x7f]/.test(l) ? native.toASCII(l) : l; }).join('.') : part; }).join('@'); }
return { exports: {
  version: '2.3.1', toASCII: toASCII, toUnicode: function (s) { return native.toUnicode(s); },
  encode: function (s) { var a = native.toASCII('a' + s); return /[^\0-\x7f]/.test(s) ? native.toASCII(s).replace(/^xn--/, '') : s + '-'; },
  decode: function (s) { return native.toUnicode('xn--' + s); },
  ucs2: { decode: function (s) { return Array.from(s, function (c) { return c.codePointAt(0); }); }, encode: function (a) { return String.fromCodePoint.apply(null, a); } },
} };
