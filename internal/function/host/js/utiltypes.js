return { exports: load('util').exports.types };
