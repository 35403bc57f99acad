import type { Backend } from '../backend/backend.js';
import type { Capabilities } from '../backend/capabilities.js';
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
import type { Clock } from '../backend/duration.js';
import * as operations from '../backend/operations.js';
import type { BackendOptions } from '../backend/options.js';
import { type Codec, chain } from '../codecs/codec.js';
import { CorruptDataError, DecryptError, EncodeError, isKeepsakeError, type KeepsakeError } from '../errors.js';
import { show } from '../show.js';
import { over } from './delegate.js';

/**
 * A backend of values over another, which holds bytes unless the codec makes something else.
 *
 * Bytes that the codec cannot decode make `get` reject with a `CorruptDataError` that says where they are; listings leave such an
 * entry out and report it, see `onCorrupt`. They are never changed. So with a `DecryptError`, whose entry is not moved aside either.
 * Closing it closes the backend underneath.
 *
 * @example
 * const scores = encoded(files('./scores', { extension: '.json' }), json<{ points: number }>());
 */
export function encoded<T, S = Uint8Array>(
  backend: Backend<S>,
  codec: Codec<T, S>,
  options: BackendOptions = {},
): Backend<T> {
  return over(backend, new EncodedDriver(backend.driver, codec), options);
}

class EncodedDriver<T, S> implements Driver<T> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock | undefined;
  readonly keyLimit: number | undefined;
  readonly setAside?: (key: string) => Awaitable<string | undefined>;
  readonly watch?: (request: WatchRequest) => Awaitable<void>;
  readonly #inner: Driver<S>;
  readonly #codec: Codec<T, S>;

  constructor(inner: Driver<S>, codec: Codec<T, S>) {
    this.capabilities = Object.freeze({ ...inner.capabilities, values: 'objects' as const });
    this.name = `${codec.name} in ${inner.name}`;
    this.clock = inner.clock;
    this.keyLimit = inner.keyLimit;
    this.#inner = inner;
    const { setAside, watch } = inner;
    if (setAside !== undefined) this.setAside = (key) => setAside.call(inner, key);
    if (watch !== undefined) this.watch = (request) => watch.call(inner, request);
    this.#codec = codec;
  }

  read(key: string, valueOnly?: boolean): Awaitable<Entry<T> | undefined> {
    const reading = this.#inner.read(key, valueOnly);
    return reading instanceof Promise ? reading.then((entry) => this.#decode(key, entry)) : this.#decode(key, reading);
  }

  async readEntry(key: string): Promise<Entry<T> | undefined> {
    return this.#decode(key, await operations.readEntry(this.#inner, key));
  }

  write(key: string, value: T, expiresAt: number | undefined, condition: Condition | undefined): Awaitable<boolean> {
    const encoding = this.#encode(key, value);
    if (!(encoding instanceof Promise)) return this.#inner.write(key, encoding, expiresAt, condition);
    return encoding.then((stored) => this.#inner.write(key, stored, expiresAt, condition));
  }

  remove(key: string, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.remove(key, condition);
  }

  async scan(request: ScanRequest): Promise<Page<T>> {
    const page = await this.#inner.scan(request);
    return { entries: await this.#decodeListed(page.entries), cursor: page.cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<T>[]> {
    for await (const batch of operations.stream(this.#inner, request)) yield await this.#decodeListed(batch);
  }

  async readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<T> | undefined)[]> {
    const entries = await operations.readMany(this.#inner, keys, valueOnly);
    return eachInTurn(entries, (entry, index) => this.#decode(keys[index] as string, entry));
  }

  async writeMany(entries: readonly (readonly [string, T])[], expiresAt: number | undefined): Promise<void> {
    const written = await eachInTurn(entries, ([key, value]) =>
      chain(this.#encode(key, value), (stored) => [key, stored] as const),
    );
    await operations.writeMany(this.#inner, written, expiresAt);
  }

  removeMany(keys: readonly string[]): Promise<number> {
    return operations.removeMany(this.#inner, keys);
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return operations.touch(this.#inner, key, expiresAt);
  }

  async renew(key: string, expiresAt: number): Promise<Entry<T> | undefined> {
    return this.#decode(key, await operations.renew(this.#inner, key, expiresAt));
  }

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    if (!this.#codec.decimalIntegers) {
      let sum = 0;
      const stored = await this.update(key, (entry) => {
        sum = operations.addToCounter(entry === undefined ? 0 : entry.value, by, key);
        return { value: sum as T, expiresAt: entry === undefined ? expiresAt : entry.expiresAt };
      });
      return { value: sum, expiresAt: stored?.expiresAt };
    }
    if (this.#inner.capabilities.values === 'bytes') return operations.increment(this.#inner, key, by, expiresAt);
    // An engine of objects would count in numbers, which the codec could not decode.
    let sum = 0;
    const stored = await operations.update(this.#inner, key, (entry) => {
      sum = operations.addToCounter(entry === undefined ? 0 : entry.value, by, key);
      const value = Buffer.from(String(sum)) as S;
      return { value, expiresAt: entry === undefined ? expiresAt : entry.expiresAt };
    });
    return { value: sum, expiresAt: stored?.expiresAt };
  }

  async update(
    key: string,
    change: (current: Entry<T> | undefined) => Awaitable<Change<T> | undefined>,
  ): Promise<Entry<T> | undefined> {
    const stored = await operations.update(this.#inner, key, async (current) => {
      const changed = await change(await this.#decode(key, current));
      return changed && { value: await this.#encode(key, changed.value), expiresAt: changed.expiresAt };
    });
    return this.#decode(key, stored);
  }

  clear(prefix: string, everything?: boolean): Promise<void> {
    return operations.clear(this.#inner, prefix, everything);
  }

  count(prefix: string): Promise<number> {
    return operations.count(this.#inner, prefix);
  }

  sweep(): Awaitable<number> {
    return this.#inner.sweep?.() ?? 0;
  }

  locate(key: string): string | undefined {
    return this.#inner.locate?.(key);
  }

  #encode(key: string, value: T): Awaitable<S> {
    try {
      const encoding = this.#codec.encode(value, key);
      return encoding instanceof Promise ? encoding.catch((error) => this.#refuse(key, error)) : encoding;
    } catch (error) {
      return this.#refuse(key, error);
    }
  }

  #refuse(key: string, error: unknown): never {
    throw error instanceof EncodeError || !isKeepsakeError(error) ? explain(error, key, this.#codec.name) : error;
  }

  #decode(key: string, entry: Entry<S> | undefined): Awaitable<Entry<T> | undefined> {
    if (entry === undefined) return undefined;
    const value = this.#decodeValue(key, entry.value);
    return value instanceof Promise
      ? value.then((decoded) => new DecodedEntry(decoded, entry))
      : new DecodedEntry(value, entry);
  }

  #decodeValue(key: string, stored: S): Awaitable<T> {
    try {
      const decoding = this.#codec.decode(stored, key);
      return decoding instanceof Promise
        ? decoding.catch((error) => {
            throw this.#unreadable(key, error);
          })
        : decoding;
    } catch (error) {
      throw this.#unreadable(key, error);
    }
  }

  #unreadable(key: string, error: unknown): KeepsakeError {
    if (isKeepsakeError(error, 'KEEPSAKE_UNSUPPORTED')) return error as KeepsakeError;
    const path = this.locate(key);
    const place = path ?? show(key);
    const why = error instanceof Error ? error.message : String(error);
    if (isKeepsakeError(error, 'KEEPSAKE_DECRYPT')) {
      return new DecryptError(`${place} cannot be decrypted: ${why}. It is left as it is`, { key, path, cause: error });
    }
    return new CorruptDataError(
      `${place} cannot be read as ${this.#codec.name}: ${why}. It is left as it is: mend it, or delete it`,
      { key, path, cause: error },
    );
  }

  #decodeListed(entries: readonly ListedEntry<S>[]): Promise<ListedEntry<T>[]> {
    return eachInTurn(entries, ({ key, value, error }): Awaitable<ListedEntry<T>> => {
      if (value === undefined) return { key, error };
      try {
        const decoding = this.#decodeValue(key, value);
        if (!(decoding instanceof Promise)) return { key, value: decoding };
        return decoding.then(
          (decoded) => ({ key, value: decoded }),
          (failure) => leftOut(key, failure),
        );
      } catch (failure) {
        return leftOut(key, failure);
      }
    });
  }
}

/** A listed entry that cannot be read. What is no fault of the entry fails the listing. */
function leftOut(key: string, error: unknown): { readonly key: string; readonly error: KeepsakeError } {
  if (error instanceof CorruptDataError || error instanceof DecryptError) return { key, error };
  throw error;
}

/** What `work` gives for each item, one after another, so that a page of large values is not worked on all at once. */
async function eachInTurn<A, B>(items: readonly A[], work: (item: A, index: number) => Awaitable<B>): Promise<B[]> {
  const made = new Array<B>(items.length);
  for (let index = 0; index < items.length; index++) {
    const working = work(items[index] as A, index);
    made[index] = working instanceof Promise ? await working : working;
  }
  return made;
}

/** Keeps the version of the entry underneath, which may cost something to tell, until somebody asks. */
class DecodedEntry<T> implements Entry<T> {
  readonly value: T;
  readonly #stored: Entry<unknown>;

  constructor(value: T, stored: Entry<unknown>) {
    this.value = value;
    this.#stored = stored;
  }

  get expiresAt(): number | undefined {
    return this.#stored.expiresAt;
  }

  get version(): string | undefined {
    return this.#stored.version;
  }
}

function explain(error: unknown, key: string, codec: string): EncodeError {
  if (error instanceof EncodeError) {
    error.key ??= key;
    return error;
  }
  const why = error instanceof Error ? error.message : String(error);
  return new EncodeError(`${show(key)} cannot be written as ${codec}: ${why}`, { key, cause: error });
}
