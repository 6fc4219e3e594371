const crypto = require("crypto");

exports = async function ({ query, headers, body }, response) {
  const text = body.text();
  const given = headers["X-Payment-Signature"] && headers["X-Payment-Signature"][0];
  const wanted = crypto.createHmac("sha256", context.values.get("hookKey")).update(text).digest("hex");
  if (!given || given.length !== wanted.length || !crypto.timingSafeEqual(Buffer.from(given), Buffer.from(wanted))) {
    response.setStatusCode(401);
    response.setBody("bad signature");
    return;
  }
  const event = EJSON.parse(text);
  const orders = context.services.get("mongodb-atlas").db("market").collection("orders");
  const { matchedCount } = await orders.updateOne(
    { _id: BSON.ObjectId(event.order), status: "open" },
    { $set: { status: "paid", paid: event.amount, paidAt: event.at }, $push: { history: { event: event.type, at: new Date(event.at) } } }
  );
  response.setStatusCode(matchedCount ? 200 : 404);
  response.setHeader("Content-Type", "application/json");
  response.setBody(JSON.stringify({ ok: !!matchedCount, order: event.order, mode: query.mode }));
};
