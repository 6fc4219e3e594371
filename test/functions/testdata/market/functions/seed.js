exports = async function () {
  const products = context.services.get("mongodb-atlas").db("market").collection("products");
  await products.deleteMany({});
  const { insertedIds } = await products.insertMany([
    { _id: "pen", name: "Fountain pen", price: BSON.Long(1250), stock: 10, tags: ["office", "gift"] },
    { _id: "ink", name: "Blue ink", price: BSON.Long(480), stock: 3, tags: ["office"] },
    { _id: "atlas", name: "Atlas of rivers", price: BSON.Long(3900), stock: 1, tags: ["books", "gift"] },
  ]);
  return insertedIds;
};
