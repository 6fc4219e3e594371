// The part of Intl that apps use: dates in time zones, numbers, currencies, in
// the locales below; another locale is written as en-US.
function names(text) { return text.split(' '); }
var locales = {
  'en-US': { date: 'M/D/Y', text: 'MMM D, Y', week: 'W, ', h12: true, group: ',', point: '.' },
  'en-GB': { date: 'DD/MM/Y', text: 'D MMM Y', week: 'W ', group: ',', point: '.', base: 'en-US' },
  'en-AU': { date: 'DD/MM/Y', text: 'D MMM Y', week: 'W ', h12: true, group: ',', point: '.', base: 'en-US' },
  'en-CA': { date: 'Y-MM-DD', text: 'MMM D, Y', week: 'W, ', h12: true, group: ',', point: '.', base: 'en-US' },
  'en-IN': { date: 'D/M/Y', text: 'D MMM Y', week: 'W, ', h12: true, group: ',', point: '.', indian: true, base: 'en-US' },
  'de-DE': { date: 'D.M.Y', text: 'D. MMM Y', week: 'W, ', group: '.', point: ',', after: true, months: names('Januar Februar März April Mai Juni Juli August September Oktober November Dezember'), short: names('Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.'), days: names('Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag'), shortDays: names('So Mo Di Mi Do Fr Sa') },
  'de-CH': { date: 'D.M.Y', text: 'D. MMM Y', week: 'W, ', group: '’', point: '.', base: 'de-DE' },
  'fr-FR': { date: 'DD/MM/Y', text: 'D MMM Y', week: 'W ', group: '\u202f', point: ',', after: true, months: names('janvier février mars avril mai juin juillet août septembre octobre novembre décembre'), short: names('janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.'), days: names('dimanche lundi mardi mercredi jeudi vendredi samedi'), shortDays: names('dim. lun. mar. mer. jeu. ven. sam.') },
  'es-ES': { date: 'D/M/Y', text: 'D de MMM de Y', textShort: 'D MMM Y', week: 'W, ', group: '.', point: ',', after: true, group5: true, months: names('enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre'), short: names('ene feb mar abr may jun jul ago sept oct nov dic'), days: names('domingo lunes martes miércoles jueves viernes sábado'), shortDays: names('dom lun mar mié jue vie sáb') },
  'es-MX': { date: 'D/M/Y', text: 'D de MMM de Y', textShort: 'D MMM Y', week: 'W, ', group: ',', point: '.', base: 'es-ES' },
  'it-IT': { date: 'D/M/Y', text: 'D MMM Y', week: 'W ', group: '.', point: ',', after: true, months: names('gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre'), short: names('gen feb mar apr mag giu lug ago set ott nov dic'), days: names('domenica lunedì martedì mercoledì giovedì venerdì sabato'), shortDays: names('dom lun mar mer gio ven sab') },
  'pt-BR': { date: 'DD/MM/Y', text: 'D de MMM de Y', week: 'W, ', group: '.', point: ',', space: true, months: names('janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro'), short: names('jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.'), days: names('domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado'), shortDays: names('dom. seg. ter. qua. qui. sex. sáb.') },
  'pt-PT': { date: 'DD/MM/Y', text: 'D de MMM de Y', week: 'W, ', group: '\u00a0', point: ',', after: true, group5: true, base: 'pt-BR' },
  'nl-NL': { date: 'D-M-Y', text: 'D MMM Y', week: 'W ', group: '.', point: ',', space: true, months: names('januari februari maart april mei juni juli augustus september oktober november december'), short: names('jan feb mrt apr mei jun jul aug sep okt nov dec'), days: names('zondag maandag dinsdag woensdag donderdag vrijdag zaterdag'), shortDays: names('zo ma di wo do vr za') },
  'tr-TR': { date: 'DD.MM.Y', text: 'D MMM Y', week: ' W', weekAfter: true, group: '.', point: ',', months: names('Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık'), short: names('Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara'), days: names('Pazar Pazartesi Salı Çarşamba Perşembe Cuma Cumartesi'), shortDays: names('Paz Pzt Sal Çar Per Cum Cmt') },
  'sv-SE': { date: 'Y-MM-DD', text: 'D MMM Y', week: 'W ', group: '\u00a0', point: ',', after: true, base: 'en-US' },
  'ru-RU': { date: 'DD.MM.Y', text: 'D MMM Y', week: 'W, ', group: '\u00a0', point: ',', after: true, base: 'en-US' },
  'pl-PL': { date: 'D.MM.Y', text: 'D MMM Y', week: 'W, ', group: '\u00a0', point: ',', after: true, group5: true, base: 'en-US' },
  'ja-JP': { date: 'Y/M/D', text: 'MMM D, Y', week: 'W, ', group: ',', point: '.', base: 'en-US' },
  'zh-CN': { date: 'Y/M/D', text: 'MMM D, Y', week: 'W, ', group: ',', point: '.', base: 'en-US' },
};
Object.assign(locales['en-US'], { months: names('January February March April May June July August September October November December'), short: names('Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'), days: names('Sunday Monday Tuesday Wednesday Thursday Friday Saturday'), shortDays: names('Sun Mon Tue Wed Thu Fri Sat') });
for (var l of Object.keys(locales)) if (locales[l].base) { var b = locales[locales[l].base]; for (var k of ['months', 'short', 'days', 'shortDays']) locales[l][k] = b[k]; }
var first = { en: 'en-US', de: 'de-DE', fr: 'fr-FR', es: 'es-ES', it: 'it-IT', pt: 'pt-BR', nl: 'nl-NL', tr: 'tr-TR', sv: 'sv-SE', ru: 'ru-RU', pl: 'pl-PL', ja: 'ja-JP', zh: 'zh-CN' };
function localeOf(list) {
  for (var l of list === undefined ? [] : [].concat(list)) {
    if (typeof l !== 'string' && !(l && typeof l === 'object')) throw new TypeError('Incorrect locale information provided');
    l = String(l);
    if (!/^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$/.test(l)) throw new RangeError('Incorrect locale information provided');
    var tag = l.split(/-u-/)[0], p = tag.split(/[-_]/), lang = p[0].toLowerCase(), region = (p.slice(1).find(function (x) { return /^([A-Za-z]{2}|\d{3})$/.test(x); }) || '').toUpperCase();
    if (locales[lang + '-' + region]) return { tag: lang + '-' + region, data: locales[lang + '-' + region] };
    if (first[lang]) return { tag: l, data: locales[first[lang]] };
  }
  return { tag: 'en-US', data: locales['en-US'] };
}
function supported(list) { return [].concat(list === undefined ? [] : list).filter(function (l) { return first[String(l).split(/[-_]/)[0].toLowerCase()]; }); }
function two(n) { return (n < 10 ? '0' : '') + n; }

