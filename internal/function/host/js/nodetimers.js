var t = load('timers');
function sleep(ms, value) { return new Promise(function (resolve) { t.setTimeout(resolve, ms, value); }); }
var promises = { setTimeout: sleep, setImmediate: function (value) { return sleep(0, value); }, scheduler: { wait: sleep } };
return { exports: Object.assign({ promises: promises }, t), promises: promises };
