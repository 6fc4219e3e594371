// Rules hold in functions that run as their caller.
exports = async function () {
  const db = context.services.get("mongodb-atlas").db("market");
  const out = [context.runningAsSystem(), (await db.collection("orders").find({}).toArray()).length];
  for (const write of [
    () => db.collection("products").updateOne({ _id: "pen" }, { $set: { price: 1 } }),
    () => db.collection("products").insertOne({ _id: "free", price: 0 }),
    () => db.collection("audit").find({}).toArray(),
    () => db.getCollectionNames(),
    () => db.collection("products").aggregate([{ $lookup: { from: "orders", localField: "_id", foreignField: "x", as: "y" } }]).toArray(),
  ]) {
    try {
      out.push(await write());
    } catch (e) {
      out.push(e.message);
    }
  }
  return out;
};
