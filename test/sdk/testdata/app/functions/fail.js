exports = function () { throw new Error("this always fails"); };
