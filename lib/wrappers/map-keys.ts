import type { Backend } from '../backend/backend.js';
import { checkKey, checkOptions, MAXIMUM_KEY_BYTES } from '../backend/checks.js';
import type {
  Awaitable,
  Change,
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  ScanRequest,
  WatchRequest,
} from '../backend/driver.js';
import * as operations from '../backend/operations.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError, InvalidKeyError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import { delegate, over } from './delegate.js';

/** Options of {@link mapKeys}. */
export interface MapKeysOptions extends BackendOptions {
  /** The key that is stored for a key. Two keys must never become one. */
  readonly encode: (key: string) => string;
  /**
   * The key of a stored key, or `undefined` for one that is none of these. Without it the keys cannot be listed, as when `encode` hashes.
   */
  readonly decode?: ((stored: string) => string | undefined) | undefined;
  /** The longest key in UTF-8 bytes, where `encode` makes keys longer: 512 for hexadecimal digits; 1,024 by default. */
  readonly keyLimit?: number | undefined;
}

/**
 * A backend under other keys (shitty_tools' `key_serialize`). Its listings read all keys underneath, whatever prefix is asked for; for a mere prefix use
 * `backend.namespace`.
 *
 * A key whose stored form does not lead back to it is refused with an `InvalidKeyError`.
 *
 * @example
 * const byUser = mapKeys(files('./users'), { encode: (id) => id.toLowerCase(), decode: (stored) => stored });
 * @throws InvalidArgumentError where `encode` is no function
 * @throws OutOfRangeError for a `keyLimit` that is not 1 to 1,024
 */
export function mapKeys<V>(backend: Backend<V>, options: MapKeysOptions): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'encode', 'decode', 'keyLimit'], 'mapKeys');
  const { encode, decode, keyLimit = MAXIMUM_KEY_BYTES, ...rest } = options;
  for (const [name, given] of Object.entries({ encode, decode })) {
    if (typeof given === 'function' || (name === 'decode' && given === undefined)) continue;
    throw new InvalidArgumentError(`mapKeys: ${name} must be a function; got ${show(given)}`);
  }
  if (!Number.isSafeInteger(keyLimit) || keyLimit < 1 || keyLimit > MAXIMUM_KEY_BYTES) {
    const range = `a whole number from 1 to ${MAXIMUM_KEY_BYTES}`;
    throw new OutOfRangeError(`mapKeys: keyLimit must be ${range}; got ${show(keyLimit)}`);
  }
  const own = new MapKeysDriver(backend.driver, encode, decode, keyLimit);
  // Only what can set entries aside may say so.
  return over(backend, delegate(backend.driver, own, ['keep']), rest);
}

class MapKeysDriver<V> implements Driver<V> {
  readonly capabilities;
  readonly name: string;
  readonly keyLimit: number;
  readonly setAside?: (key: string) => Awaitable<string | undefined>;
  readonly watch?: (request: WatchRequest) => Awaitable<void>;
  readonly #inner: Driver<V>;
  readonly #encode: (key: string) => string;
  readonly #decode: ((stored: string) => string | undefined) | undefined;

  constructor(
    inner: Driver<V>,
    encode: (key: string) => string,
    decode: ((stored: string) => string | undefined) | undefined,
    keyLimit: number,
  ) {
    const enumerable = inner.capabilities.enumerable && decode !== undefined;
    const watchable = inner.capabilities.watch && decode !== undefined;
    this.capabilities = Object.freeze({ ...inner.capabilities, enumerable, ordered: false, watch: watchable });
    this.name = `mapped keys of ${inner.name}`;
    this.#inner = inner;
    this.#encode = encode;
    this.#decode = decode;
    this.keyLimit = keyLimit;
    const { setAside, watch } = inner;
    if (setAside !== undefined) this.setAside = (key) => setAside.call(inner, this.#stored(key));
    if (watch !== undefined && watchable) {
      this.watch = (request) =>
        watch.call(inner, {
          ...request,
          prefix: '',
          changed: ({ type, key: stored }) => {
            const key = this.#keyOf(stored, request.prefix);
            if (key !== undefined) request.changed({ type, key });
          },
        });
    }
  }

  read(key: string, valueOnly?: boolean): Awaitable<Entry<V> | undefined> {
    return this.#inner.read(this.#stored(key), valueOnly);
  }

  readEntry(key: string): Awaitable<Entry<V> | undefined> {
    return operations.readEntry(this.#inner, this.#stored(key));
  }

  readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<V> | undefined)[]> {
    const stored = keys.map((key) => this.#stored(key));
    return operations.readMany(this.#inner, stored, valueOnly);
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.write(this.#stored(key), value, expiresAt, condition);
  }

  writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    const stored = entries.map(([key, value]) => [this.#stored(key), value] as const);
    return operations.writeMany(this.#inner, stored, expiresAt);
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return operations.touch(this.#inner, this.#stored(key), expiresAt);
  }

  renew(key: string, expiresAt: number): Promise<Entry<V> | undefined> {
    return operations.renew(this.#inner, this.#stored(key), expiresAt);
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    return operations.increment(this.#inner, this.#stored(key), by, expiresAt);
  }

  update(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Promise<Entry<V> | undefined> {
    return operations.update(this.#inner, this.#stored(key), change);
  }

  remove(key: string, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.remove(this.#stored(key), condition);
  }

  removeMany(keys: readonly string[]): Promise<number> {
    return operations.removeMany(
      this.#inner,
      keys.map((key) => this.#stored(key)),
    );
  }

  async clear(prefix: string): Promise<void> {
    for await (const batch of this.stream({ prefix, limit: operations.PAGE_LIMIT, values: false })) {
      await this.removeMany(batch.map(({ key }) => key));
    }
  }

  async count(prefix: string): Promise<number> {
    let counted = 0;
    for await (const batch of this.stream({ prefix, limit: operations.PAGE_LIMIT, values: false }))
      counted += batch.length;
    return counted;
  }

  async scan(request: ScanRequest): Promise<Page<V>> {
    const { entries, cursor } = await this.#inner.scan({ ...request, prefix: '' });
    return { entries: this.#listed(entries, request.prefix), cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    for await (const batch of operations.stream(this.#inner, { ...request, prefix: '' })) {
      yield this.#listed(batch, request.prefix);
    }
  }

  locate(key: string): string | undefined {
    return this.#inner.locate?.(this.#stored(key));
  }

  sweep(): Awaitable<number> {
    return this.#inner.sweep?.() ?? 0;
  }

  #stored(key: string): string {
    const stored = this.#encode(key);
    checkKey(stored, 'encode of mapKeys', this.#inner.keyLimit ?? MAXIMUM_KEY_BYTES);
    const back = this.#decode === undefined ? key : this.#decode(stored);
    if (back === key) return stored;
    throw new InvalidKeyError(
      `key ${show(key)} would be stored as ${show(stored)}, which is ${show(back)} when it is listed; use a key that leads back to itself`,
      { key },
    );
  }

  #listed(entries: readonly ListedEntry<V>[], prefix: string): ListedEntry<V>[] {
    const listed: ListedEntry<V>[] = [];
    for (const entry of entries) {
      const key = this.#keyOf(entry.key, prefix);
      if (key !== undefined) listed.push({ ...entry, key });
    }
    return listed;
  }

  /** The key of what is stored, if it is one of these. */
  #keyOf(stored: string, prefix: string): string | undefined {
    const key = this.#decode?.(stored);
    return key?.startsWith(prefix) && this.#encode(key) === stored ? key : undefined;
  }
}
