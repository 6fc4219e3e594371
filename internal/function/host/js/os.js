return { exports: {
  EOL: '\n', arch: function () { return 'x64'; }, cpus: function () { return []; }, endianness: function () { return 'LE'; }, freemem: function () { return 0; }, totalmem: function () { return 0; },
  homedir: function () { return '/'; }, hostname: function () { return 'localhost'; }, loadavg: function () { return [0, 0, 0]; }, networkInterfaces: function () { return {}; }, platform: function () { return 'linux'; },
  release: function () { return '0'; }, tmpdir: function () { return '/tmp'; }, type: function () { return 'Linux'; }, uptime: function () { return 0; }, userInfo: function () { return { username: 'function', uid: -1, gid: -1, shell: null, homedir: '/' }; },
  version: function () { return '0'; }, machine: function () { return 'x86_64'; }, constants: { signals: {}, errno: {} }, availableParallelism: function () { return 1; },
} };
