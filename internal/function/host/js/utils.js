// utils.jwt and utils.crypto (app-services.md §4.7).
var B = load('bson_binary'), C = load('crypto');
function data(v) { return v && v._bsontype === 'Binary' ? v.buffer : ArrayBuffer.isView(v) ? v : native.utf8Encode(String(v)); }
function url(v) { return native.base64Encode(v, true); }
var digests = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };
function method(name) {
  var m = /^(HS|RS|ES|PS)(256|384|512)$/.exec(String(name).toUpperCase());
  if (!m) throw new Error('utils.jwt: unknown signing method ' + name + '; HS, RS, ES and PS with 256, 384 and 512 are possible');
  return { kind: m[1], digest: digests[m[2]] };
}
// given refuses a key that is not there: a value whose secret is not set must not
// become the text 'undefined', which anybody can sign with.
function given(key, what) {
  if (key === undefined || key === null || key === '') throw new TypeError(what + ': the key is ' + (key === '' ? 'empty' : String(key)));
  return key;
}
function keyText(k) { return native.utf8Encode(String(k).replace(/\\n/g, '\n')); }
var jwt = {
  encode: function (name, payload, secret, headers) {
    var m = method(name);
    given(secret, 'utils.jwt.encode');
    var head = Object.assign({ alg: String(name).toUpperCase(), typ: 'JWT' }, headers || {});
    head.alg = String(name).toUpperCase();
    var text = url(JSON.stringify(head)) + '.' + url(typeof payload === 'string' ? payload : JSON.stringify(payload)), input = native.utf8Encode(text), sig;
    if (m.kind === 'HS') sig = native.hmac(m.digest, data(secret), input);
    else sig = native.sign(m.digest, keyText(secret), input, m.kind === 'PS' ? 'pss' : 'pkcs1', m.kind === 'ES' ? 'p1363' : 'der');
    return text + '.' + url(sig);
  },
  decode: function (token, key, returnHeader, accepted) {
    given(key, 'utils.jwt.decode');
    var parts = String(token).split('.');
    if (parts.length !== 3) throw new Error('token contains an invalid number of segments');
    var head, payload;
    try { head = JSON.parse(native.utf8Decode(native.base64Decode(parts[0]))); payload = JSON.parse(native.utf8Decode(native.base64Decode(parts[1]))); } catch (e) { throw new Error('the token cannot be read'); }
    if (Array.isArray(accepted) && accepted.length && accepted.map(String).indexOf(head.alg) < 0) throw new Error('signing method ' + head.alg + ' is invalid');
    var m = method(head.alg), input = native.utf8Encode(parts[0] + '.' + parts[1]), sig = native.base64Decode(parts[2]), ok;
    // A public key must never serve as the secret of an HMAC.
    if (m.kind === 'HS' && /-----BEGIN/.test(String(key))) throw new Error('signing method ' + head.alg + ' is invalid for a PEM key');
    if (m.kind === 'HS') { var want = native.hmac(m.digest, data(key), input); ok = want.length === sig.length && native.timingSafeEqual(want, sig); } else ok = native.verify(m.digest, keyText(key), input, m.kind === 'PS' ? 'pss' : 'pkcs1', m.kind === 'ES' ? 'p1363' : 'der', sig);
    if (!ok) throw new Error('signature is invalid');
    var now = Date.now() / 1000;
    if (payload !== null && typeof payload === 'object') {
      if (typeof payload.exp === 'number' && payload.exp < now) throw new Error('token is expired');
      if (typeof payload.nbf === 'number' && payload.nbf > now) throw new Error('token is not valid yet');
      if (typeof payload.iat === 'number' && payload.iat > now + 60) throw new Error('token used before issued');
    }
    return returnHeader ? { header: head, payload: payload } : payload;
  },
};
var aesSizes = { 16: 'aes-128-cbc', 24: 'aes-192-cbc', 32: 'aes-256-cbc' };
function aes(name, key) {
  if (String(name).toLowerCase() !== 'aes') throw new Error('utils.crypto: unknown encryption ' + name + "; 'aes' is possible");
  var k = data(key), c = aesSizes[k.length];
  if (!c) throw new Error('utils.crypto: the key must have 16, 24 or 32 bytes');
  return { cipher: c, key: k };
}
function rsa(name) { if (String(name).toLowerCase() !== 'rsa') throw new Error('utils.crypto: unknown signature ' + name + "; 'rsa' is possible"); }
function scheme(s) { if (s === undefined || s === null || s === 'pss') return 'pss'; if (s === 'pkcs1v15') return 'pkcs1'; throw new Error("utils.crypto: unknown scheme " + s + "; 'pss' and 'pkcs1v15' are possible"); }
function join(a, b) { var o = new Uint8Array(a.length + b.length); o.set(a); o.set(b, a.length); return o; }
var crypto = {
  encrypt: function (name, message, key) { var a = aes(name, key), iv = native.randomBytes(16); return new B.Binary(join(iv, native.cipher(true, a.cipher, a.key, iv, data(message), new Uint8Array(0), new Uint8Array(0), true).data)); },
  decrypt: function (name, message, key) { var a = aes(name, key), d = data(message); if (d.length < 32) throw new Error('utils.crypto.decrypt: the message is too short'); return new B.Binary(native.cipher(false, a.cipher, a.key, d.slice(0, 16), d.slice(16), new Uint8Array(0), new Uint8Array(0), true).data); },
  sign: function (name, message, key, s) { rsa(name); return new B.Binary(native.sign('sha256', keyText(given(key, 'utils.crypto.sign')), data(message), scheme(s), 'der')); },
  verify: function (name, message, key, signature, s) { rsa(name); return native.verify('sha256', keyText(given(key, 'utils.crypto.verify')), data(message), scheme(s), 'der', data(signature)); },
  hmac: function (input, secret, digest, format) {
    if (['sha1', 'sha256', 'sha512'].indexOf(digest) < 0) throw new Error('utils.crypto.hmac: unknown hash ' + digest + '; sha1, sha256 and sha512 are possible');
    var h = native.hmac(digest, data(given(secret, 'utils.crypto.hmac')), data(input));
    if (format === 'base64') return native.base64Encode(h);
    if (format === 'hex') return native.hexEncode(h);
    throw new Error("utils.crypto.hmac: unknown format " + format + "; 'hex' and 'base64' are possible");
  },
  hash: function (name, input) {
    if (['sha1', 'sha256', 'md5'].indexOf(name) < 0) throw new Error('utils.crypto.hash: unknown hash ' + name + '; sha1, sha256 and md5 are possible');
    return new B.Binary(native.hash(name, data(input)));
  },
};
return { utils: { jwt: jwt, crypto: crypto } };
