// request asks the server for one HTTP request; every interface ends here.
function send(r) {
  return native.operate('http', 'request', {
    method: r.method || 'GET', url: r.url, headers: r.headers || {}, body: r.body === undefined ? null : r.body, follow: !!r.follow,
    timeout: r.timeout > 0 ? Math.ceil(r.timeout) : 0, insecure: !!r.insecure, digest: !!r.digest, username: r.username || '', password: r.password || '',
  }, true);
}
// lists makes every header a list of texts.
function lists(headers) {
  var out = {};
  for (var k of Object.keys(headers || {})) {
    var v = headers[k];
    if (v === undefined || v === null) continue;
    out[k] = (Array.isArray(v) ? v : [v]).map(String);
  }
  return out;
}
return { send: send, lists: lists };
