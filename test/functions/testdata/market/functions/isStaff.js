exports = function () {
  return context.user.custom_data.role === "staff";
};
