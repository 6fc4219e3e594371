// The file system of a function is empty: looking finds nothing, as Node says
// it, and everything else says that it is not available.
var make = load('absent').make;
function enoent(call, path) {
  var e = new Error("ENOENT: no such file or directory, " + call + " '" + path + "'");
  e.code = 'ENOENT'; e.errno = -2; e.syscall = call; e.path = path;
  return e;
}
function missing(call) { return function (path, options) { if (options && options.throwIfNoEntry === false) return undefined; throw enoent(call, path); }; }
function later(call) { return function (path) { var cb = arguments[arguments.length - 1]; Promise.resolve().then(function () { cb(enoent(call, path)); }); }; }
function rejected(call) { return function (path) { return Promise.reject(enoent(call, path)); }; }
var looks = { access: 'access', stat: 'stat', lstat: 'lstat', readFile: 'open', readdir: 'scandir', realpath: 'lstat', open: 'open' };
var api = { constants: { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 }, existsSync: function () { return false; }, exists: function (p, cb) { Promise.resolve().then(function () { cb(false); }); } };
var promises = {};
for (var k of Object.keys(looks)) { api[k] = later(looks[k]); api[k + 'Sync'] = missing(looks[k]); promises[k] = rejected(looks[k]); }
api.promises = make('fs.promises', promises);
return { exports: make('fs', api), promises: api.promises };
