// Allows a new password to whoever knows the word.
exports = function (user, word) { return { status: word === "sesame" ? "success" : "fail" }; };
