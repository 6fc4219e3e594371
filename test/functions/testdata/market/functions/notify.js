exports = async (order, channel) => {
  const message = { order: BSON.ObjectId(order), at: new Date(0), amount: BSON.Long(5) };
  const answer = await context.http.post({
    url: context.values.get("notifyURL") + "/" + encodeURIComponent(channel),
    headers: { "X-Shop": ["market"], "Content-Type": ["application/json"] },
    body: message,
    encodeBodyAsJSON: true,
  });
  const seen = EJSON.parse(answer.body.text());
  const web = await fetch(context.values.get("notifyURL") + "/fetch", { method: "PUT", body: JSON.stringify({ order }) });
  return [answer.status, answer.statusCode, seen, await web.json()];
};
