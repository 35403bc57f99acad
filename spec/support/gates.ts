import { Backend } from 'keepsake';

/** Holds calls of a backend's driver after they were done, until they are let through: a reader has its answer, and is slow to use it. */
export class Gates {
  readonly #held = new Map<string, Promise<void>>();
  readonly #opens = new Map<string, () => void>();
  readonly #arrivals = new Map<string, () => void>();
  readonly #arrived = new Map<string, Promise<void>>();

  /** Holds calls of these methods from now on. */
  hold(...methods: string[]): void {
    for (const method of methods) {
      this.#held.set(
        method,
        new Promise((resolve) => {
          this.#opens.set(method, resolve);
        }),
      );
      this.#arrived.set(
        method,
        new Promise((resolve) => {
          this.#arrivals.set(method, resolve);
        }),
      );
    }
  }

  /** Waits until a call of one of them is held. */
  async reached(...methods: string[]): Promise<void> {
    await Promise.race(methods.map((method) => this.#arrived.get(method)));
  }

  /** Holds no further calls; those that are held stay so. */
  pass(): void {
    this.#held.clear();
  }

  /** Lets through what is held, and what comes. */
  open(...methods: string[]): void {
    for (const method of methods) {
      this.#held.delete(method);
      this.#opens.get(method)?.();
    }
  }

  around<V>(backend: Backend<V>): Backend<V> {
    const driver = new Proxy(backend.driver, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        // The backend underneath opens and closes by itself.
        if (name === 'open' || name === 'close') return undefined;
        if (typeof found !== 'function' || name === 'clock') return found;
        return (...args: unknown[]) => {
          const gate = this.#held.get(String(name));
          const done: unknown = found.apply(target, args);
          if (gate === undefined) return done;
          this.#arrivals.get(String(name))?.();
          return gate.then(() => done);
        };
      },
    });
    return new Backend(driver, {}, { over: [backend as unknown as Backend<never>] });
  }
}
