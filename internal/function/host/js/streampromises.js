return { exports: load('stream').exports.promises };
