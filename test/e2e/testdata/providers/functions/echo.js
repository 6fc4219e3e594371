exports = ({ query, headers, body }, response) => ({
  query,
  agent: headers["X-Agent"],
  body: body && EJSON.parse(body.text()),
  raw: context.request.rawQueryString,
  system: context.runningAsSystem(),
});