// Dates

var zoneNames = { utc: 'UTC', gmt: 'UTC', 'etc/utc': 'UTC', 'etc/gmt': 'UTC', 'etc/zulu': 'UTC' };
function zoneOf(name) {
  if (name === undefined) return 'UTC';
  name = String(name);
  var m = /^([+-])(\d{2}):?(\d{2})?$/.exec(name);
  if (m) return m[1] + m[2] + ':' + (m[3] || '00');
  var known = zoneNames[name.toLowerCase()] || name;
  if (native.zone(0, known) === undefined) throw new RangeError('Invalid time zone specified: ' + name);
  return known;
}
function offset(ms, zone) {
  var m = /^([+-])(\d{2}):(\d{2})$/.exec(zone);
  if (m) return [(m[1] === '-' ? -1 : 1) * (60 * m[2] + +m[3]), 'GMT' + zone];
  return native.zone(ms, zone);
}
function zoneText(off, style, abbreviation, zone) {
  if (zone === 'UTC') return style === 'long' ? 'Coordinated Universal Time' : /Offset/.test(style) ? 'GMT' : 'UTC';
  if (style === 'short' && /^(E|C|M|P|AK|H)[SD]?T$/.test(abbreviation)) return abbreviation;
  if (off === 0) return 'GMT';
  var a = Math.abs(off), h = Math.floor(a / 60), m = a % 60, sign = off < 0 ? '-' : '+';
  if (style === 'longOffset') return 'GMT' + sign + two(h) + ':' + two(m);
  return 'GMT' + sign + h + (m ? ':' + two(m) : '');
}
var styles = {
  date: { full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }, long: { year: 'numeric', month: 'long', day: 'numeric' }, medium: { year: 'numeric', month: 'short', day: 'numeric' }, short: { year: '2-digit', month: 'numeric', day: 'numeric' } },
  time: { full: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'long' }, long: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' }, medium: { hour: 'numeric', minute: '2-digit', second: '2-digit' }, short: { hour: 'numeric', minute: '2-digit' } },
};

