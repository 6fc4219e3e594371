// Node's crypto on the server language's own implementations.
var B = load('buffer'), Buffer = B.Buffer, adopt = B.adopt;
var Transform = load('stream').exports.Transform;
function later(fn) { Promise.resolve().then(fn); }
function bytes(v, encoding) {
  if (typeof v === 'string') return B.bytesOf(v, encoding === 'buffer' ? undefined : encoding);
  if (v instanceof KeyObject) return v.__data;
  if (v instanceof ArrayBuffer) return new Uint8Array(v);
  if (ArrayBuffer.isView(v)) return v;
  if (v && v._bsontype === 'Binary') return v.buffer;
  var e = new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ' + (v === null ? 'null' : typeof v));
  e.code = 'ERR_INVALID_ARG_TYPE';
  throw e;
}
function out(b, encoding) { b = adopt(b); return encoding && encoding !== 'buffer' ? b.toString(encoding) : b; }

// Data is gathered and worked on at the end.
class Gather extends Transform {
  constructor() { super(); Object.defineProperty(this, '__parts', { value: [] }); Object.defineProperty(this, '__done', { value: false, writable: true }); }
  update(data, encoding) {
    if (this.__done) { var e = new Error('Digest already called'); e.code = 'ERR_CRYPTO_HASH_FINALIZED'; throw e; }
    this.__parts.push(Uint8Array.from(bytes(data, encoding)));
    return this;
  }
  // What is written counts at once: write(), end(), digest() may follow each other.
  write(data, encoding, cb) {
    if (typeof encoding === 'function') { cb = encoding; encoding = undefined; }
    this.update(data, encoding);
    if (cb) later(cb);
    return true;
  }
  end(data, encoding, cb) {
    if (typeof data === 'function') { cb = data; data = undefined; } else if (typeof encoding === 'function') { cb = encoding; encoding = undefined; }
    if (data !== undefined && data !== null) this.update(data, encoding);
    return super.end(cb);
  }
  __all() { this.__done = true; return this.__parts.length === 1 ? this.__parts[0] : Buffer.concat(this.__parts); }
}
class Hash extends Gather {
  constructor(name) { super(); this.__name = name; native.hash(name, new Uint8Array(0)); }
  digest(encoding) { if (this.__done) throw new Error('Digest already called'); return out(native.hash(this.__name, this.__all()), encoding); }
  copy() { var h = new Hash(this.__name); this.__parts.forEach(function (p) { h.__parts.push(p); }); return h; }
  _flush(cb) { this.push(adopt(native.hash(this.__name, this.__parts.length === 1 ? this.__parts[0] : Buffer.concat(this.__parts)))); cb(); }
}
class Hmac extends Gather {
  constructor(name, key) { super(); this.__name = name; this.__key = Uint8Array.from(bytes(key)); native.hmac(name, this.__key, new Uint8Array(0)); }
  digest(encoding) { return out(native.hmac(this.__name, this.__key, this.__all()), encoding); }
  _flush(cb) { this.push(this.digest()); cb(); }
}

class Cipher extends Transform {
  constructor(encrypt, name, key, iv, options) {
    super();
    this.__c = { encrypt: encrypt, name: String(name).toLowerCase(), key: Uint8Array.from(bytes(key)), iv: iv === null || iv === undefined ? new Uint8Array(0) : Uint8Array.from(bytes(iv)), parts: [], aad: new Uint8Array(0), tag: undefined, padding: true };
    // A wrong key or vector shows at once, as in Node.
    var size = Number((/^aes-(\d+)-/.exec(this.__c.name) || [])[1]) / 8;
    if (size && this.__c.key.length !== size) throw new RangeError('Invalid key length');
    if (/-(cbc|ctr)$/.test(this.__c.name) && /^aes/.test(this.__c.name) && this.__c.iv.length !== 16) throw new TypeError('Invalid initialization vector');
  }
  update(data, inEncoding, outEncoding) {
    this.__c.parts.push(Uint8Array.from(bytes(data, inEncoding)));
    return outEncoding && outEncoding !== 'buffer' ? '' : Buffer.alloc(0);
  }
  final(encoding) {
    var c = this.__c, r = native.cipher(c.encrypt, c.name, c.key, c.iv, Buffer.concat(c.parts), c.aad, c.tag === undefined ? new Uint8Array(0) : c.tag, c.padding);
    if (r.tag) c.tag = r.tag;
    return out(r.data, encoding);
  }
  setAutoPadding(on) { this.__c.padding = on !== false; return this; }
  setAAD(b) { this.__c.aad = Uint8Array.from(bytes(b)); return this; }
  setAuthTag(b) { this.__c.tag = Uint8Array.from(bytes(b)); return this; }
  getAuthTag() { return adopt(this.__c.tag); }
  _transform(chunk, encoding, cb) { this.update(chunk); cb(); }
  _flush(cb) { try { this.push(this.final()); cb(); } catch (e) { cb(e); } }
}

