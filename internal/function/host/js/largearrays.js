// What makes long arrays at once asks first.
Object.defineProperty(Array.prototype, 'fill', { value: native.guarded('fill', Array.prototype.fill), writable: true, configurable: true });
Object.defineProperty(Array, 'from', { value: native.guarded('from', Array.from), writable: true, configurable: true });
return {};
