// Clients of the third-party services of older apps (app-services.md §15).
function service(name, kind, operate) {
  function refuse(what) { throw new Error("service '" + name + "': " + what + ' is not available in Regent' + (kind === 'aws' || kind === 'aws-ses' ? '; use the package aws-sdk with keys from values' : '')); }
  switch (kind) {
    case 'http': {
      var http = load('http').contextHTTP(), out = {};
      for (var m of Object.keys(http)) (function (m) {
        out[m] = async function (a) {
          a = typeof a === 'string' ? { url: a } : a;
          await operate('allow', { name: m, args: { url: address(a) } });
          return http[m](a);
        };
      })(m);
      return out;
    }
    case 'twilio':
      return { send: function (a) { a = a || {}; return operate('send', { to: String(a.to), from: String(a.from), body: String(a.body) }); } };
    case 'gcm': case 'webpush': {
      var send = function (a) { return operate('send', a || {}); };
      return { send: send, push: send,
        subscribe: function (a) { return operate('subscribe', a || {}); },
        unsubscribe: function (a) { return operate('unsubscribe', a || {}); } };
    }
  }
  return new Proxy({}, { get: function (t, k) {
    if (typeof k === 'symbol' || k === 'then' || k === 'toJSON') return undefined;
    return function () {
      if (kind === 'aws' || kind === 'aws-ses') return new Proxy({}, { get: function (u, action) { return typeof action === 'symbol' || action === 'then' ? undefined : function () { refuse(kind + ' ' + k + '.' + action); }; } });
      refuse(kind + ' ' + k);
    };
  } });
}
// address is what service rules see as %%args.url.
function address(a) {
  try {
    var u = new (load('url').URL)(a.url || (a.scheme || 'http') + '://' + a.host + (a.path || ''));
    return { scheme: u.protocol.slice(0, -1), host: u.host, path: u.pathname, query: {}, fragment: u.hash.slice(1) };
  } catch (e) { return {}; }
}
return { service: service };
