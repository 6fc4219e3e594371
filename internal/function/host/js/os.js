var constants = {
  signals: { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGUSR1: 10, SIGSEGV: 11, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15, SIGCHLD: 17, SIGCONT: 18, SIGSTOP: 19, SIGTSTP: 20, SIGTTIN: 21, SIGTTOU: 22, SIGURG: 23, SIGXCPU: 24, SIGXFSZ: 25, SIGVTALRM: 26, SIGPROF: 27, SIGWINCH: 28, SIGIO: 29, SIGSYS: 31 },
  errno: { EPERM: 1, ENOENT: 2, EINTR: 4, EIO: 5, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EFAULT: 14, EBUSY: 16, EEXIST: 17, ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, EFBIG: 27, ENOSPC: 28, EROFS: 30, EPIPE: 32, EDOM: 33, ERANGE: 34, ENOTEMPTY: 39, ECONNREFUSED: 111, ECONNRESET: 104, EADDRINUSE: 98, EADDRNOTAVAIL: 99, ETIMEDOUT: 110, EHOSTUNREACH: 113, ENETUNREACH: 101, ENOTCONN: 107, EALREADY: 114, EINPROGRESS: 115 },
  priority: { PRIORITY_LOW: 19, PRIORITY_BELOW_NORMAL: 10, PRIORITY_NORMAL: 0, PRIORITY_ABOVE_NORMAL: -7, PRIORITY_HIGH: -14, PRIORITY_HIGHEST: -20 },
};
return { exports: {
  EOL: '\n', arch: function () { return 'x64'; }, cpus: function () { return []; }, endianness: function () { return 'LE'; }, freemem: function () { return 0; }, totalmem: function () { return 0; },
  homedir: function () { return '/'; }, hostname: function () { return 'localhost'; }, loadavg: function () { return [0, 0, 0]; }, networkInterfaces: function () { return {}; }, platform: function () { return 'linux'; },
  release: function () { return '0'; }, tmpdir: function () { return '/tmp'; }, type: function () { return 'Linux'; }, uptime: function () { return 0; }, userInfo: function () { return { username: 'function', uid: -1, gid: -1, shell: null, homedir: '/' }; },
  version: function () { return '0'; }, machine: function () { return 'x86_64'; }, constants: constants, devNull: '/dev/null', availableParallelism: function () { return 1; },
} };
