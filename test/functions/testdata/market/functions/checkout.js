class CheckoutError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

exports = checkout;

async function checkout({ items, note }) {
  if (!items?.length) throw new CheckoutError("empty", "the cart is empty");
  const client = context.services.get("mongodb-atlas");
  const db = client.db("market");
  const session = client.startSession();
  try {
    return await session.withTransaction(async () => {
      const lines = [];
      for (const { id, quantity } of items) {
        const product = await db.collection("products").findOneAndUpdate(
          { _id: id, stock: { $gte: quantity } },
          { $inc: { stock: -quantity } },
          { session, returnNewDocument: true }
        );
        if (!product) throw new CheckoutError("stock", `not enough of ${id}`);
        lines.push({ product, quantity });
      }
      const totals = context.functions.execute("cart/totals", lines, Math.round);
      const order = {
        _id: new BSON.ObjectId(),
        owner: context.user.id,
        email: context.user.data.email,
        lines: lines.map(({ product: { _id, price }, quantity }) => ({ product: _id, price, quantity })),
        ...totals,
        currency: context.environment.values.currency,
        note: note ?? null,
        status: "open",
        placedAt: new Date(),
      };
      await db.collection("orders").insertOne(order, { session });
      // Nobody waits for the audit.
      db.collection("audit").insertOne({ order: order._id, by: context.user.id, system: context.runningAsSystem() });
      return { id: order._id.toString(), ...totals };
    });
  } finally {
    session.endSession();
  }
}

if (typeof module !== "undefined") {
  module.exports = checkout;
}
