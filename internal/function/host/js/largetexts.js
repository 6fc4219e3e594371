// What makes long texts at once asks first.
for (var name of ['repeat', 'padStart', 'padEnd']) Object.defineProperty(String.prototype, name, { value: native.guarded(name, String.prototype[name]), writable: true, configurable: true });
return {};
