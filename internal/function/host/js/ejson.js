// EJSON.stringify is canonical, as in the original (app-services.md §4.7);
// {relaxed: true} gives the relaxed form.
function stringify(value, replacer, space, options) {
  if (replacer && typeof replacer === 'object' && !Array.isArray(replacer)) {
    options = replacer; replacer = null; space = 0;
  } else if (space && typeof space === 'object') {
    options = space; space = 0;
  }
  if (value === undefined) return undefined;
  var text = native.ejsonStringify(value, !!(options && options.relaxed));
  if (replacer || space) text = JSON.stringify(JSON.parse(text), replacer || null, space);
  return text;
}

var EJSON = {
  parse: function parse(text) { return native.ejsonParse(String(text)); },
  stringify: stringify,
  serialize: function serialize(value, options) { return JSON.parse(native.ejsonStringify(value, !!(options && options.relaxed))); },
  deserialize: function deserialize(value) { return native.ejsonParse(JSON.stringify(value)); },
};
return { EJSON: EJSON };
