import 'reflect-metadata';

// Compilers give decorators `context.metadata` only where this symbol exists; esbuild and swc fall back to the registered one.
if (Symbol.metadata === undefined) {
  Object.defineProperty(Symbol, 'metadata', { value: Symbol.for('Symbol.metadata') });
}

declare global {
  interface SymbolConstructor {
    readonly metadata: unique symbol;
  }
}
