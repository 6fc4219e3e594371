// Called by the page as user.functions.summary(). It runs as the calling user,
// so the rules of todo.items decide which documents it sees.
exports = async function () {
  const items = context.services.get("mongodb-atlas").db("todo").collection("items");
  const all = await items.find({}).toArray();
  const done = all.filter((item) => item.done).length;
  return {
    greeting: context.values.get("greeting"),
    open: all.length - done,
    done,
  };
};
