exports = () => ({
  id: new BSON.ObjectId("5f0000000000000000000001"),
  at: new Date(0),
  long: BSON.Long.fromString("9007199254740993"),
  price: BSON.Decimal128.fromString("1.50"),
  half: 0.5,
});
