// The user creation function: it runs before the first access token is issued,
// so the profile is in the very first user.customData.
exports = async function (user) {
  const profiles = context.services.get("mongodb-atlas").db("todo").collection("profiles");
  const colours = ["teal", "plum", "olive", "coral", "slate"];
  await profiles.insertOne({
    owner_id: user.id,
    name: (user.data && user.data.email) || "guest",
    colour: colours[Math.floor(Math.random() * colours.length)],
    joined: new Date(),
  });
};
