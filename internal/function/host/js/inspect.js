// How console and util.inspect show values.
function quote(s) {
  if (s.indexOf("'") < 0) return "'" + escape(s) + "'";
  if (s.indexOf('"') < 0) return '"' + escape(s) + '"';
  return "'" + escape(s).replace(/'/g, "\\'") + "'";
}
function escape(s) {
  return s.replace(/[\\\n\r\t\u0000-\u001f]/g, function (c) {
    switch (c) { case '\\': return '\\\\'; case '\n': return '\\n'; case '\r': return '\\r'; case '\t': return '\\t'; }
    return '\\x' + ('0' + c.charCodeAt(0).toString(16)).slice(-2);
  });
}
function key(k) {
  if (typeof k === 'symbol') return '[' + String(k) + ']';
  return /^[A-Za-z_$][\w$]*$/.test(k) ? k : quote(k);
}

function inspect(value, options, depthOrColors) {
  if (typeof options !== 'object' || options === null) options = typeof depthOrColors === 'number' || depthOrColors === null ? { depth: depthOrColors } : {};
  var state = { max: options.depth === null ? Infinity : options.depth === undefined ? 2 : options.depth, seen: [], budget: 20000, breakLength: options.breakLength || 80, custom: options.customInspect !== false };
  return show(value, 0, state);
}

function show(v, depth, st) {
  if ((st.budget -= 1) < 0) return '…';
  switch (typeof v) {
    case 'string': return quote(v.length > 10000 ? v.slice(0, 10000) + '…' : v);
    case 'number': return Object.is(v, -0) ? '-0' : String(v);
    case 'bigint': return v + 'n';
    case 'symbol': return String(v);
    case 'function': return functionText(v);
    case 'object': break;
    default: return String(v);
  }
  if (v === null) return 'null';
  v = native.withoutProxy(v);
  if (v === undefined) return '<Revoked Proxy>';
  if (typeof v === 'function') return functionText(v);
  if (st.seen.indexOf(v) >= 0) return '[Circular]';
  var own;
  try { own = v.inspect; } catch (e) { own = undefined; }
  if (typeof own === 'function' && v._bsontype) return own.call(v);
  var custom = v[Symbol.for('nodejs.util.inspect.custom')];
  if (st.custom && typeof custom === 'function') {
    var r = custom.call(v, st.max - depth, {}, inspect);
    return typeof r === 'string' ? r : show(r, depth + 1, st);
  }
  switch (native.className(v)) {
    case 'Date': return isNaN(v) ? 'Invalid Date' : v.toISOString();
    case 'RegExp': return String(v);
    case 'Error': return errorText(v, depth, st);
    case 'Number': case 'String': case 'Boolean': return '[' + native.className(v) + ': ' + show(v.valueOf(), depth, st) + ']';
  }
  var promise = native.promise(v);
  if (promise) return promiseText(promise, depth, st);
  if (v instanceof Error) return errorText(v, depth, st);
  if (depth > st.max) return Array.isArray(v) ? '[Array]' : '[' + (constructorName(v) || 'Object') + ']';
  st.seen.push(v);
  try {
    return container(v, depth, st);
  } finally {
    st.seen.pop();
  }
}

function container(v, depth, st) {
  var parts = [], open = '{', close = '}', name = constructorName(v);
  if (Array.isArray(v)) {
    open = '['; close = ']';
    if (name === 'Array') name = '';
    for (var i = 0; i < v.length && i < 100; i++) {
      if (i in v) { parts.push(show(v[i], depth + 1, st)); continue; }
      for (var from = i; i + 1 < v.length && !(i + 1 in v);) i++;
      parts.push('<' + (i - from + 1) + ' empty item' + (i > from ? 's>' : '>'));
    }
    if (v.length > 100) parts.push('… ' + (v.length - 100) + ' more items');
  } else if (ArrayBuffer.isView(v) && v.length !== undefined) {
    name = name + '(' + v.length + ')'; open = '['; close = ']';
    for (var j = 0; j < v.length && j < 50; j++) parts.push(String(v[j]));
    if (v.length > 50) parts.push('… ' + (v.length - 50) + ' more items');
  } else if (v instanceof Map) {
    name = 'Map(' + v.size + ')';
    v.forEach(function (x, k) { if (parts.length < 100) parts.push(show(k, depth + 1, st) + ' => ' + show(x, depth + 1, st)); });
  } else if (v instanceof Set) {
    name = 'Set(' + v.size + ')';
    v.forEach(function (x) { if (parts.length < 100) parts.push(show(x, depth + 1, st)); });
  } else {
    if (name === 'Object') name = '';
    else if (name === '') name = '[Object: null prototype]';
  }
  if (!Array.isArray(v) && !(ArrayBuffer.isView(v) && v.length !== undefined)) {
    var keys = Object.keys(v).concat(Object.getOwnPropertySymbols(v).filter(function (s) { return Object.prototype.propertyIsEnumerable.call(v, s); }));
    for (var n = 0; n < keys.length && n < 200; n++) parts.push(key(keys[n]) + ': ' + property(v, keys[n], depth, st));
    if (keys.length > 200) parts.push('… ' + (keys.length - 200) + ' more properties');
  }
  var head = name ? name + ' ' : '';
  if (parts.length === 0) return head + open + close;
  var line = head + open + ' ' + parts.join(', ') + ' ' + close;
  if (line.length <= st.breakLength && line.indexOf('\n') < 0) return line;
  var pad = '  '.repeat(depth + 1);
  return head + open + '\n' + pad + parts.join(',\n' + pad) + '\n' + '  '.repeat(depth) + close;
}

function property(v, k, depth, st) {
  var d = Object.getOwnPropertyDescriptor(v, k);
  if (d && d.get) return d.set ? '[Getter/Setter]' : '[Getter]';
  return show(v[k], depth + 1, st);
}

function constructorName(v) {
  var p = Object.getPrototypeOf(v);
  if (p === null) return '';
  var d = Object.getOwnPropertyDescriptor(p, 'constructor');
  return d && typeof d.value === 'function' && d.value.name ? d.value.name : 'Object';
}

function promiseText(p, depth, st) {
  if (p.state === 'pending') return 'Promise { <pending> }';
  return 'Promise { ' + (p.state === 'rejected' ? '<rejected> ' : '') + show(p.result, depth + 1, st) + ' }';
}

function functionText(f) {
  var kind = /^class\b/.test(Function.prototype.toString.call(f)) ? 'class' : 'Function';
  if (!f.name) return '[' + kind + ' (anonymous)]';
  return '[' + kind + (kind === 'class' ? ' ' : ': ') + f.name + ']';
}

function errorText(e, depth, st) {
  var text = e.stack ? String(e.stack) : String(e);
  var keys = Object.keys(e).filter(function (k) { return k !== 'stack' && k !== 'message'; });
  if (keys.length > 0 && depth <= st.max) {
    st.seen.push(e);
    text += ' { ' + keys.map(function (k) { return key(k) + ': ' + show(e[k], depth + 1, st); }).join(', ') + ' }';
    st.seen.pop();
  }
  return text;
}

function format() { return formatted(arguments, 2); }
function formatted(values, deep) {
  var first = values[0], rest = Array.prototype.slice.call(values, 1), out;
  function inspected(v) { return inspect(v, { depth: deep }); }
  if (typeof first === 'string') {
    out = values.length === 1 ? first : first.replace(/%[sdifjoOc%]/g, function (m) {
      if (m === '%%') return '%';
      if (rest.length === 0) return m;
      switch (m) {
        case '%s': { var v = rest.shift(); return typeof v === 'string' ? v : typeof v === 'bigint' ? v + 'n' : Object.is(v, -0) ? '-0' : typeof v === 'object' && v !== null ? inspect(v, { depth: 0 }) : String(v); }
        case '%d': { var d = rest.shift(); return typeof d === 'bigint' ? d + 'n' : typeof d === 'object' ? 'NaN' : String(Number(d)); }
        case '%i': { var n = rest.shift(); return typeof n === 'bigint' ? n + 'n' : String(parseInt(n, 10)); }
        case '%f': return String(parseFloat(rest.shift()));
        case '%j': try { return JSON.stringify(rest.shift()); } catch (e) { return '[Circular]'; }
        case '%c': rest.shift(); return '';
        default: return inspected(rest.shift());
      }
    });
  } else {
    out = values.length === 0 ? '' : inspected(first);
  }
  for (var i = 0; i < rest.length; i++) out += ' ' + (typeof rest[i] === 'string' ? rest[i] : inspected(rest[i]));
  return out;
}

// print is console's: deeper than util.inspect, as nobody can look again.
function print() { return formatted(arguments, 4); }
return { inspect: inspect, format: format, print: print };
