import { onAbort } from './bounded.js';
import type { KeyChange, WatchRequest } from './driver.js';

/** What a {@link Watch} is made of. */
export interface WatchParts {
  readonly signal: AbortSignal | undefined;
  /** Starts it in the driver. */
  readonly start: (request: Omit<WatchRequest, 'prefix'>) => Promise<void>;
  /** Makes the caller's error of one of the driver's. */
  readonly explain: (error: unknown) => unknown;
  /** Calls back when the backend is being closed, until the function it returns is called. */
  readonly onClose: (callback: () => void) => () => void;
}

interface Waiter {
  resolve(result: IteratorResult<KeyChange, undefined>): void;
  reject(error: unknown): void;
}

/**
 * The changes that others make, to walk through with `for await`; see `Backend.watch`.
 *
 * It starts with the first `next()` or `ready()`, and from then on keeps the process running until it is over: when the loop is left, by `return()`, when the signal
 * is aborted or the backend closed. What is not taken yet is one entry for each key that changed, in the order of their first change.
 */
export class Watch implements AsyncIterableIterator<KeyChange, undefined>, AsyncDisposable {
  readonly #parts: WatchParts;
  /** Tells the driver that nobody listens any more. */
  readonly #ending = new AbortController();
  readonly #changes = new Map<string, KeyChange['type']>();
  readonly #waiters: Waiter[] = [];
  #starting: Promise<void> | undefined;
  #ignoreSignal: () => void = () => undefined;
  #ignoreClose: () => void = () => undefined;
  #over = false;
  #failure: { readonly error: unknown } | undefined;

  /** For the backend. */
  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /**
   * Starts it, if need be, and waits until every later change is seen. Leaving the loop, `return()` or `await using` ends it then.
   *
   * @example
   * await using changes = backend.watch();
   * await changes.ready();
   */
  ready(): Promise<void> {
    if (this.#starting === undefined && !this.#over) {
      this.#starting = this.#start();
      // Whoever takes changes is told too, and perhaps nobody else waits.
      this.#starting.catch(() => undefined);
    }
    return this.#starting ?? Promise.resolve();
  }

  /** The next change; rejects, once, with what ended the watch. */
  next(): Promise<IteratorResult<KeyChange, undefined>> {
    void this.ready();
    for (const [key, type] of this.#changes) {
      this.#changes.delete(key);
      return Promise.resolve({ done: false, value: { type, key } });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Ends it; who waits for a change is told that there are no more. */
  return(): Promise<IteratorResult<KeyChange, undefined>> {
    this.#changes.clear();
    this.#failure = undefined;
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #start(): Promise<void> {
    const { signal, start, onClose } = this.#parts;
    this.#ignoreClose = onClose(() => void this.return());
    try {
      await start({
        signal: this.#ending.signal,
        changed: (change) => this.#changed(change),
        ended: (error) => this.#end(error === undefined ? undefined : { error: this.#parts.explain(error) }),
      });
      signal?.throwIfAborted();
    } catch (error) {
      this.#end({ error });
      throw error;
    }
    if (this.#over) return;
    this.#ignoreSignal = onAbort(signal, () => {
      this.#changes.clear();
      this.#end({ error: signal?.reason });
    });
  }

  #changed({ type, key }: KeyChange): void {
    if (this.#over) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#changes.set(key, type);
    else waiter.resolve({ done: false, value: { type, key } });
  }

  #end(failure?: { readonly error: unknown }): void {
    if (this.#over) return;
    this.#over = true;
    this.#ignoreSignal();
    this.#ignoreClose();
    this.#ending.abort();
    const [first, ...others] = this.#waiters.splice(0);
    if (failure === undefined) first?.resolve({ done: true, value: undefined });
    else if (first === undefined) this.#failure = failure;
    else first.reject(failure.error);
    for (const waiter of others) waiter.resolve({ done: true, value: undefined });
  }
}
