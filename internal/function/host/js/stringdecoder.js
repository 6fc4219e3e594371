var Buffer = load('buffer').Buffer;
class StringDecoder {
  constructor(encoding) { this.encoding = String(encoding || 'utf8').toLowerCase().replace('utf-8', 'utf8'); this.rest = Buffer.alloc(0); }
  write(b) {
    if (typeof b === 'string') return b;
    b = this.rest.length ? Buffer.concat([this.rest, b]) : Buffer.from(b);
    var cut = b.length;
    if (this.encoding === 'utf8') {
      for (var i = 1; i <= 3 && i <= b.length; i++) {
        var c = b[b.length - i];
        if ((c & 192) === 128) continue;
        if ((c >= 240 ? 4 : c >= 224 ? 3 : c >= 192 ? 2 : 1) > i) cut = b.length - i;
        break;
      }
    } else if (this.encoding === 'base64') cut -= b.length % 3;
    else if (this.encoding === 'utf16le' || this.encoding === 'ucs2') cut -= b.length % 2;
    this.rest = b.slice(cut);
    return b.toString(this.encoding, 0, cut);
  }
  end(b) { var s = b ? this.write(b) : ''; if (this.rest.length) { s += this.rest.toString(this.encoding); this.rest = Buffer.alloc(0); } return s; }
}
return { exports: { StringDecoder: StringDecoder } };
