import type { Backend } from '../../backend/backend.js';
import { checkOptions, checkPrefix } from '../../backend/checks.js';
import { NotAnIntegerError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { digestOf } from '../digest.js';
import { PLACE_OPTIONS, type PlaceOptions, placeOf, type Source } from '../source.js';

/** Options of every rate-limit store. `name` and `namespace` are about `'rate_limit'`. */
export interface RateLimitStoreOptions<V = unknown> extends PlaceOptions<V> {
  /**
   * What the keys of this limit start with, such as `'login:'`, so that several limits may count in one place; at most 128 bytes of UTF-8,
   * and none by default.
   */
  readonly prefix?: string | undefined;
}

/** The names of {@link RateLimitStoreOptions}. */
export const RATE_LIMIT_STORE_OPTIONS = [...PLACE_OPTIONS, 'prefix'] as const;

/** How often somebody came within a window. */
export interface Hits {
  readonly hits: number;
  /** When the window ends, in milliseconds since 1970; absent for a counter that somebody else made without an end. */
  readonly expiresAt: number | undefined;
  /** The milliseconds that are left of the window, by the backend's clock. */
  readonly left: number;
}

/** The longest prefix, in UTF-8 bytes. */
const LONGEST_PREFIX = 128;
/** The longest key that is stored as it is after the prefix, in UTF-8 bytes. */
const LONGEST_KEY = 256;

/**
 * Counters in a backend: fixed windows, which begin with the first hit. Counting is one atomic operation, which gives the window's end too,
 * and never moves it.
 *
 * Keys come from outside, perhaps made of what a client sent. Each is counted, whatever it looks like: refusing one would be a way past the limit
 * where failures let requests through. One that is long, or is no text that a backend takes, is counted by its digest.
 */
export class Counters {
  readonly #source: Source<unknown>;
  readonly #prefix: string;
  readonly #scope: string;

  private constructor(source: Source<unknown>, prefix: string, scope = '') {
    this.#source = source;
    this.#prefix = prefix;
    this.#scope = scope;
  }

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a prefix that is too long
   */
  static of(options: RateLimitStoreOptions, what: string): Counters {
    checkOptions(options, RATE_LIMIT_STORE_OPTIONS, what);
    const { prefix = '' } = options;
    checkPrefix(prefix, what);
    if (Buffer.byteLength(prefix) > LONGEST_PREFIX) {
      throw new OutOfRangeError(
        `${what}: prefix must have at most ${LONGEST_PREFIX} bytes of UTF-8; got ${show(prefix)}`,
      );
    }
    return new Counters(placeOf(options, 'rate_limit', what), prefix);
  }

  /** Counters of the same place, for something of its own, such as a route. */
  within(scope: string): Counters {
    return new Counters(this.#source, this.#prefix, `${this.#scope}${scope} `);
  }

  /** Counts one hit. The first one begins a window of so many milliseconds. */
  async hit(key: string, window: number): Promise<Hits> {
    const backend = await this.#source.get();
    const { value, expiresAt } = await backend.increment(this.#key(key), 1, { ttl: window });
    return { hits: value, expiresAt, left: leftOf(backend, expiresAt) };
  }

  /** Takes one hit back, of those that there are in the window; there are never fewer than none. */
  async takeBack(key: string): Promise<void> {
    const backend = await this.#source.get();
    await backend.update(this.#key(key), (current) => {
      const hits = toHits(current, key);
      if (!(hits > 0)) return undefined;
      return typeof current === 'number' ? hits - 1 : String(hits - 1);
    });
  }

  /** Makes the window of a counter end in so many milliseconds. */
  async extend(key: string, window: number): Promise<void> {
    await (await this.#source.get()).touch(this.#key(key), window);
  }

  /** What was counted so far; `undefined` outside of a window. */
  async read(key: string): Promise<Hits | undefined> {
    const backend = await this.#source.get();
    const entry = await backend.getEntry(this.#key(key));
    if (entry === undefined) return undefined;
    const { value, expiresAt } = entry;
    return { hits: toHits(value, key), expiresAt, left: leftOf(backend, expiresAt) };
  }

  /** Forgets a counter. */
  async reset(key: string): Promise<void> {
    await (await this.#source.get()).delete(this.#key(key));
  }

  /** Forgets all counters of this prefix. */
  async clear(): Promise<void> {
    await (await this.#source.get()).clear({ prefix: this.#prefix });
  }

  #key(key: string): string {
    const text = this.#scope + String(key);
    const plain = text !== '' && text.isWellFormed() && !text.startsWith('~');
    if (plain && Buffer.byteLength(text) <= LONGEST_KEY) return this.#prefix + text;
    // A digest is marked by ~, and a key that looks like one is digested, so that none is taken for another.
    return `${this.#prefix}~${digestOf(text)}`;
  }
}

function leftOf(backend: Backend<unknown>, expiresAt: number | undefined): number {
  if (expiresAt === undefined) return 0;
  return Math.max(0, expiresAt - (backend.driver.clock ?? Date.now)());
}

function toHits(stored: unknown, key: string): number {
  const text = stored instanceof Uint8Array ? Buffer.from(stored).toString('latin1') : stored;
  const hits = Number(text ?? 0);
  if (Number.isSafeInteger(hits)) return hits;
  throw new NotAnIntegerError(
    `what is stored for ${show(key)} is no counter, but ${show(text)}; keep rate limits in a namespace of their own`,
    { key },
  );
}
