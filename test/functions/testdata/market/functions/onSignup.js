/* Every new account gets a profile; the first one of the shop's own domain is staff. */
exports = async ({ id, data }) => {
  const profiles = context.services.get("mongodb-atlas").db("market").collection("profiles");
  const role = /@market\.example$/.test(data.email) ? "staff" : "shopper";
  return profiles.insertOne({ user_id: id, role, points: 0, since: new Date() });
};
