exports = function (what) {
  if (what) throw what;
  return unknown;
};
