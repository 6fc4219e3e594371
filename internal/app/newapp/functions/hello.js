// A function of the app. Clients call it by its name:
//
//   await user.functions.hello("Ada")
//
// It runs as the user who called it, so the rules of
// data_sources/mongodb-atlas/main/todo/rules.json hold here as well.
exports = async function (name) {
  const todo = context.services.get("mongodb-atlas").db("main").collection("todo");
  const open = await todo.count({ done: { $ne: true } });
  return { text: `Hello, ${name || "you"}!`, open, user: context.user.id };
};
