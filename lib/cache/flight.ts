import { bounded } from '../backend/bounded.js';
import type { Lock } from './locks.js';

/** A computation under way, with those who wait for it. */
export class Flight<V> {
  readonly key: string;
  /** Whether it was begun for nobody in particular, to renew a stale value. */
  readonly background: boolean;
  /** Settled by the one who computes. */
  promise: Promise<V | undefined> = Promise.resolve(undefined);
  /** Set once the computation has failed, to tell that from a failure of the backend. */
  failure: { readonly error: unknown } | undefined;
  /** Whether what is computed must not be stored: somebody stored or cleared the key meanwhile, or nobody waits any more. */
  superseded = false;
  /** Whether a tag was invalidated meanwhile, so that those who joined later may not have the value. */
  outdated = false;
  /** Whether it was given up in favour of another process. */
  abandoned = false;
  /** The write that is under way in the end. */
  storing: Promise<unknown> | undefined;
  lock: Lock | undefined;
  /** Whether there is nothing left to abort. */
  ended = false;
  #callers = 0;
  #joined = 0;
  #aborted = false;
  #controller: AbortController | undefined;
  readonly #onAbort: (flight: Flight<V>) => void;

  constructor(key: string, background: boolean, onAbort: (flight: Flight<V>) => void) {
    this.key = key;
    this.background = background;
    this.#onAbort = onAbort;
  }

  /** How many have waited for it, those included who have left. */
  get joined(): number {
    return this.#joined;
  }

  /** Whether all who waited have left. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** Aborted once all who waited have left. */
  get signal(): AbortSignal {
    // Made when it is asked for: most computations have no use for it.
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(reason(this.key));
    }
    return this.#controller.signal;
  }

  /** Waits for the value, no longer than the signal allows. */
  async join(signal: AbortSignal | undefined): Promise<V | undefined> {
    this.#joined++;
    this.#callers++;
    // Who has no signal never leaves.
    if (signal === undefined) return this.promise;
    try {
      return await bounded(() => this.promise, 'getOrSet', signal, undefined);
    } finally {
      this.#callers--;
      if (this.#callers === 0 && !this.background && !this.ended) this.#abort();
    }
  }

  /** Lets what is computed not be stored, and gives others the key to compute. */
  supersede(): void {
    this.superseded = true;
    // Reports by itself, and never rejects.
    void this.lock?.release();
  }

  #abort(): void {
    this.#aborted = true;
    this.supersede();
    this.#onAbort(this);
    this.#controller?.abort(reason(this.key));
  }
}

function reason(key: string): DOMException {
  return new DOMException(`nobody waits for ${JSON.stringify(key)} any more`, 'AbortError');
}
