const moment = require("moment");

exports = async (from, to) => {
  const orders = context.services.get("mongodb-atlas").db("market").collection("orders");
  const start = moment.utc(from).startOf("month"), end = moment.utc(to).endOf("month");
  const rows = await orders
    .aggregate([
      { $match: { placedAt: { $gte: start.toDate(), $lte: end.toDate() } } },
      { $unwind: "$lines" },
      { $lookup: { from: "products", localField: "lines.product", foreignField: "_id", as: "product" } },
      { $group: { _id: { $arrayElemAt: ["$product.name", 0] }, sold: { $sum: "$lines.quantity" }, revenue: { $sum: { $multiply: ["$lines.price", "$lines.quantity"] } } } },
      { $sort: { revenue: -1, _id: 1 } },
    ])
    .toArray();
  const sum = rows.reduce((total, { revenue }) => total + revenue, 0);
  return { months: end.diff(start, "months") + 1, rows, sum, text: (sum / 100).toLocaleString("de-DE", { style: "currency", currency: "EUR" }).replace("\u00a0", " ") };
};
