// Modules that are there to be required and cannot work: reading any member
// gives a function that says which.
function make(module, extra) {
  return new Proxy(Object.assign(function () {}, extra), {
    get: function (target, name) {
      if (name in target && name !== 'name' && name !== 'length') return target[name];
      if (typeof name === 'symbol' || name === 'then' || name === '__esModule' || name === 'default' || name === 'prototype') return undefined;
      return make.refuse(module + '.' + name);
    },
  });
}
// What speaks HTTP/2 tries again and again: the log says why nothing comes of it.
var told = false;
make.refuse = function (what) {
  return function () {
    if (!told && what.startsWith('http2.')) { told = true; native.console().error(what + ' is not available in functions'); }
    var e = new Error(what + ' is not available in functions'); e.code = 'ERR_FEATURE_UNAVAILABLE'; throw e;
  };
};
return { make: make };
