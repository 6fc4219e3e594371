// The response object of HTTP endpoints and webhooks (app-services.md §9.4).
function canonical(name) {
  return String(name).toLowerCase().replace(/(^|-)([a-z])/g, function (m, dash, c) { return dash + c.toUpperCase(); });
}

class Response {
  #state;
  constructor(state) { this.#state = state; }
  setStatusCode(n) {
    n = Number(n);
    if (!(n >= 100 && n <= 599)) throw new TypeError('setStatusCode: ' + n + ' is no HTTP status');
    this.#state.configured = true;
    this.#state.status = Math.trunc(n);
  }
  setBody(body) {
    this.#state.configured = true;
    this.#state.body = body;
  }
  setHeader(name, value) {
    this.#state.configured = true;
    this.#state.headers[canonical(name)] = [].concat(value).map(String);
  }
  addHeader(name, value) {
    this.#state.configured = true;
    var key = canonical(name);
    this.#state.headers[key] = (this.#state.headers[key] || []).concat(value).map(String);
  }
}

function run(fn, request) {
  var state = { configured: false, status: 200, headers: {}, body: undefined };
  function done(result) {
    state.result = result;
    return state;
  }
  var result = fn(request, new Response(state));
  return result && typeof result.then === 'function' ? Promise.resolve(result).then(done) : done(result);
}

return { run: run };
