exports = async function () {
  const client = context.services.get("mongodb-atlas"), db = client.db("market");
  const orders = db.collection("orders"), audit = db.collection("audit");
  const bulk = db.collection("days").initializeUnorderedBulkOp();
  bulk.find({ _id: "today" }).upsert().updateOne({ $inc: { visits: 1 } });
  bulk.insert({ _id: "extra" });
  bulk.find({ _id: "extra" }).remove();
  const done = await bulk.execute();
  const cursor = await orders.find({ status: "paid" });
  let paid = 0;
  for await (const o of cursor) paid += o.total;
  const first = await orders.find().sort({ total: -1 }).limit(1).next();
  return {
    paid,
    audits: (await audit.count()) | 0,
    system: (await audit.findOne({})).system,
    biggest: first.total,
    bulk: [done.insertedCount, done.upsertedCount, done.deletedCount],
    collections: (await db.getCollectionNames()).sort(),
    newest: await orders.findOneAndUpdate({ total: first.total }, { $set: { seen: true } }, { projection: { _id: 0, seen: 1, total: 1 }, returnNewDocument: true }),
    explain: typeof context.services.get("nothing"),
  };
};
