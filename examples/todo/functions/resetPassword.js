// A reset function decides whether a new password may be set. This one asks for
// the current one; a real app would check a code that it sent to the user.
exports = function ({ currentPasswordValid }) {
  return { status: currentPasswordValid ? "success" : "fail" };
};
