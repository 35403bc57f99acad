import { Backend } from '../backend/backend.js';
import { checkSignal } from '../backend/bounded.js';
import { checkOptions } from '../backend/checks.js';
import type { Duration } from '../backend/duration.js';
import * as operations from '../backend/operations.js';
import type { SignalOption } from '../backend/options.js';
import { ClosedError, InvalidArgumentError, isKeepsakeError } from '../errors.js';
import { show } from '../show.js';
import { Computations, explain, isMistake } from './computations.js';
import { Entries } from './entries.js';
import type { Envelope } from './envelope.js';
import { Locks } from './locks.js';
import {
  type CacheOptions,
  type CacheStatistics,
  CLEAR_OPTIONS,
  type ClearOptions,
  type Compute,
  type Fetched,
  type GetOrSetOptions,
  PUT_OPTIONS,
  type PutOptions,
} from './options.js';
import { defaultPlan, type Plan, planOf, type Settings, settingsOf, toTtl } from './settings.js';
import { Statistics } from './statistics.js';

/**
 * A cache over a backend: values that can be computed again, each computed by one caller at a time.
 *
 * It keeps values, tags and locks in namespaces of the backend (`value`, `tag`, `tags`, `lock`), in an envelope of its own, and takes every key that
 * the backend takes. Over `memory()` values are held by reference; over a backend of bytes they go through a codec. A cache is no
 * backend, but several may stand on one: they are then one cache, and should have the same codec.
 *
 * `fetch`, `fetchWithTtl`, `put` and `clear` are Cachette's, and reject when the backend fails: a failure is never a miss. What `getOrSet` does then
 * is said by `onBackendError`.
 *
 * @example
 * const cache = new Cache<User>(memory(), { ttl: '10m' });
 * const user = await cache.getOrSet(`user:${id}`, () => database.user(id));
 */
export class Cache<V = unknown> implements AsyncDisposable {
  /** The backend underneath. */
  readonly backend: Backend<unknown>;
  readonly #entries: Entries<V>;
  readonly #settings: Settings;
  readonly #usual: Plan;
  readonly #statistics = new Statistics();
  readonly #computations: Computations<V>;
  readonly #closesBackend: boolean;
  #closing: Promise<void> | undefined;

  /**
   * @throws InvalidArgumentError, OutOfRangeError for options that are wrong
   * @throws UnsupportedError for `locks: true` where the backend cannot
   */
  constructor(backend: Backend<unknown>, options: CacheOptions<V> = {}) {
    if (!(backend instanceof Backend)) {
      throw new InvalidArgumentError(`Cache: backend must be a Backend, such as memory(); got ${show(backend)}`);
    }
    this.backend = backend;
    const settings = settingsOf(backend, options);
    this.#settings = settings;
    this.#usual = defaultPlan(settings);
    this.#entries = new Entries(backend, options.codec, settings);
    this.#closesBackend = options.closesBackend ?? false;
    const locks = settings.locks ? new Locks(backend.namespace('lock'), settings.lockTtl, settings.report) : undefined;
    this.#computations = new Computations(this.#entries, locks, settings, this.#statistics);
  }

  /** What has happened so far: plain numbers, which do not change any more. */
  get statistics(): CacheStatistics {
    return this.#statistics.now;
  }

