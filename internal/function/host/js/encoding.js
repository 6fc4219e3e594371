// TextEncoder, TextDecoder, atob, btoa.
class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text) { return native.utf8Encode(text === undefined ? '' : String(text)); }
  encodeInto(text, target) {
    var b = native.utf8Encode(String(text)), n = Math.min(b.length, target.length);
    while (n > 0 && n < b.length && (b[n] & 192) === 128) n--;
    target.set(b.subarray(0, n));
    return { read: native.utf8Decode(b.subarray(0, n)).length, written: n };
  }
}

class TextDecoder {
  #fatal; #keep; #pending = null;
  constructor(label, options) {
    label = label === undefined ? 'utf-8' : String(label).toLowerCase().trim();
    this.encoding = { 'utf8': 'utf-8', 'utf-8': 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16le': 'utf-16le', 'utf-16': 'utf-16le', 'ascii': 'windows-1252', 'latin1': 'windows-1252', 'iso-8859-1': 'windows-1252', 'windows-1252': 'windows-1252', 'us-ascii': 'windows-1252' }[label];
    if (!this.encoding) throw new RangeError('The "' + label + '" encoding is not supported');
    this.#fatal = !!(options && options.fatal);
    this.#keep = !!(options && options.ignoreBOM);
  }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#keep; }
  decode(input, options) {
    var b = input === undefined ? new Uint8Array(0) : input instanceof ArrayBuffer ? new Uint8Array(input) : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    if (this.#pending) {
      var joined = new Uint8Array(this.#pending.length + b.length);
      joined.set(this.#pending); joined.set(b, this.#pending.length);
      b = joined; this.#pending = null;
    }
    if (options && options.stream && this.encoding === 'utf-8') {
      var cut = b.length;
      for (var i = 1; i <= 3 && i <= b.length; i++) {
        var c = b[b.length - i];
        if ((c & 192) === 128) continue;
        var need = c >= 240 ? 4 : c >= 224 ? 3 : c >= 192 ? 2 : 1;
        if (need > i) cut = b.length - i;
        break;
      }
      this.#pending = b.slice(cut);
      b = b.subarray(0, cut);
    }
    var text;
    if (this.encoding === 'windows-1252') text = native.latin1Decode(b);
    else if (this.encoding === 'utf-16le') { text = ''; for (var j = 0; j + 1 < b.length; j += 2) text += String.fromCharCode(b[j] | (b[j + 1] << 8)); }
    else text = native.utf8Decode(b, this.#fatal);
    return !this.#keep && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

function invalid(text) { return new (load('abort').DOMException)(text, 'InvalidCharacterError'); }
function btoa(text) {
  text = String(text);
  for (var i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) throw invalid('The string to be encoded contains characters outside of the Latin1 range.');
  return native.base64Encode(native.latin1Encode(text));
}
function atob(text) {
  text = String(text).replace(/[\t\n\f\r ]/g, '');
  if (/[^A-Za-z0-9+/=]/.test(text) || text.replace(/=+$/, '').length % 4 === 1) throw invalid('The string to be decoded is not correctly encoded.');
  return native.latin1Decode(native.base64Decode(text));
}
return { TextEncoder: TextEncoder, TextDecoder: TextDecoder, atob: atob, btoa: btoa };
