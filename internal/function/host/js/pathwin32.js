return { exports: load('path').exports.win32 };