  /** Lets the statistics begin at 0 again. */
  resetStatistics(): void {
    Object.assign(this.#statistics, new Statistics());
  }

  /** The value of a key; `undefined` where there is none whose time is not over. A stored `null` is a value. */
  async fetch(key: string, options?: SignalOption): Promise<V | undefined> {
    this.#check('fetch');
    const { keys, values, format, tags } = this.#entries;
    const place = keys.store(key, 'fetch');
    try {
      const stored = await values.get(place, options);
      if (stored !== undefined) {
        const opening = format.open(key, stored);
        const envelope = opening instanceof Promise ? await opening : opening;
        if (this.#entries.isFresh(envelope) && (envelope.tags == null || (await tags.hold(envelope.tags)))) {
          this.#statistics.hits++;
          return envelope.value;
        }
      }
    } catch (error) {
      throw this.#failed(error, 'fetch', key);
    }
    this.#statistics.misses++;
    return undefined;
  }

  /**
   * The value of a key with the milliseconds that it has left, and whether an entry is missing or only expired. An entry is told as expired
   * as long as it is kept, see `keepExpired`; one whose tags were invalidated is missing.
   */
  async fetchWithTtl(key: string, options?: SignalOption): Promise<Fetched<V>> {
    this.#check('fetchWithTtl');
    const place = this.#entries.keys.store(key, 'fetchWithTtl');
    const found = await this.#attempt('fetchWithTtl', key, () => this.#entries.find(key, place, options?.signal));
    if (found.state !== 'fresh') {
      this.#statistics.misses++;
      return { state: found.state };
    }
    this.#statistics.hits++;
    const { expiresAt, envelope } = found;
    return {
      state: 'hit',
      value: envelope.value,
      ttl: expiresAt === undefined ? null : expiresAt - this.#settings.clock(),
    };
  }

  /**
   * Stores a value in place of the one that was there. What is being computed for the key in this process is not stored any more.
   *
   * Its tags count as they stand now: where one may be invalidated between the reading of what the value is made of and this call, compute
   * the value by `getOrSet`.
   * @param how the time to live, or options
   * @returns whether it was stored: a backend may discard writes
   * @throws InvalidArgumentError for `undefined`
   * @throws OutOfRangeError for a ttl that is not positive and finite
   * @throws EncodeError for a value that the codec cannot carry
   * @throws UnsupportedError for tags where the backend has no `increment`
   */
  async put(key: string, value: V, how: PutOptions | Duration | null = {}): Promise<boolean> {
    this.#check('put');
    const options = typeof how === 'object' && how !== null ? how : { ttl: how };
    checkOptions(options, PUT_OPTIONS, 'put');
    const place = this.#entries.keys.store(key, 'put');
    if (value === undefined) {
      throw new InvalidArgumentError(`put: undefined cannot be stored; clear ${show(key)}, or put null`);
    }
    const ttl = toTtl(options.ttl);
    const { signal } = options;
    checkSignal(signal, 'put');
    const tags = options.tags === undefined ? [] : this.#entries.tags.check(options.tags, 'put');
    return this.#attempt('put', key, async () => {
      const versions = await this.#entries.tags.versions(tags);
      await this.#computations.supersedeKey(key);
      const stored = await this.#entries.write(key, place, { value, ttl, versions, keep: 0 }, signal);
      // What began while this was written knows no better.
      await this.#computations.supersedeKey(key);
      return stored;
    });
  }

  /**
   * The value of a key; computes and stores it where there is none.
   *
   * However many callers ask for a key at once, one computation runs, in this process and, see `locks`, in all that share the backend. If it
   * fails, all who wait get its error, and the next call computes again. What gives `undefined` is not stored.
   *
   * A caller whose `signal` is aborted leaves; the computation is aborted, by a signal of its own, once all have left.
   * @param compute gets a {@link ComputeContext}. What is stored is not checked to be of its type
   * @throws what `compute` throws, unless a stale value covers it
   * @throws UnsupportedError for tags where the backend has no `increment`
   */
  async getOrSet<T extends V | undefined = V>(key: string, compute: Compute<T>, options?: GetOrSetOptions): Promise<T> {
    if (this.#closing !== undefined) this.#check('getOrSet');
    if (typeof compute !== 'function') {
      throw new InvalidArgumentError(`getOrSet: compute must be a function; got ${show(compute)}`);
    }
    const entries = this.#entries;
    const place = entries.keys.store(key, 'getOrSet');
    const plan = options === undefined ? this.#usual : planOf(options, this.#usual, entries.tags);
    const { ended } = this.#computations;
    let stale: Envelope<V> | undefined;
    try {
      const stored = await (plan.signal === undefined
        ? entries.values.get(place)
        : entries.values.get(place, { signal: plan.signal }));
      if (stored !== undefined) {
        const opening = entries.format.open(key, stored);
        const envelope = opening instanceof Promise ? await opening : opening;
        if (envelope.tags == null || (await entries.tags.hold(envelope.tags))) {
          if (entries.isFresh(envelope)) {
            this.#statistics.hits++;
            return envelope.value as T;
          }
          stale = envelope;
        }
      }
    } catch (error) {
      this.#computations.cover(error, key, plan);
    }
    return this.#computed(key, place, compute as unknown as Compute<V>, plan, stale, ended) as Promise<T>;
  }

  /** Answers a call that found nothing fresh. */
  async #computed(
    key: string,
    place: string,
    compute: Compute<V>,
    plan: Plan,
    found: Envelope<V> | undefined,
    ended: number,
  ): Promise<V | undefined> {
    const computations = this.#computations;
    const task = { key, place, compute, plan };
    this.#statistics.misses++;
    let stale = found;
    let again = ended !== computations.ended;
    for (let renewed = false; ; ) {
      this.#check('getOrSet');
      if (stale !== undefined && this.#mayGive(stale, plan.staleWhileRevalidate)) {
        if (computations.get(key) === undefined) computations.start({ ...task, stale, background: true, again });
        this.#statistics.staleHits++;
        return stale.value;
      }
      const joined = computations.get(key);
      if (joined !== undefined) this.#statistics.waits++;
      const flight = joined ?? computations.start({ ...task, stale, background: false, again });
      try {
        const value = await flight.join(plan.signal);
        if (joined === undefined || !(flight.abandoned || (flight.outdated && !renewed))) return value;
        // Only once: what begins after this call began is young enough for it.
        if (!flight.abandoned) renewed = true;
      } catch (error) {
        if (stale === undefined || flight.failure?.error !== error || !this.#mayGive(stale, plan.staleIfError))
          throw error;
        if (joined === undefined) this.#settings.report(error, key);
        this.#statistics.staleHits++;
        return stale.value;
      }
      // What the other computation has stored may be fresh for all that.
      stale = undefined;
      again = true;
    }
  }

  #mayGive(stale: Envelope<V>, window: number): boolean {
    return window > 0 && this.#entries.expiredFor(stale) < window;
  }

  /**
   * Voids all entries that have one of these tags, in all processes. What is computed or put from then on is not concerned, nor is a value whose
   * computation began before it: that one is void.
   * @throws UnsupportedError where the backend has no `increment`
   */
  async invalidateTags(tags: Iterable<string>): Promise<void> {
    this.#check('invalidateTags');
    const checked = this.#entries.tags.check(tags, 'invalidateTags');
    if (checked.length === 0) return;
    await this.#attempt('invalidateTags', undefined, () => this.#entries.tags.invalidate(checked));
  }

  /**
   * Removes a key, or every key of a namespace (those that start with its name and a colon); the namespace counts where both are given, and without
   * either nothing is removed. What is being computed for them in this process is not stored any more.
   * @returns how many entries were removed, those included that had expired and were still kept
   * @throws UnsupportedError for a namespace where the backend cannot list its keys
   */
  async clear(options: ClearOptions = {}): Promise<number> {
    this.#check('clear');
    checkOptions(options, CLEAR_OPTIONS, 'clear');
    const { namespace, key, signal } = options;
    if (namespace !== undefined) {
      return this.#clearPrefix(this.#entries.keys.prefix(namespace, 'clear'), signal);
    }
    if (key === undefined) return 0;
    const place = this.#entries.keys.store(key, 'clear');
    return this.#attempt('clear', key, async () => {
      await this.#computations.supersedeKey(key);
      return (await this.#entries.values.delete(place, { signal })) ? 1 : 0;
    });
  }

  /**
   * Removes all entries of the cache, and nothing else from the backend.
   * @returns how many, as `clear` does
   * @throws UnsupportedError where the backend cannot list its keys
   */
  async clearAll(options: SignalOption = {}): Promise<number> {
    this.#check('clearAll');
    checkOptions(options, ['signal'], 'clearAll');
    return this.#clearPrefix('', options.signal);
  }

  /**
   * Removes the entries whose time is over, those included that are kept so that `fetchWithTtl` can tell them, and those that were to be given
   * as stale ones. Nothing has to: expired entries go by themselves, sooner or later.
   * @returns how many entries were removed
   * @throws UnsupportedError where the backend cannot list its keys
   */
  async clearExpired(options: SignalOption = {}): Promise<number> {
    this.#check('clearExpired');
    checkOptions(options, ['signal'], 'clearExpired');
    return this.#attempt('clearExpired', undefined, () => this.#entries.removeExpired(options.signal));
  }

  #clearPrefix(prefix: string, signal: AbortSignal | undefined): Promise<number> {
    const operation = prefix === '' ? 'clearAll' : 'clear';
    return this.#attempt(operation, undefined, async () => {
      await this.#computations.supersede((key) => key.startsWith(prefix));
      let removed = 0;
      let batch: string[] = [];
      for await (const key of this.#entries.values.keys({ prefix, signal })) {
        batch.push(key);
        if (batch.length < operations.PAGE_LIMIT) continue;
        removed += await this.#entries.values.deleteMany(batch, { signal });
        batch = [];
      }
      return removed + (await this.#entries.values.deleteMany(batch, { signal }));
    });
  }

  /**
   * Waits for the computations that are under way, those in the background included, and refuses further calls. Closes the backend only
   * where `closesBackend` was given. Doing so again changes nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#computations.settle();
    if (this.#closesBackend) await this.backend.close();
  }

  async #attempt<T>(operation: string, key: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#failed(error, operation, key);
    }
  }

  #failed(error: unknown, operation: string, key: string | undefined): unknown {
    if (isKeepsakeError(error) && !isMistake(error)) this.#statistics.backendErrors++;
    return key === undefined ? error : explain(error, key, operation);
  }

  #check(operation: string): void {
    if (this.#closing === undefined) return;
    throw new ClosedError('the cache is closed; make another to go on', { operation });
  }
}