class KeyObject {
  constructor(type, data) {
    this.type = type;
    Object.defineProperty(this, '__data', { value: data });
    if (type === 'secret') { this.symmetricKeySize = data.length; return; }
    this.asymmetricKeyType = native.keyType(data).split(' ')[1];
    var d = native.keyDetails(data);
    this.asymmetricKeyDetails = this.asymmetricKeyType === 'rsa' ? { modulusLength: d[0], publicExponent: BigInt(d[2]) } : d[1] ? { namedCurve: d[1] } : {};
  }
  export(options) {
    options = options || {};
    if (this.type === 'secret') return options.format === 'jwk' ? { kty: 'oct', k: native.base64Encode(this.__data, true) } : adopt(Uint8Array.from(this.__data));
    return exportKey(this.__data, this.type, options);
  }
  equals(o) { return this.type === o.type && Buffer.compare(this.__data, o.__data) === 0; }
  static from(k) { return k; }
}
function exportKey(data, type, options) {
  var out = native.keyExport(data, type, options.type || '', options.format || 'pem');
  return options.format === 'der' ? adopt(out) : options.format === 'jwk' ? JSON.parse(native.utf8Decode(out)) : native.utf8Decode(out);
}
// key reads every way in which Node takes a key.
function key(k) {
  if (k && typeof k === 'object' && !(k instanceof KeyObject) && !ArrayBuffer.isView(k) && !(k instanceof ArrayBuffer) && k.key !== undefined) {
    if (k.format === 'jwk') return native.keyOfJWK(JSON.stringify(k.key));
    if (k.format === 'der') return pem(bytes(k.key), k.type === 'pkcs1' ? 'RSA PRIVATE KEY' : k.type === 'sec1' ? 'EC PRIVATE KEY' : k.type === 'spki' ? 'PUBLIC KEY' : 'PRIVATE KEY');
    return key(k.key);
  }
  return bytes(k);
}
function pem(der, label) { return native.utf8Encode('-----BEGIN ' + label + '-----\n' + native.base64Encode(der).replace(/.{64}/g, '$&\n') + '\n-----END ' + label + '-----\n'); }
function createKey(k, want) {
  var data = key(k);
  if (want === 'private' && native.keyType(data).split(' ')[0] !== 'private') throw new Error('Failed to read private key');
  return new KeyObject(want, native.keyPEM(data, want));
}
function generateKeyPairSync(kind, options) {
  options = options || {};
  var text = native.generateKey(String(kind), kind === 'ec' ? options.namedCurve : options.modulusLength);
  function as(want, encoding) { var o = createKey(text, want); return encoding ? o.export(encoding) : o; }
  return { publicKey: as('public', options.publicKeyEncoding), privateKey: as('private', options.privateKeyEncoding) };
}
class ECDH {
  #curve; #private;
  constructor(curve) { this.#curve = String(curve); native.ecdhKey(this.#curve); }
  generateKeys(encoding) { this.#private = native.ecdhKey(this.#curve)[0]; return this.getPublicKey(encoding); }
  setPrivateKey(k, encoding) { this.#private = native.ecdhKey(this.#curve, Uint8Array.from(bytes(k, encoding)))[0]; }
  #own() { if (!this.#private) throw new Error('Failed to get ECDH private key'); return native.ecdhKey(this.#curve, this.#private); }
  getPrivateKey(encoding) { return out(this.#own()[0], encoding); }
  getPublicKey(encoding, format) { if (format && format !== 'uncompressed') throw new Error('crypto.ECDH: only uncompressed points are available'); return out(this.#own()[1], encoding); }
  computeSecret(other, inEncoding, outEncoding) { this.#own(); return out(native.ecdhSecret(this.#curve, this.#private, bytes(other, inEncoding)), outEncoding); }
}
function signOptions(k) {
  var o = k && typeof k === 'object' ? k : {};
  return { padding: o.padding === constants.RSA_PKCS1_PSS_PADDING ? 'pss' : 'pkcs1', encoding: o.dsaEncoding === 'ieee-p1363' ? 'p1363' : 'der' };
}
class Sign extends Gather {
  constructor(name) { super(); this.__name = name; }
  sign(k, encoding) { var o = signOptions(k); return out(native.sign(this.__name, key(k), this.__all(), o.padding, o.encoding), encoding); }
}
class Verify extends Gather {
  constructor(name) { super(); this.__name = name; }
  verify(k, signature, encoding) { var o = signOptions(k); return native.verify(this.__name, key(k), this.__all(), o.padding, o.encoding, bytes(signature, encoding)); }
}

var constants = { RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2 };
function rsa(encrypt, k, data) {
  var o = k && typeof k === 'object' ? k : {};
  return adopt(native.rsaCrypt(encrypt, key(k), bytes(data), o.padding === constants.RSA_PKCS1_PADDING ? '' : o.oaepHash || 'sha1'));
}
function callbackOf(args) { var cb = args[args.length - 1]; return typeof cb === 'function' ? cb : undefined; }
function async(fn) {
  return function () {
    var args = Array.prototype.slice.call(arguments), cb = args.pop();
    if (typeof cb !== 'function') throw new TypeError('The "callback" argument must be of type function');
    var v, e = null;
    try { v = fn.apply(null, args); } catch (x) { e = x; }
    later(function () { if (e) cb(e); else cb(null, v); });
  };
}
function pbkdf2Sync(p, s, rounds, length, digest) { return adopt(native.pbkdf2(bytes(p), bytes(s), rounds, length, digest || 'sha1')); }
function scryptSync(p, s, length, o) { o = o || {}; return adopt(native.scrypt(bytes(p), bytes(s), length, o.N || o.cost || 16384, o.r || o.blockSize || 8, o.p || o.parallelization || 1)); }
function hkdfSync(digest, k, salt, info, length) {
  salt = bytes(salt); info = bytes(info);
  var n = native.hash(digest, new Uint8Array(0)).length;
  var prk = native.hmac(digest, salt.length ? salt : new Uint8Array(n), bytes(k)), t = new Uint8Array(0), okm = Buffer.alloc(0);
  for (var i = 1; okm.length < length; i++) { t = native.hmac(digest, prk, Buffer.concat([t, info, Buffer.from([i])])); okm = Buffer.concat([okm, t]); }
  return okm.slice(0, length).buffer.slice(0, length);
}
function randomBytes(n, cb) { var b = adopt(native.randomBytes(n)); if (cb) { later(function () { cb(null, b); }); return undefined; } return b; }
function randomInt(min, max, cb) {
  if (typeof max === 'function' || max === undefined) { cb = max; max = min; min = 0; }
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || max <= min) throw new RangeError('The value of "max" is out of range');
  var range = max - min, limit = Math.floor(281474976710656 / range) * range, n;
  do { n = Buffer.from(native.randomBytes(6)).readUIntBE(0, 6); } while (n >= limit);
  n = min + n % range;
  if (cb) { later(function () { cb(null, n); }); return undefined; }
  return n;
}
function randomUUID() {
  var b = native.randomBytes(16);
  b[6] = (b[6] & 15) | 64; b[8] = (b[8] & 63) | 128;
  var h = native.hexEncode(b);
  return h.slice(0, 8) + '-' + h.slice(8, 12) + '-' + h.slice(12, 16) + '-' + h.slice(16, 20) + '-' + h.slice(20);
}
function fillRandom(v) { var b = native.randomBytes(v.byteLength); new Uint8Array(v.buffer || v, v.byteOffset || 0, v.byteLength).set(b); return v; }
function refuse(name) { return function () { throw new Error('crypto.' + name + ' is not available in functions'); }; }

var subtle = {
  digest: async function (a, data) { return native.hash(typeof a === 'string' ? a : a.name, bytes(data)).buffer; },
  importKey: async function (format, data, a, extractable, usages) {
    if (format !== 'raw') throw new Error('crypto.subtle.importKey: only raw keys are available');
    return { type: 'secret', algorithm: typeof a === 'string' ? { name: a } : a, extractable: extractable, usages: usages, __key: Uint8Array.from(bytes(data)) };
  },
  sign: async function (a, k, data) { hmacOnly(a); return native.hmac(hashOf(k), k.__key, bytes(data)).buffer; },
  verify: async function (a, k, sig, data) { hmacOnly(a); var s = native.hmac(hashOf(k), k.__key, bytes(data)); return s.length === bytes(sig).length && native.timingSafeEqual(s, bytes(sig)); },
};
function hmacOnly(a) { if ((typeof a === 'string' ? a : a.name) !== 'HMAC') throw new Error('crypto.subtle: only HMAC keys sign and verify'); }
function hashOf(k) { var h = k.algorithm.hash; return typeof h === 'string' ? h : h.name; }
var webcrypto = { subtle: subtle, getRandomValues: fillRandom, randomUUID: randomUUID };

var api = {
  hash: function (n, data, encoding) { var h = new Hash(n).update(data); return encoding === 'buffer' ? h.digest() : h.digest(encoding || 'hex'); },
  getFips: function () { return 0; },
  generateKey: function (kind, o, cb) { var k = api.generateKeySync(kind, o); later(function () { cb(null, k); }); },
  constants: constants, webcrypto: webcrypto, subtle: subtle, getRandomValues: fillRandom, KeyObject: KeyObject, Hash: Hash, Hmac: Hmac, Sign: Sign, Verify: Verify,
  createHash: function (n) { return new Hash(n); }, createHmac: function (n, k) { return new Hmac(n, k); }, getHashes: function () { return native.hashes(); },
  getCiphers: function () { return ['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'aes-128-ctr', 'aes-192-ctr', 'aes-256-ctr', 'aes-128-ecb', 'aes-192-ecb', 'aes-256-ecb', 'aes-128-gcm', 'aes-192-gcm', 'aes-256-gcm', 'des-ede3-cbc', 'des-ede3']; },
  getCurves: function () { return ['prime256v1', 'secp384r1', 'secp521r1']; },
  createCipheriv: function (n, k, iv, o) { return new Cipher(true, n, k, iv, o); }, createDecipheriv: function (n, k, iv, o) { return new Cipher(false, n, k, iv, o); },
  createSign: function (n) { return new Sign(n); }, createVerify: function (n) { return new Verify(n); },
  sign: function (n, data, k, cb) { var o = signOptions(k), s = adopt(native.sign(n, key(k), bytes(data), o.padding, o.encoding)); if (cb) later(function () { cb(null, s); }); else return s; },
  verify: function (n, data, k, sig) { var o = signOptions(k); return native.verify(n, key(k), bytes(data), o.padding, o.encoding, bytes(sig)); },
  createSecretKey: function (k, encoding) { return new KeyObject('secret', Uint8Array.from(bytes(k, encoding))); },
  createPrivateKey: function (k) { return createKey(k, 'private'); }, createPublicKey: function (k) { return createKey(k, 'public'); },
  publicEncrypt: function (k, d) { return rsa(true, k, d); }, privateDecrypt: function (k, d) { return rsa(false, k, d); },
  randomBytes: randomBytes, pseudoRandomBytes: randomBytes, randomInt: randomInt, randomUUID: randomUUID,
  randomFillSync: fillRandom, randomFill: function (v) { var cb = callbackOf(arguments); fillRandom(v); later(function () { cb(null, v); }); },
  timingSafeEqual: function (a, b) {
    a = bytes(a); b = bytes(b);
    if (a.length !== b.length) { var e = new RangeError('Input buffers must have the same byte length'); e.code = 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH'; throw e; }
    return native.timingSafeEqual(a, b);
  },
  privateEncrypt: function (k, d) { return adopt(native.rsaRaw(true, key(k), bytes(d))); }, publicDecrypt: function (k, d) { return adopt(native.rsaRaw(false, key(k), bytes(d))); },
  createECDH: function (curve) { return new ECDH(curve); }, ECDH: ECDH,
  generateKeyPairSync: generateKeyPairSync,
  generateKeyPair: function (kind, options, cb) { var pair, e = null; try { pair = generateKeyPairSync(kind, options); } catch (x) { e = x; } later(function () { if (e) cb(e); else cb(null, pair.publicKey, pair.privateKey); }); },
  generateKeySync: function (kind, o) { return new KeyObject('secret', native.randomBytes(kind === 'aes' || kind === 'hmac' ? Math.floor(o.length / 8) : -1)); },
  pbkdf2Sync: pbkdf2Sync, pbkdf2: async(pbkdf2Sync), scryptSync: scryptSync, scrypt: async(scryptSync), hkdfSync: hkdfSync, hkdf: async(hkdfSync),
};
api.generateKeyPair[Symbol.for('nodejs.util.promisify.custom')] = async function (kind, options) { return generateKeyPairSync(kind, options); };
for (var name of ['createDiffieHellman', 'createDiffieHellmanGroup', 'getDiffieHellman', 'createCipher', 'createDecipher', 'diffieHellman', 'DiffieHellman', 'X509Certificate', 'Certificate', 'checkPrime', 'checkPrimeSync', 'generatePrime', 'generatePrimeSync']) api[name] = refuse(name);
return { exports: api, webcrypto: webcrypto, keyBytes: key };
