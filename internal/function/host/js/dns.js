// Node's dns; addresses that functions may not reach are not told.
function ask(kind, name) {
  return native.operate('dns', kind, { name: String(name) }, true).catch(function (e) { var err = new Error('query' + kind + ' ' + (e.errorCode || 'ENOTFOUND') + ' ' + name); err.code = e.errorCode || 'ENOTFOUND'; err.hostname = name; err.syscall = 'query' + kind; throw err; });
}
function family(a) { return a.indexOf(':') < 0 ? 4 : 6; }
async function lookup(name, o) {
  o = typeof o === 'number' ? { family: o } : o || {};
  var all = (await ask('lookup', name)).map(function (a) { return { address: a, family: family(a) }; });
  if (o.family) all = all.filter(function (a) { return a.family === o.family; });
  if (!all.length) { var e = new Error('getaddrinfo ENOTFOUND ' + name); e.code = 'ENOTFOUND'; throw e; }
  return o.all ? all : all[0];
}
var kinds = { resolve4: 'A', resolve6: 'AAAA', resolveMx: 'MX', resolveTxt: 'TXT', resolveCname: 'CNAME', resolveNs: 'NS', resolveSrv: 'SRV' };
var promises = { lookup: lookup, resolve: function (name, kind) { return ask(kind || 'A', name); } }, api = { promises: promises };
for (var k of Object.keys(kinds)) (function (k) { promises[k] = function (name) { return ask(kinds[k], name); }; })(k);
for (var n of Object.keys(promises)) (function (n) {
  api[n] = function () {
    var a = Array.prototype.slice.call(arguments), cb = a.pop();
    promises[n].apply(null, a).then(function (v) { if (n === 'lookup' && !Array.isArray(v)) cb(null, v.address, v.family); else cb(null, v); }, function (e) { cb(e); });
  };
})(n);
for (var name of ['lookupService', 'resolveAny', 'resolveCaa', 'resolveNaptr', 'resolvePtr', 'resolveSoa', 'reverse']) { api[name] = load('absent').make.refuse('dns.' + name); promises[name] = load('absent').make.refuse('dns.promises.' + name); }
class Resolver { constructor() { Object.assign(this, api); } setServers() {} getServers() { return []; } cancel() {} }
class PromiseResolver { constructor() { Object.assign(this, promises); } setServers() {} getServers() { return []; } cancel() {} }
api.Resolver = Resolver; promises.Resolver = PromiseResolver;
Object.assign(api, { setServers: function () {}, getServers: function () { return []; }, setDefaultResultOrder: function () {}, NOTFOUND: 'ENOTFOUND', NODATA: 'ENODATA', SERVFAIL: 'ESERVFAIL', CONNREFUSED: 'ECONNREFUSED', TIMEOUT: 'ETIMEOUT', ADDRCONFIG: 1024, V4MAPPED: 2048 });
return { exports: api, promises: promises };
