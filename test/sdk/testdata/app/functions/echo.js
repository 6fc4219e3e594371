exports = function (value) { return value; };
