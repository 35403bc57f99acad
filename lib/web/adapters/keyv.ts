import { EventEmitter } from 'node:events';
import type { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import { digestOf } from '../digest.js';
import { type BackendSource, Source } from '../source.js';

/** Options of {@link KeyvAdapter}. */
export interface KeyvAdapterOptions<V = unknown> {
  /** A backend, a promise of one, or a function that gives one when it is first needed. */
  readonly backend: BackendSource<V>;
  /** Whether `disconnect` closes the backend; `false` by default, since whoever made it closes it. */
  readonly closesBackend?: boolean | undefined;
}

/** The longest key that is stored as it is, in UTF-8 bytes with the namespace: so that backends within namespaces take it too. */
const LONGEST_KEY = 768;
/** What a digest begins with. */
const DIGEST = '~~';

/** An entry of `setMany`. */
export interface KeyvEntry {
  readonly key: string;
  readonly value: unknown;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

/**
 * A storage adapter of `keyv` over any backend, and so one for all that take a Keyv: `cache-manager`, `cacheable`, `got`.
 *
 * Keys lie under the Keyv's namespace, so that several Keyvs share a backend; each Keyv needs an adapter of its own, since Keyv sets the
 * namespace on it. A key that is long, or is no text that a backend takes, lies under its digest, which the iterator leaves out: `got` makes keys of
 * URLs, and fails where one is refused. Keyv gives text, which is stored as it is; without its serialisation the backend must take the values
 * themselves.
 *
 * Every failure rejects; one of `get` is emitted as `'error'` too, since Keyv takes it for a miss unless it is told `throwOnErrors: true`.
 *
 * @example
 * const keyv = new Keyv({ store: new KeyvAdapter({ backend: redis('redis://localhost') }), namespace: 'pages' });
 */
export class KeyvAdapter extends EventEmitter {
  /** The namespace of the Keyv, which sets it. */
  namespace: string | undefined;
  /** Keyv 5 offers its `iterator` only over engines that it knows by name. */
  readonly opts: { readonly dialect: string; readonly url: string } = { dialect: 'redis', url: '' };
  readonly #source: Source<unknown>;
  readonly #closesBackend: boolean;

  /** @throws InvalidArgumentError for options that are none */
  constructor(options: KeyvAdapterOptions) {
    super();
    checkOptions(options, ['backend', 'closesBackend'], 'KeyvAdapter');
    const { closesBackend = false } = options;
    if (typeof closesBackend !== 'boolean') {
      throw new InvalidArgumentError(`KeyvAdapter: closesBackend must be true or false; got ${show(closesBackend)}`);
    }
    this.#source = new Source(options.backend, 'KeyvAdapter');
    this.#closesBackend = closesBackend;
  }

  /** The value of a key, as text where the backend holds bytes. */
  async get<T>(key: string): Promise<T | undefined> {
    try {
      return toValue<T>(await (await this.#source.get()).get(this.#key(key)));
    } catch (error) {
      // Without a listener this would throw another error in its place.
      if (this.listenerCount('error') > 0) this.emit('error', error);
      throw error;
    }
  }

  /** The values of keys, in the order asked. */
  async getMany<T>(keys: string[]): Promise<(T | undefined)[]> {
    const backend = await this.#source.get();
    return (await backend.getMany(keys.map((key) => this.#key(key)))).map((stored) => toValue<T>(stored));
  }

  /** Stores a value for `ttl` milliseconds, or for good. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const backend = await this.#source.get();
    if (isOver(ttl)) {
      await backend.delete(this.#key(key));
      return true;
    }
    return backend.set(this.#key(key), value, { ttl: ttl ?? null });
  }

  /** Stores many values, those of one ttl at once; `true` for each. */
  async setMany(entries: readonly KeyvEntry[]): Promise<boolean[]> {
    const backend = await this.#source.get();
    const byTtl = new Map<number | undefined, Map<string, unknown>>();
    // Of a key given twice the last counts, whatever its ttl.
    for (const { key, value, ttl } of new Map(entries.map((entry) => [entry.key, entry])).values()) {
      const group = byTtl.get(ttl) ?? new Map();
      byTtl.set(ttl, group.set(this.#key(key), value));
    }
    for (const [ttl, group] of byTtl) {
      if (isOver(ttl)) await backend.deleteMany(group.keys());
      else await backend.setMany(group, { ttl: ttl ?? null });
    }
    return entries.map(() => true);
  }

  /** Removes an entry; whether it was there. */
  async delete(key: string): Promise<boolean> {
    return (await this.#source.get()).delete(this.#key(key));
  }

  /** Removes many entries; whether all were there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    const unwanted = new Set(keys.map((key) => this.#key(key)));
    return (await (await this.#source.get()).deleteMany(unwanted)) === unwanted.size;
  }

  /** Whether there is such an entry. */
  async has(key: string): Promise<boolean> {
    return (await this.#source.get()).has(this.#key(key));
  }

  /** Whether there are such entries, in the order asked. */
  async hasMany(keys: string[]): Promise<boolean[]> {
    const backend = await this.#source.get();
    return Promise.all(keys.map((key) => backend.has(this.#key(key))));
  }

  /** Removes every entry of the namespace, and no others. */
  async clear(): Promise<void> {
    await (await this.#source.get()).clear({ prefix: this.#key('') });
  }

  /** The entries of the namespace, but for those of which only the digest of the key is known. */
  async *iterator<T>(namespace: string | undefined = this.namespace): AsyncGenerator<[string, T | undefined], void> {
    const prefix = prefixOf(namespace);
    for await (const [key, stored] of (await this.#source.get()).entries({ prefix })) {
      const own = key.slice(prefix.length);
      if (!own.startsWith(DIGEST)) yield [own, toValue<T>(stored)];
    }
  }

  /** Closes the backend, with `closesBackend`. */
  async disconnect(): Promise<void> {
    if (this.#closesBackend) await ((await this.#source.get()) as Backend<unknown>).close();
  }

  #key(key: string): string {
    const prefix = prefixOf(this.namespace);
    const plain = key.isWellFormed() && !key.startsWith(DIGEST);
    if (plain && Buffer.byteLength(prefix + key) <= LONGEST_KEY) return prefix + key;
    // A key that looks like a digest is digested, so that none is taken for another.
    return `${prefix}${DIGEST}${digestOf(key)}`;
  }
}

/** No namespace is the beginning of another, since none holds a colon as it is. */
function prefixOf(namespace = ''): string {
  return `${namespace.replaceAll('%', '%25').replaceAll(':', '%3A')}:`;
}

/** Keyv leaves out what is over; 6 hands on what was over from the start. */
function isOver(ttl: number | null | undefined): boolean {
  return ttl != null && ttl <= 0;
}

function toValue<T>(stored: unknown): T | undefined {
  return (
    stored instanceof Uint8Array ? Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString() : stored
  ) as T | undefined;
}
