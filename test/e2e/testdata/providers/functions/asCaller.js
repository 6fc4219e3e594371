exports = async () => context.services.get("mongodb-atlas").db("shop").collection("orders").find({}).toArray();
