exports = function () { return "private"; };
