var t = load('timers');
function sleep(ms, value) { return new Promise(function (resolve) { t.setTimeout(resolve, ms, value); }); }
function every(ms, value) {
  var done = false;
  return {
    next: function () { return done ? Promise.resolve({ done: true, value: undefined }) : sleep(ms, value).then(function (v) { return { done: false, value: v }; }); },
    return: function () { done = true; return Promise.resolve({ done: true, value: undefined }); },
    [Symbol.asyncIterator || Symbol.for('Symbol.asyncIterator')]: function () { return this; },
  };
}
var promises = { setTimeout: sleep, setImmediate: function (value) { return sleep(0, value); }, setInterval: every, scheduler: { wait: sleep } };
return { exports: Object.assign({ promises: promises }, t), promises: promises };
