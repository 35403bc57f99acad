import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { Backend } from '../backend/backend.js';
import { atomicAt, type Capabilities, capabilities } from '../backend/capabilities.js';
import { checkOptions } from '../backend/checks.js';
import type { Condition, Counter, Driver, Entry, ListedEntry, Page, ScanRequest } from '../backend/driver.js';
import { type Clock, type Duration, toMilliseconds } from '../backend/duration.js';
import { addToCounter } from '../backend/operations.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { Sweeper } from '../backend/sweeper.js';
import { InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';

/** Options of {@link memory}. */
export interface MemoryOptions extends BackendOptions {
  /** At most so many entries: the one used longest ago makes room. A whole number from 1. */
  readonly max?: number | undefined;
  /** At most so many bytes of keys and values together: those used longest ago make room. A whole number from 1. */
  readonly maxBytes?: number | undefined;
  /**
   * The bytes of a value, for `maxBytes`. By default those of `Uint8Array`, text and what `JSON.stringify` makes of other values: give it
   * for Maps, Sets and other objects that JSON does not carry.
   */
  readonly sizeOf?: ((value: unknown) => number) | undefined;
  /** How often to remove what has expired; a minute by default, `null` for never. */
  readonly sweepEvery?: Duration | null | undefined;
  /** The time; `Date.now` by default. */
  readonly clock?: Clock | undefined;
}

const OPTIONS = [...BACKEND_OPTIONS, 'max', 'maxBytes', 'sizeOf', 'sweepEvery', 'clock'];

/**
 * A backend in the memory of this process. It holds values by reference: what you put in is what you get, so do not change it.
 *
 * With `max` or `maxBytes` it forgets what was used longest ago (by `lru-cache`). Without, it grows with what is stored.
 *
 * @example
 * const pages = memory<string>({ max: 10_000, ttl: '1h' });
 * @throws OutOfRangeError for a `max` or `maxBytes` that is no whole number from 1
 */
export function memory<V = unknown>(options: MemoryOptions = {}): Backend<V> {
  checkOptions(options, OPTIONS, 'memory');
  return new Backend(new MemoryDriver<V>(options), options);
}

/** What is kept for a key; never changed, so that callers may hold it. */
class Stored<V> implements Entry<V> {
  readonly value: V;
  readonly expiresAt: number | undefined;
  /** Names the value: grows with every write. */
  readonly stamp: number;
  /** Grows with the keys, so that a listing can go on where it stopped. */
  readonly order: number;

  constructor(value: V, expiresAt: number | undefined, stamp: number, order: number) {
    this.value = value;
    this.expiresAt = expiresAt;
    this.stamp = stamp;
    this.order = order;
  }

  get version(): string {
    return String(this.stamp);
  }
}

const SWEEP_EVERY = 60_000;
const BATCH = 1000;

const held: Capabilities = capabilities({
  values: 'objects',
  ...atomicAt('process'),
  enumerable: true,
});
const heldAll: Capabilities = Object.freeze({ ...held, setMany: 'process' });

class MemoryDriver<V> implements Driver<V> {
  readonly capabilities: Capabilities;
  readonly name = 'memory';
  readonly clock: Clock;
  readonly #entries: Map<string, Stored<V>> | LRUCache<string, Stored<V>>;
  readonly #sweeper: Sweeper;
  #last = 0;

  constructor(options: MemoryOptions) {
    this.clock = options.clock ?? Date.now;
    this.#entries = options.max === undefined && options.maxBytes === undefined ? new Map() : bounded(options);
    // What is full would drop some of many.
    this.capabilities = this.#entries instanceof Map ? heldAll : held;
    const { sweepEvery = SWEEP_EVERY } = options;
    this.#sweeper = new Sweeper(
      sweepEvery === null ? undefined : toMilliseconds(sweepEvery, 'sweepEvery'),
      async () => (await this.#sweep()).left,
    );
  }

  close(): void {
    this.#sweeper.stop();
    this.#entries.clear();
  }

  read(key: string): Entry<V> | undefined {
    return this.#find(key);
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): boolean {
    const stored = this.#entries.get(key);
    if (condition !== undefined && !this.#meets(stored, condition)) return false;
    const stamp = ++this.#last;
    this.#put(key, new Stored(value, expiresAt, stamp, stored === undefined ? stamp : stored.order));
    return true;
  }

  writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): void {
    for (const [key, value] of entries) this.write(key, value, expiresAt, undefined);
  }

  remove(key: string, condition: Condition | undefined): boolean {
    const stored = this.#find(key);
    if (stored === undefined || (condition !== undefined && !this.#meets(stored, condition))) return false;
    return this.#entries.delete(key);
  }

  touch(key: string, expiresAt: number | undefined): boolean {
    const stored = this.#find(key);
    if (stored === undefined) return false;
    this.#put(key, new Stored(stored.value, expiresAt, stored.stamp, stored.order));
    return true;
  }

  renew(key: string, expiresAt: number): Entry<V> | undefined {
    const stored = this.#find(key);
    if (stored?.expiresAt === undefined) return stored;
    const renewed = new Stored(stored.value, expiresAt, stored.stamp, stored.order);
    this.#put(key, renewed);
    return renewed;
  }

  increment(key: string, by: number, expiresAt: number | undefined): Counter {
    const stored = this.#find(key);
    const value = addToCounter(stored === undefined ? 0 : stored.value, by, key);
    const deadline = stored === undefined ? expiresAt : stored.expiresAt;
    this.write(key, value as V, deadline, undefined);
    return { value, expiresAt: deadline };
  }

  scan({ prefix, limit, cursor, values }: ScanRequest): Page<V> {
    const after = toOrder(cursor);
    const now = this.clock();
    const found: [number, ListedEntry<V>][] = [];
    const unsorted = this.#entries instanceof LRUCache;
    for (const [key, stored] of this.#entries.entries()) {
      if (stored.order <= after || !key.startsWith(prefix) || isExpired(stored, now)) continue;
      found.push([stored.order, values ? { key, value: stored.value } : { key }]);
      if (!unsorted && found.length > limit) break;
    }
    if (unsorted) found.sort(([a], [b]) => a - b);
    const last = found.length > limit ? found[limit - 1] : undefined;
    return { entries: found.slice(0, limit).map(([, entry]) => entry), cursor: last && String(last[0]) };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    // Scanning from the front for each page costs little while pages are large; repeats cannot happen.
    let cursor: string | undefined;
    do {
      const page = this.scan({ ...request, limit: Math.max(request.limit, this.#entries.size >> 4), cursor });
      cursor = page.cursor;
      yield page.entries;
    } while (cursor !== undefined);
  }

  clear(prefix: string): void {
    if (prefix === '') this.#entries.clear();
    else for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  async sweep(): Promise<number> {
    return (await this.#sweep()).removed;
  }

  async #sweep(): Promise<{ removed: number; left: boolean }> {
    let removed = 0;
    let left = false;
    let seen = 0;
    const newest = this.#last;
    // The order of an LRUCache changes with every use, so what is swept is what it holds now.
    const entries = this.#entries instanceof LRUCache ? [...this.#entries.entries()] : this.#entries.entries();
    for (const [key, stored] of entries) {
      if (++seen % BATCH === 0) await setImmediate();
      // What has been added meanwhile is for the next sweep; otherwise this one might never end.
      if (stored.order > newest) return { removed, left: true };
      if (stored.expiresAt === undefined) continue;
      if (isExpired(stored, this.clock())) {
        // The entry may be another one since the pause.
        if (this.#peek(key) === stored && this.#entries.delete(key)) removed++;
      } else {
        left = true;
      }
    }
    return { removed, left };
  }

  #put(key: string, stored: Stored<V>): void {
    this.#entries.set(key, stored);
    if (stored.expiresAt !== undefined) this.#sweeper.arm();
  }

  #find(key: string): Stored<V> | undefined {
    const stored = this.#entries.get(key);
    if (stored?.expiresAt === undefined || !isExpired(stored, this.clock())) return stored;
    this.#entries.delete(key);
    return undefined;
  }

  #peek(key: string): Stored<V> | undefined {
    return this.#entries instanceof LRUCache ? this.#entries.peek(key) : this.#entries.get(key);
  }

  #meets(stored: Stored<V> | undefined, condition: Condition): boolean {
    const there = stored !== undefined && !isExpired(stored, this.clock());
    if (condition === 'absent') return !there;
    return there && (condition === 'present' || String(stored.stamp) === condition.version);
  }
}

function bounded<V>({ max, maxBytes, sizeOf = estimate }: MemoryOptions): LRUCache<string, Stored<V>> {
  for (const [name, limit] of Object.entries({ max, maxBytes })) {
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
      throw new OutOfRangeError(`memory: ${name} must be a whole number from 1; got ${show(limit)}`);
    }
  }
  const sizeCalculation = (stored: Stored<V>, key: string) => {
    const size = Math.max(1, Math.ceil(sizeOf(stored.value)) + Buffer.byteLength(key));
    if (size <= Number(maxBytes)) return size;
    throw new OutOfRangeError(`set: ${show(key)} needs ${size} bytes with its value; maxBytes is ${maxBytes}`);
  };
  const limits = { max, maxSize: maxBytes, sizeCalculation: maxBytes === undefined ? undefined : sizeCalculation };
  return new LRUCache(limits as LRUCache.Options<string, Stored<V>, unknown>);
}

function estimate(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value === 'string') return Buffer.byteLength(value);
  try {
    const text = JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
    return Buffer.byteLength(text ?? '');
  } catch (error) {
    throw new InvalidArgumentError(`memory: the bytes of ${show(value)} cannot be told; give sizeOf`, { cause: error });
  }
}

function isExpired({ expiresAt }: { readonly expiresAt: number | undefined }, now: number): boolean {
  return expiresAt !== undefined && now >= expiresAt;
}

function toOrder(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const order = Number(cursor);
  if (Number.isSafeInteger(order) && order > 0) return order;
  throw new InvalidArgumentError(`page: ${show(cursor)} is no cursor of this backend`);
}
