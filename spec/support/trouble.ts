import { Backend, StorageError } from 'keepsake';

/** Makes a backend fail, hang or answer late, as long as it is told to. */
export class Trouble {
  /** What every operation rejects with, if anything. */
  error: Error | undefined;
  /** Whether operations never end. */
  hangs = false;
  /** Only these methods of the driver are troubled; all if empty. */
  only: readonly string[] = [];
  /** The methods of the driver that were called, in their order. */
  readonly calls: string[] = [];

  /** The usual failure. */
  fail(times = Number.POSITIVE_INFINITY, retryable = true): void {
    this.error = new StorageError('the engine is down', { retryable });
    this.#left = times;
  }

  /** No more trouble. */
  end(): void {
    this.error = undefined;
    this.hangs = false;
  }

  #left = Number.POSITIVE_INFINITY;

  /** A backend with the driver of another, in trouble; opening it is troubled too. */
  around<V>(backend: Backend<V>): Backend<V> {
    const driver = new Proxy(backend.driver, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        if (name === 'open') return () => this.#meet('open', () => backend.open().then(() => undefined));
        if (typeof found !== 'function' || name === 'clock') return found;
        return (...args: unknown[]) => this.#meet(String(name), () => found.apply(target, args));
      },
    });
    return new Backend(driver);
  }

  #meet(name: string, call: () => unknown): unknown {
    this.calls.push(name);
    if (this.only.length > 0 && !this.only.includes(name)) return call();
    if (this.hangs)
      return name === 'stream' ? stream(() => new Promise(() => undefined)) : new Promise(() => undefined);
    if (this.error === undefined || this.#left <= 0) return call();
    this.#left--;
    const failed = this.error;
    return name === 'stream' ? stream(() => Promise.reject(failed)) : Promise.reject(failed);
  }
}

function stream(next: () => Promise<never>): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
