// Node's deprecated `constants`: those of os, fs and crypto in one object.
var os = load('os').exports.constants;
return { exports: Object.assign({}, os.errno, os.priority, os.signals, load('fs').exports.constants, load('crypto').exports.constants) };
