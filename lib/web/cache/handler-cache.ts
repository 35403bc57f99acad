import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import type { SignalOption } from '../../backend/options.js';
import type { Cache } from '../../cache/cache.js';
import {
  type CacheStatistics,
  type ClearOptions,
  type Compute,
  type ComputeContext,
  type Fetched,
  type GetOrSetOptions,
  PUT_OPTIONS,
  type PutOptions,
} from '../../cache/options.js';
import { OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { type Directives, secondsOf } from '../cache-control.js';
import { LONGEST_TTL, SHORTEST_TTL } from './schema.js';

/** Gives the cache underneath, opening it the first time. */
export type OpenCache = () => Cache<unknown> | Promise<Cache<unknown>>;

/**
 * The cache of an application, as its handlers get it: the calls of `Cache` on the backend that the configuration names, opened by the first of
 * them.
 *
 * Each ttl is a whole number of seconds from one second to one hour, given in milliseconds or as text such as `'30s'`, as everywhere.
 *
 * The one of a request heeds its `Cache-Control`: with `no-cache` or `max-age=0` nothing is fetched and `getOrSet` computes anew; with
 * `min-fresh` only what lives that long is; with `no-store` nothing is stored.
 */
export class HandlerCache<V = unknown> {
  readonly #open: OpenCache;
  readonly #anew: boolean;
  readonly #stores: boolean;
  /** How long a value must live yet to be given, in milliseconds. */
  readonly #minimum: number;

  /** For the bindings to frameworks; `directives` are those of the request. */
  constructor(open: OpenCache, directives?: Directives) {
    this.#open = open;
    this.#anew = directives?.has('no-cache') === true || (directives && secondsOf(directives, 'max-age')) === 0;
    this.#stores = directives?.has('no-store') !== true;
    this.#minimum = 1000 * ((directives && secondsOf(directives, 'min-fresh')) ?? 0);
  }

  /** The value of a key, or `undefined`; as `Cache.fetch`. */
  async fetch(key: string, options?: SignalOption): Promise<V | undefined> {
    if (!this.#anew && this.#minimum === 0) return (await this.#cache()).fetch(key, options) as Promise<V | undefined>;
    const found = await this.fetchWithTtl(key, options);
    return found.state === 'hit' ? found.value : undefined;
  }

  /** The value of a key with the milliseconds that it has left; as `Cache.fetchWithTtl`. */
  async fetchWithTtl(key: string, options?: SignalOption): Promise<Fetched<V>> {
    const found = (await (await this.#cache()).fetchWithTtl(key, options)) as Fetched<V>;
    if (found.state !== 'hit') return found;
    return this.#anew || (found.ttl !== null && found.ttl < this.#minimum) ? { state: 'missing' } : found;
  }

  /**
   * Stores a value; as `Cache.put`.
   * @returns whether it was stored: not where the request says `no-store`
   * @throws OutOfRangeError for a ttl that is no whole number of seconds from one second to one hour
   */
  async put(key: string, value: V, how: PutOptions | Duration = {}): Promise<boolean> {
    const options = typeof how === 'object' && how !== null ? how : { ttl: how };
    checkOptions(options, PUT_OPTIONS, 'put');
    checkTtl(options.ttl, 'put');
    const cache = await this.#cache();
    return this.#stores ? cache.put(key, value, options) : false;
  }

  /**
   * The value of a key; computes and stores it where there is none, once however many ask. As `Cache.getOrSet`.
   * @throws OutOfRangeError for a ttl that is no whole number of seconds from one second to one hour
   */
  async getOrSet<T extends V | undefined = V>(key: string, compute: Compute<T>, options?: GetOrSetOptions): Promise<T> {
    checkTtl(options?.ttl, 'getOrSet');
    const checked = async (context: ComputeContext<T>): Promise<T> => {
      const value = await compute(context);
      checkTtl(context.ttl, 'getOrSet');
      return value;
    };
    const cache = await this.#cache();
    const signal = { signal: options?.signal };
    if (this.#stores) {
      // Cleared first, so that those who ask meanwhile get what is computed now.
      if (this.#anew || (this.#minimum > 0 && (await this.fetch(key, signal)) === undefined)) {
        await cache.clear({ key, ...signal });
      }
      return cache.getOrSet(key, checked as Compute<unknown>, options) as Promise<T>;
    }
    const found = await this.fetch(key, signal);
    if (found !== undefined) return found as unknown as T;
    const { ttl, tags = [] } = options ?? {};
    return checked({
      key,
      ...{ ttl, tags, stale: undefined },
      signal: options?.signal ?? new AbortController().signal,
      skip: () => undefined,
    });
  }

  /** Removes a key, or every key of a namespace; how many that were. As `Cache.clear`. */
  async clear(options?: ClearOptions): Promise<number> {
    return (await this.#cache()).clear(options);
  }

  /** Removes all entries of the cache; how many that were. As `Cache.clearAll` (Cachette's `flush`). */
  async clearAll(options?: SignalOption): Promise<number> {
    return (await this.#cache()).clearAll(options);
  }

  /** Removes the entries whose time is over; how many that were. As `Cache.clearExpired` (Cachette's `flush_expired`). */
  async clearExpired(options?: SignalOption): Promise<number> {
    return (await this.#cache()).clearExpired(options);
  }

  /** Voids all entries that have one of these tags; as `Cache.invalidateTags`. */
  async invalidateTags(tags: Iterable<string>): Promise<void> {
    await (await this.#cache()).invalidateTags(tags);
  }

  /** What has happened so far, in the whole application; as `Cache.statistics`. */
  async statistics(): Promise<CacheStatistics> {
    return (await this.#cache()).statistics;
  }

  /** The same cache for a request with these directives. */
  heeding(directives: Directives): HandlerCache<V> {
    return directives.size === 0 ? this : new HandlerCache<V>(this.#open, directives);
  }

  #cache(): Cache<unknown> | Promise<Cache<unknown>> {
    return this.#open();
  }
}

function checkTtl(ttl: Duration | null | undefined, operation: string): void {
  if (ttl === undefined) return;
  const milliseconds = ttl === null ? Number.POSITIVE_INFINITY : toMilliseconds(ttl, 'ttl');
  const seconds = milliseconds / 1000;
  if (seconds >= SHORTEST_TTL && seconds <= LONGEST_TTL && Number.isInteger(seconds)) return;
  throw new OutOfRangeError(
    `${operation}: ttl must be a whole number of seconds from one second to one hour, in milliseconds (1000 to 3600000) or as text such as '60s'; got ${show(ttl)}`,
  );
}
