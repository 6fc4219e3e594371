// esbuild's translation of asynchronous iteration looks for the same symbol.
if (!Symbol.asyncIterator) {
  Object.defineProperty(Symbol, 'asyncIterator', { value: Symbol.for('Symbol.asyncIterator') });
}
return {};
