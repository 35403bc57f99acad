import { Backend, StorageError } from 'keepsake';

/** Makes calls of a backend's driver fail although they have done what they should: the answer was lost. */
export class Half {
  /** The methods whose answers are lost. */
  lost: readonly string[] = [];

  around<V>(backend: Backend<V>): Backend<V> {
    const driver = new Proxy(backend.driver, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        // The backend underneath opens and closes by itself.
        if (name === 'open' || name === 'close') return undefined;
        if (typeof found !== 'function' || name === 'clock') return found;
        return (...args: unknown[]) => {
          const done: unknown = found.apply(target, args);
          if (!this.lost.includes(String(name))) return done;
          return Promise.resolve(done).then(() => {
            throw new StorageError('the answer was lost');
          });
        };
      },
    });
    return new Backend(driver, {}, { over: [backend as unknown as Backend<never>] });
  }
}
