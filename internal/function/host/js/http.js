// context.http (app-services.md §4.6).
var request = load('request');

function urlOf(a) {
  var url;
  if (a.url !== undefined && a.url !== null && a.url !== '') url = String(a.url);
  else {
    if (!a.host) throw new Error('context.http: url or host is needed');
    var path = a.path ? String(a.path) : '';
    url = (a.scheme || 'http') + '://' + a.host + (path && path[0] !== '/' ? '/' : '') + path;
  }
  var query = [];
  for (var k of Object.keys(a.query || {})) for (var v of [].concat(a.query[k])) query.push(encodeURIComponent(k) + '=' + encodeURIComponent(String(v)));
  var hash = '';
  var i = url.indexOf('#');
  if (i >= 0) { hash = url.slice(i); url = url.slice(0, i); }
  if (query.length) url += (url.indexOf('?') < 0 ? '?' : '&') + query.join('&');
  if (a.fragment) hash = '#' + a.fragment;
  return url + hash;
}

function multipart(form) {
  var boundary = '----regent' + native.newObjectId(), text = '';
  for (var k of Object.keys(form)) for (var v of [].concat(form[k])) text += '--' + boundary + '\r\nContent-Disposition: form-data; name="' + String(k).replace(/["\r\n]/g, encodeURIComponent) + '"\r\n\r\n' + String(v) + '\r\n';
  return { type: 'multipart/form-data; boundary=' + boundary, body: text + '--' + boundary + '--\r\n' };
}

function has(headers, name) { return Object.keys(headers).some(function (k) { return k.toLowerCase() === name; }); }

function call(method, a) {
  if (typeof a === 'string') a = { url: a };
  if (a === null || typeof a !== 'object') throw new TypeError('context.http.' + method + ': the argument must be an object');
  var headers = request.lists(a.headers), body;
  if (a.form) {
    var m = multipart(a.form);
    body = m.body;
    headers['Content-Type'] = [m.type];
  } else if (a.body !== undefined && a.body !== null) {
    if (a.encodeBodyAsJSON) {
      body = load('ejson').EJSON.stringify(a.body, { relaxed: true });
      if (!has(headers, 'content-type')) headers['Content-Type'] = ['application/json'];
    } else if (typeof a.body === 'string' || a.body._bsontype === 'Binary' || ArrayBuffer.isView(a.body)) body = a.body;
    else body = JSON.stringify(a.body);
  }
  if (a.cookies) headers.Cookie = [Object.keys(a.cookies).map(function (k) { return k + '=' + a.cookies[k]; }).join('; ')];
  if (a.username && !a.digestAuth && !has(headers, 'authorization')) headers.Authorization = ['Basic ' + native.base64Encode(String(a.username) + ':' + String(a.password || ''))];
  var digest = !!a.digestAuth, username = a.username, password = a.password;
  return request.send({ method: method.toUpperCase(), url: urlOf(a), headers: headers, body: body, follow: a.followRedirects === true, timeout: a.timeout, digest: digest, username: username, password: password });
}

function contextHTTP() {
  var http = {};
  for (var m of ['get', 'post', 'put', 'patch', 'delete', 'head']) (function (m) { http[m] = function (a) { return call(m, a); }; })(m);
  return http;
}
return { contextHTTP: contextHTTP };
