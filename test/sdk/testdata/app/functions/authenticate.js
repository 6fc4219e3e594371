// Logs in everybody who says a name.
exports = function (payload) {
  if (!payload.name) throw new Error("Authentication failed: no name");
  return payload.name;
};
