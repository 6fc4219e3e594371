exports = async () => {
  const orders = context.services.get("mongodb-atlas").db("shop").collection("orders");
  await orders.insertOne({ owner: context.user.id, secret: true });
  return [context.runningAsSystem(), await orders.count({}), (await context.functions.execute("asCaller")).length];
};
