exports = async function (search, page) {
  var c = context.services.get("mongodb-atlas").db("market").collection("products");
  var size = 2, query = search ? { tags: { $in: [].concat(search) } } : {};
  var found = await Promise.all([
    c.count(query),
    c.find(query, { name: 1, price: 1 }).sort({ _id: 1 }).skip(page * size).limit(size).toArray(),
    c.distinct("tags", query),
  ]);
  return { total: found[0], pages: Math.ceil(found[0] / size), products: found[1], tags: found[2].sort() };
};
