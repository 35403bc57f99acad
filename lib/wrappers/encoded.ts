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
} from '../backend/driver.js';
import type { Clock } from '../backend/duration.js';
import * as operations from '../backend/operations.js';
import type { BackendOptions } from '../backend/options.js';
import type { Codec } from '../codecs/codec.js';
import { CorruptDataError, EncodeError, isKeepsakeError } from '../errors.js';
import { show } from '../show.js';
import { over } from './delegate.js';

/**
 * A backend of values over another, which holds bytes unless the codec makes something else.
 *
 * Bytes that the codec cannot decode make `get` reject with a `CorruptDataError` that says where they are; listings leave such an
 * entry out and report it, see `onCorrupt`. They are never changed.
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
  readonly #inner: Driver<S>;
  readonly #codec: Codec<T, S>;

  constructor(inner: Driver<S>, codec: Codec<T, S>) {
    this.capabilities = Object.freeze({ ...inner.capabilities, values: 'objects' as const });
    this.name = `${codec.name} in ${inner.name}`;
    this.clock = inner.clock;
    this.keyLimit = inner.keyLimit;
    this.#inner = inner;
    const { setAside } = inner;
    if (setAside !== undefined) this.setAside = (key) => setAside.call(inner, key);
    this.#codec = codec;
  }

  async read(key: string): Promise<Entry<T> | undefined> {
    return this.#decode(key, await this.#inner.read(key));
  }

  async readEntry(key: string): Promise<Entry<T> | undefined> {
    return this.#decode(key, await operations.readEntry(this.#inner, key));
  }

  async write(
    key: string,
    value: T,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    return this.#inner.write(key, this.#encode(key, value), expiresAt, condition);
  }

  remove(key: string, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.remove(key, condition);
  }

  async scan(request: ScanRequest): Promise<Page<T>> {
    const page = await this.#inner.scan(request);
    return { entries: this.#decodeListed(page.entries), cursor: page.cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<T>[]> {
    for await (const batch of operations.stream(this.#inner, request)) yield this.#decodeListed(batch);
  }

  async readMany(keys: readonly string[]): Promise<(Entry<T> | undefined)[]> {
    const entries = await operations.readMany(this.#inner, keys);
    return entries.map((entry, index) => this.#decode(keys[index] as string, entry));
  }

  async writeMany(entries: readonly (readonly [string, T])[], expiresAt: number | undefined): Promise<void> {
    const written = entries.map(([key, value]) => [key, this.#encode(key, value)] as const);
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
    // An engine of objects counts in numbers, which the codec could not decode.
    if (this.#codec.decimalIntegers && this.#inner.capabilities.values === 'bytes') {
      return operations.increment(this.#inner, key, by, expiresAt);
    }
    let sum = 0;
    const stored = await this.update(key, (entry) => {
      sum = operations.addToCounter(entry === undefined ? 0 : entry.value, by, key);
      return { value: sum as T, expiresAt: entry === undefined ? expiresAt : entry.expiresAt };
    });
    return { value: sum, expiresAt: stored?.expiresAt };
  }

  async update(
    key: string,
    change: (current: Entry<T> | undefined) => Awaitable<Change<T> | undefined>,
  ): Promise<Entry<T> | undefined> {
    const stored = await operations.update(this.#inner, key, async (current) => {
      const changed = await change(this.#decode(key, current));
      return changed && { value: this.#encode(key, changed.value), expiresAt: changed.expiresAt };
    });
    return this.#decode(key, stored);
  }

  clear(prefix: string): Promise<void> {
    return operations.clear(this.#inner, prefix);
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

  #encode(key: string, value: T): S {
    try {
      return this.#codec.encode(value);
    } catch (error) {
      if (error instanceof EncodeError || !isKeepsakeError(error)) throw explain(error, key, this.#codec.name);
      throw error;
    }
  }

  #decode(key: string, entry: Entry<S> | undefined): Entry<T> | undefined {
    if (entry === undefined) return undefined;
    return new DecodedEntry(this.#decodeValue(key, entry.value), entry);
  }

  #decodeValue(key: string, stored: S): T {
    try {
      return this.#codec.decode(stored);
    } catch (error) {
      const path = this.locate(key);
      const why = error instanceof Error ? error.message : String(error);
      throw new CorruptDataError(
        `${path ?? show(key)} cannot be read as ${this.#codec.name}: ${why}. It is left as it is: mend it, or delete it`,
        { key, path, cause: error },
      );
    }
  }

  #decodeListed(entries: readonly ListedEntry<S>[]): ListedEntry<T>[] {
    return entries.map(({ key, value, error }) => {
      if (value === undefined) return { key, error };
      try {
        return { key, value: this.#decodeValue(key, value) };
      } catch (corrupt) {
        return { key, error: corrupt as CorruptDataError };
      }
    });
  }
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
