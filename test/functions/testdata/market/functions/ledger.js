// Integers of the database stay what they are through arithmetic and back.
exports = async function () {
  const c = context.services.get("mongodb-atlas").db("market").collection("ledger");
  await c.deleteMany({});
  await c.insertOne({ _id: 1, balance: BSON.Long.fromString("5000000000"), small: BSON.Int32(7), rate: BSON.Double(2), huge: BSON.Long.fromString("9007199254740993"), price: BSON.Decimal128.fromString("1.10"), n: 1 });
  const indexes = await c.createIndexes([{ key: { n: 1 } }, { key: { small: -1 }, name: "smallest" }]);
  const doc = await c.findOne({ _id: 1 });
  doc.balance -= 1000;
  doc.small += 1;
  const fee = doc.balance / 1000000 | 0;
  await c.updateOne({ _id: 1 }, { $set: { ...doc, fee, twice: doc.small * 2, after: doc.balance - 1 } });
  return [typeof doc.balance, await c.findOne({ _id: 1 }), await c.findOne({ balance: 4999999000 }, { _id: 1 }), await c.find({ huge: BSON.Long.fromString("9007199254740993") }).toArray().then((l) => l.length), await c.findOne({ balance: { $type: "long" }, small: { $type: "int" }, rate: { $type: "double" } }, { _id: 1 }), indexes, (await c.getIndexes()).length, await c.estimatedDocumentCount()];
};
