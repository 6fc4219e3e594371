// The cursor is returned as it is, and the rules say whose orders these are.
exports = function (status) {
  const orders = context.services.get("mongodb-atlas").db("market").collection("orders");
  return orders.find(status ? { status } : {}, { _id: 0, status: 1, total: 1, items: 1, paid: 1 }).sort({ total: 1 });
};