class DateTimeFormat {
  #l; #o; #zone; #cycle;
  constructor(list, options) {
    this.#l = localeOf(list);
    var o = Object.assign({}, options);
    this.#zone = zoneOf(o.timeZone);
    if (o.dateStyle || o.timeStyle) Object.assign(o, styles.date[o.dateStyle], styles.time[o.timeStyle]);
    else if (!['weekday', 'year', 'month', 'day', 'hour', 'minute', 'second', 'dayPeriod', 'fractionalSecondDigits'].some(function (k) { return o[k] !== undefined; })) {
      var d = o.__default || 'date';
      if (d !== 'time') o.year = o.month = o.day = 'numeric';
      if (d !== 'date') { o.hour = 'numeric'; o.minute = o.second = '2-digit'; }
    }
    this.#o = o;
    this.#cycle = o.hour12 === true ? 'h12' : o.hour12 === false ? 'h23' : o.hourCycle || (this.#l.data.h12 ? 'h12' : 'h23');
    this.format = (d) => this.formatToParts(d).map(function (p) { return p.value; }).join('');
  }
  static supportedLocalesOf(l) { return supported(l); }
  resolvedOptions() {
    var r = { locale: this.#l.tag, calendar: 'gregory', numberingSystem: 'latn', timeZone: this.#zone };
    if (this.#o.hour) { r.hourCycle = this.#cycle; r.hour12 = this.#cycle === 'h12' || this.#cycle === 'h11'; }
    for (var k of ['weekday', 'era', 'year', 'month', 'day', 'hour', 'minute', 'second', 'timeZoneName']) if (this.#o[k] !== undefined) r[k] = this.#o[k];
    return r;
  }
  formatToParts(d) {
    var ms = d === undefined ? Date.now() : typeof d === 'object' && d !== null ? d.getTime() : Number(d);
    if (!isFinite(ms)) throw new RangeError('Invalid time value');
    var o = this.#o, L = this.#l.data, zone = offset(ms, this.#zone), t = new Date(ms + zone[0] * 60000), parts = [];
    function put(type, value) { if (type === 'literal' && parts.length && parts[parts.length - 1].type === 'literal') parts[parts.length - 1].value += value; else parts.push({ type: type, value: value }); }
    function number(n, style) { return style === '2-digit' ? two(n % 100) : String(n); }
    var Y = t.getUTCFullYear(), M = t.getUTCMonth(), D = t.getUTCDate();
    var year = function () { put('year', o.year === '2-digit' ? two(Math.abs(Y) % 100) : o.era && Y <= 0 ? String(1 - Y) : String(Y)); };
    var isText = o.month === 'long' || o.month === 'short' || o.month === 'narrow';
    var weekday = o.weekday && (o.weekday === 'long' ? L.days : L.shortDays)[t.getUTCDay()];
    if (weekday && o.weekday === 'narrow') weekday = weekday[0];
    var dateParts = o.year || o.month || o.day;
    if (weekday && !L.weekAfter) { put('weekday', weekday); if (dateParts) put('literal', isText ? L.week.replace('W', '') : ', '); }
    if (dateParts) {
      var pattern = isText ? (o.month === 'long' ? L.text : L.textShort || L.text) : L.date;
      var want = { Y: o.year, M: o.month, D: o.day }, tokens = pattern.match(/M+|D+|Y|[^MDY]+/g), written = false, gap = '';
      tokens.forEach(function (tok, i) {
        var c = tok[0];
        if (want[c] === undefined && (c === 'Y' || c === 'M' || c === 'D')) return;
        if (c !== 'Y' && c !== 'M' && c !== 'D') { gap = tok; return; }
        if (written && gap) put('literal', want.Y && !want.D && isText && gap.indexOf(',') >= 0 ? ' ' : gap);
        else if (!written && gap && false) put('literal', gap);
        gap = '';
        written = true;
        if (c === 'Y') year();
        else if (c === 'D') put('day', o.day === '2-digit' || tok === 'DD' && o.day === 'numeric' && !isText && want.M && want.Y ? two(D) : String(D));
        else if (isText) put('month', o.month === 'long' ? L.months[M] : o.month === 'short' ? L.short[M] : L.months[M][0].toUpperCase());
        else put('month', o.month === '2-digit' || tok === 'MM' && o.month === 'numeric' && want.D ? two(M + 1) : String(M + 1));
      });
      if (isText && gap === '' && L.text[1] === '.' && o.day && !o.month) put('literal', '.');
      if (o.era) { put('literal', ' '); put('era', o.era === 'long' ? (Y > 0 ? 'Anno Domini' : 'Before Christ') : o.era === 'narrow' ? (Y > 0 ? 'A' : 'B') : (Y > 0 ? 'AD' : 'BC')); }
    }
    if (weekday && L.weekAfter) { if (dateParts) put('literal', ' '); put('weekday', weekday); }
    if (o.hour || o.minute || o.second || o.fractionalSecondDigits) {
      if (parts.length) put('literal', o.dateStyle === 'full' || o.dateStyle === 'long' ? ' at ' : ', ');
      var h = t.getUTCHours(), half = this.#cycle === 'h12' || this.#cycle === 'h11', shown = this.#cycle === 'h12' ? h % 12 || 12 : this.#cycle === 'h11' ? h % 12 : this.#cycle === 'h24' ? h || 24 : h, any = false;
      if (o.hour) { put('hour', o.hour === '2-digit' || !half && (o.minute || o.second || true) ? two(shown) : String(shown)); any = true; }
      if (o.minute) { if (any) put('literal', ':'); put('minute', any || o.minute === '2-digit' && o.second ? two(t.getUTCMinutes()) : String(t.getUTCMinutes())); any = true; }
      if (o.second) { if (any) put('literal', ':'); put('second', any || o.second === '2-digit' && any ? two(t.getUTCSeconds()) : String(t.getUTCSeconds())); any = true; }
      if (o.fractionalSecondDigits) { put('literal', L.point); put('fractionalSecond', ('00' + t.getUTCMilliseconds()).slice(-3).slice(0, o.fractionalSecondDigits)); }
      if (half && o.hour) { put('literal', ' '); put('dayPeriod', h < 12 ? 'AM' : 'PM'); }
    }
    if (o.timeZoneName) { if (parts.length) put('literal', o.hour || o.minute ? ' ' : ', '); put('timeZoneName', zoneText(zone[0], o.timeZoneName, zone[1], this.#zone)); }
    return parts;
  }
  formatRange(a, b) { return this.format(a) + ' – ' + this.format(b); }
}

// Numbers

var symbols = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CNY: 'CN¥', KRW: '₩', BRL: 'R$', CAD: 'CA$', AUD: 'A$', MXN: 'MX$', NZD: 'NZ$', ILS: '₪', VND: '₫', PHP: '₱', HKD: 'HK$', TWD: 'NT$' };
var home = { 'en-CA': 'CAD', 'en-AU': 'AUD', 'es-MX': 'MXN', 'tr-TR': 'TRY', 'zh-CN': 'CNY', 'ja-JP': 'JPY', 'pl-PL': 'PLN', 'ru-RU': 'RUB' };
var homeSymbols = { CAD: '$', AUD: '$', MXN: '$', TRY: '₺', CNY: '¥', JPY: '￥', PLN: 'zł', RUB: '₽' };
var wholeCurrencies = { JPY: 1, KRW: 1, VND: 1, CLP: 1, ISK: 1, PYG: 1, UGX: 1, XAF: 1, XOF: 1 };
var currencyNames = { USD: 'US dollars', EUR: 'euros', GBP: 'British pounds', JPY: 'Japanese yen', INR: 'Indian rupees' };

// round gives |n| in decimal with half away from zero on the shortest digits, as ICU does.
function round(n, min, max) {
  var s = Math.abs(n).toString();
  if (/e\+/.test(s)) s = BigInt(Math.abs(n)).toString();
  else if (/e-/.test(s)) s = Math.abs(n).toFixed(Math.min(100, max + 25)).replace(/0+$/, '');
  var p = s.split('.'), i = p[0], f = p[1] || '';
  if (f.length > max) {
    var up = f[max] >= '5', digits = (BigInt(i + f.slice(0, max)) + (up ? 1n : 0n)).toString().padStart(max + 1, '0');
    i = max ? digits.slice(0, -max) : digits;
    f = max ? digits.slice(-max) : '';
  }
  while (f.length > min && f[f.length - 1] === '0') f = f.slice(0, -1);
  while (f.length < min) f += '0';
  return [i, f];
}
function significant(n, min, max) {
  if (n === 0) return round(0, Math.max(0, min - 1), Math.max(0, min - 1));
  var e = Math.floor(Math.log10(Math.abs(n)) + 1e-12), t = Number(Math.abs(n).toPrecision(max));
  e = Math.max(e, Math.floor(Math.log10(t) + 1e-12));
  return round(t, Math.max(0, min - 1 - e), Math.max(0, max - 1 - e));
}
function group(i, L) {
  if (i.length < (L.group5 ? 5 : 4)) return i;
  return L.indian ? i.replace(/(\d)(?=(\d\d)+\d$)/g, '$1' + L.group) : i.replace(/\B(?=(\d{3})+$)/g, L.group);
}
class NumberFormat {
  #l; #o;
  constructor(list, options) {
    this.#l = localeOf(list);
    var o = this.#o = Object.assign({ style: 'decimal', useGrouping: true, notation: 'standard' }, options);
    if (o.style === 'currency') {
      if (!o.currency) throw new TypeError('Currency code is required with currency style.');
      o.currency = String(o.currency).toUpperCase();
      if (!/^[A-Z]{3}$/.test(o.currency)) throw new RangeError('Invalid currency code : ' + o.currency);
    }
    for (var k of ['minimumFractionDigits', 'maximumFractionDigits']) if (o[k] !== undefined && !(o[k] >= 0 && o[k] <= 100)) throw new RangeError(k + ' value is out of range.');
    var fraction = o.style === 'currency' ? (wholeCurrencies[o.currency] ? 0 : 2) : 0, top = o.style === 'currency' ? fraction : o.style === 'percent' ? 0 : 3;
    if (o.notation === 'compact' && o.maximumFractionDigits === undefined) top = 0;
    this.min = o.minimumFractionDigits === undefined ? Math.min(fraction, o.maximumFractionDigits === undefined ? fraction : o.maximumFractionDigits) : o.minimumFractionDigits;
    this.max = Math.max(this.min, o.maximumFractionDigits === undefined ? top : o.maximumFractionDigits);
    if (o.minimumFractionDigits > o.maximumFractionDigits) throw new RangeError('maximumFractionDigits value is out of range.');
    Object.defineProperty(this, 'min', { enumerable: false }); Object.defineProperty(this, 'max', { enumerable: false });
    this.format = (n) => this.formatToParts(n).map(function (p) { return p.value; }).join('');
  }
  static supportedLocalesOf(l) { return supported(l); }
  resolvedOptions() { return Object.assign({ locale: this.#l.tag, numberingSystem: 'latn', minimumIntegerDigits: 1, minimumFractionDigits: this.min, maximumFractionDigits: this.max }, this.#o); }
  formatToParts(n) {
    var o = this.#o, L = this.#l.data, parts = [], suffix = '';
    n = typeof n === 'bigint' ? Number(n) : Number(n);
    if (o.style === 'percent') n *= 100;
    var negative = n < 0 || Object.is(n, -0) && false, min = this.min, max = this.max;
    if (o.notation === 'compact' && Math.abs(n) >= 1000) {
      var i = Math.min(4, Math.floor(Math.log10(Math.abs(n)) / 3));
      n /= Math.pow(1000, i);
      suffix = ['', 'K', 'M', 'B', 'T'][i];
      if (o.maximumFractionDigits === undefined && Math.abs(n) < 100) max = Math.abs(n) < 10 ? 1 : Math.abs(n) < 100 ? 1 : 0;
      if (o.maximumFractionDigits === undefined && Math.abs(n) >= 10) max = 0;
    }
    var body;
    if (n !== n) body = [{ type: 'nan', value: 'NaN' }];
    else if (!isFinite(n)) body = [{ type: 'infinity', value: '∞' }];
    else {
      var d = o.maximumSignificantDigits || o.minimumSignificantDigits ? significant(n, o.minimumSignificantDigits || 1, o.maximumSignificantDigits || 21) : round(n, min, max);
      var whole = d[0].padStart(o.minimumIntegerDigits || 1, '0');
      if (negative && /^0*$/.test(whole + d[1])) negative = true;
      body = [];
      (o.useGrouping === false || o.useGrouping === 'false' ? whole : group(whole, L)).split(L.group).forEach(function (g, k) { if (k) body.push({ type: 'group', value: L.group }); body.push({ type: 'integer', value: g }); });
      if (d[1]) body.push({ type: 'decimal', value: L.point }, { type: 'fraction', value: d[1] });
    }
    if (suffix) body.push({ type: 'compact', value: suffix });
    if (negative && o.signDisplay !== 'never') parts.push({ type: 'minusSign', value: '-' });
    else if (o.signDisplay === 'always' || o.signDisplay === 'exceptZero' && n > 0) parts.push({ type: 'plusSign', value: '+' });
    if (o.style === 'currency') {
      var shown = o.currencyDisplay === 'code' ? o.currency : o.currencyDisplay === 'name' ? currencyNames[o.currency] || o.currency : home[this.#l.tag] === o.currency ? homeSymbols[o.currency] : o.currencyDisplay === 'narrowSymbol' ? (symbols[o.currency] || homeSymbols[o.currency] || o.currency).replace(/^[A-Z]+(?=[$¥])/, '') : symbols[o.currency] || o.currency;
      if (o.currencyDisplay === 'name') return parts.concat(body, { type: 'literal', value: ' ' }, { type: 'currency', value: shown });
      if (L.after) return parts.concat(body, { type: 'literal', value: '\u00a0' }, { type: 'currency', value: shown });
      parts.push({ type: 'currency', value: shown });
      if (L.space || /[A-Z]$/.test(shown) || shown === "CHF") parts.push({ type: 'literal', value: '\u00a0' });
      return parts.concat(body);
    }
    if (o.style === 'percent') return parts.concat(body, L.after ? [{ type: 'literal', value: '\u00a0' }] : [], { type: 'percentSign', value: '%' });
    if (o.style === 'unit') return parts.concat(body, { type: 'literal', value: ' ' }, { type: 'unit', value: String(o.unit) });
    return parts.concat(body);
  }
}

class Collator {
  #o;
  constructor(list, o) {
    this.#o = o || {};
    var fold = this.#o.sensitivity === 'base' || this.#o.sensitivity === 'accent', numeric = this.#o.numeric;
    this.compare = function (a, b) {
      a = String(a); b = String(b);
      if (fold) { a = a.toLowerCase(); b = b.toLowerCase(); }
      if (o && o.sensitivity === 'base') { a = a.normalize('NFD').replace(/[\u0300-\u036f]/g, ''); b = b.normalize('NFD').replace(/[\u0300-\u036f]/g, ''); }
      if (numeric) {
        var x = a.match(/\d+|\D+/g) || [], y = b.match(/\d+|\D+/g) || [];
        for (var i = 0; i < x.length && i < y.length; i++) {
          var r = /^\d/.test(x[i]) && /^\d/.test(y[i]) ? x[i] - y[i] : x[i].localeCompare(y[i]);
          if (r) return r < 0 ? -1 : 1;
        }
        return x.length === y.length ? 0 : x.length < y.length ? -1 : 1;
      }
      return a.localeCompare(b);
    };
  }
  static supportedLocalesOf(l) { return supported(l); }
  resolvedOptions() { return Object.assign({ locale: 'en-US', usage: 'sort', sensitivity: 'variant', numeric: false }, this.#o); }
}
class PluralRules {
  #l; #ordinal;
  constructor(list, o) { this.#l = localeOf(list).tag; this.#ordinal = o && o.type === 'ordinal'; }
  static supportedLocalesOf(l) { return supported(l); }
  select(n) {
    if (this.#ordinal) { var t = n % 10, h = n % 100; return t === 1 && h !== 11 ? 'one' : t === 2 && h !== 12 ? 'two' : t === 3 && h !== 13 ? 'few' : 'other'; }
    return n === 1 || /^(fr|pt)/.test(this.#l) && n === 0 ? 'one' : 'other';
  }
  resolvedOptions() { return { locale: this.#l, type: this.#ordinal ? 'ordinal' : 'cardinal' }; }
}
class ListFormat {
  #o;
  constructor(l, o) { this.#o = o || {}; }
  format(items) { var a = [...items], word = this.#o.type === 'disjunction' ? 'or' : 'and'; return a.length < 2 ? a.join('') : a.length === 2 ? a.join(' ' + word + ' ') : a.slice(0, -1).join(', ') + ', ' + word + ' ' + a[a.length - 1]; }
}
class RelativeTimeFormat {
  #o;
  constructor(l, o) { this.#o = o || {}; }
  format(n, unit) {
    unit = String(unit).replace(/s$/, '');
    if (this.#o.numeric === 'auto') { var w = { day: { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }, year: { '-1': 'last year', 0: 'this year', 1: 'next year' }, month: { '-1': 'last month', 0: 'this month', 1: 'next month' }, week: { '-1': 'last week', 0: 'this week', 1: 'next week' } }; if (w[unit] && w[unit][n]) return w[unit][n]; }
    var a = Math.abs(n), t = new NumberFormat('en-US').format(a) + ' ' + unit + (a === 1 ? '' : 's');
    return n < 0 || Object.is(n, -0) ? t + ' ago' : 'in ' + t;
  }
}

var Intl = {
  DateTimeFormat: callable(DateTimeFormat), NumberFormat: callable(NumberFormat), Collator: callable(Collator), PluralRules: PluralRules, ListFormat: ListFormat, RelativeTimeFormat: RelativeTimeFormat,
  getCanonicalLocales: function (l) { return [].concat(l === undefined ? [] : l).map(String); }, supportedValuesOf: function () { return []; },
};
// callable lets a class be called without new.
function callable(C) { return new Proxy(C, { apply: function (t, self, args) { return Reflect.construct(C, args); } }); }

function patch(o, name, fn) { Object.defineProperty(o, name, { value: fn, writable: true, configurable: true }); }
function dates(kind) {
  return function (list, options) {
    if (isNaN(this)) return 'Invalid Date';
    var o = Object.assign({}, options, { __default: kind });
    if (kind === 'date' && !o.dateStyle && !o.timeStyle && !o.weekday && !o.year && !o.month && !o.day) o.year = o.month = o.day = 'numeric';
    if (kind === 'time' && !o.dateStyle && !o.timeStyle && !o.hour && !o.minute && !o.second && !o.dayPeriod && !o.fractionalSecondDigits) { o.hour = 'numeric'; o.minute = o.second = '2-digit'; }
    return new DateTimeFormat(list, o).format(this);
  };
}
patch(Date.prototype, 'toLocaleString', dates('both'));
patch(Date.prototype, 'toLocaleDateString', dates('date'));
patch(Date.prototype, 'toLocaleTimeString', dates('time'));
patch(Number.prototype, 'toLocaleString', function (list, options) { return new NumberFormat(list, options).format(this); });
patch(BigInt.prototype, 'toLocaleString', function (list, options) { return new NumberFormat(list, options).format(this); });
var plainCompare = String.prototype.localeCompare;
patch(String.prototype, 'localeCompare', function (other, list, options) { return options ? new Collator(list, options).compare(this, other) : plainCompare.call(this, other); });
return { Intl: Intl };
