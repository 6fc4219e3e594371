var start = Date.now();
var performance = { now: function () { return native.hrtime() / 1e6; }, timeOrigin: start, mark: function () {}, measure: function () {}, toJSON: function () { return {}; } };
return { exports: { performance: performance }, performance: performance };
