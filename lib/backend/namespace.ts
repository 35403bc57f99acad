import type { Capabilities } from './capabilities.js';
import { MAXIMUM_KEY_BYTES } from './checks.js';
import type {
  Awaitable,
  Change,
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  Past,
  ScanRequest,
  WatchRequest,
} from './driver.js';
import type { Clock } from './duration.js';
import * as operations from './operations.js';

/** The part of a driver whose keys start with `prefix`, under keys without it. */
export class NamespaceDriver<V> implements Driver<V> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock | undefined;
  readonly keyLimit: number;
  readonly setAside?: (key: string) => Awaitable<string | undefined>;
  readonly watch?: (request: WatchRequest) => Awaitable<void>;
  readonly past: Past<V> | undefined;
  /** What the keys start with underneath: the namespace's name and a colon. */
  readonly prefix: string;
  readonly #inner: Driver<V>;

  constructor(inner: Driver<V>, prefix: string) {
    this.capabilities = inner.capabilities;
    this.name = `namespace ${prefix} of ${inner.name}`;
    this.clock = inner.clock;
    this.keyLimit = (inner.keyLimit ?? MAXIMUM_KEY_BYTES) - Buffer.byteLength(prefix);
    this.#inner = inner;
    const { setAside, watch, past } = inner;
    this.past = past && {
      asOf: (time) => new NamespaceDriver(past.asOf(time), prefix),
      revisions: (key) => past.revisions(prefix + key),
      compact: (before) => past.compact(before),
    };
    if (setAside !== undefined) this.setAside = (key) => setAside.call(inner, prefix + key);
    if (watch !== undefined) {
      this.watch = (request) =>
        watch.call(inner, {
          ...request,
          prefix: prefix + request.prefix,
          changed: ({ type, key }) => request.changed({ type, key: key.slice(prefix.length) }),
        });
    }
    this.prefix = prefix;
  }

  read(key: string, valueOnly?: boolean): Awaitable<Entry<V> | undefined> {
    return this.#inner.read(this.prefix + key, valueOnly);
  }

  readEntry(key: string): Awaitable<Entry<V> | undefined> {
    return operations.readEntry(this.#inner, this.prefix + key);
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.write(this.prefix + key, value, expiresAt, condition);
  }

  remove(key: string, condition: Condition | undefined): Awaitable<boolean> {
    return this.#inner.remove(this.prefix + key, condition);
  }

  async scan(request: ScanRequest): Promise<Page<V>> {
    const page = await this.#inner.scan({ ...request, ...this.#within(request) });
    return { entries: this.#shorten(page.entries), cursor: page.cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    for await (const batch of operations.stream(this.#inner, { ...request, ...this.#within(request) })) {
      yield this.#shorten(batch);
    }
  }

  readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<V> | undefined)[]> {
    return operations.readMany(this.#inner, this.#lengthen(keys), valueOnly);
  }

  writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    return operations.writeMany(
      this.#inner,
      entries.map(([key, value]) => [this.prefix + key, value] as const),
      expiresAt,
    );
  }

  removeMany(keys: readonly string[]): Promise<number> {
    return operations.removeMany(this.#inner, this.#lengthen(keys));
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return operations.touch(this.#inner, this.prefix + key, expiresAt);
  }

  renew(key: string, expiresAt: number): Promise<Entry<V> | undefined> {
    return operations.renew(this.#inner, this.prefix + key, expiresAt);
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    return operations.increment(this.#inner, this.prefix + key, by, expiresAt);
  }

  update(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Promise<Entry<V> | undefined> {
    return operations.update(this.#inner, this.prefix + key, change);
  }

  clear(prefix: string): Promise<void> {
    return operations.clear(this.#inner, this.prefix + prefix);
  }

  count(prefix: string): Promise<number> {
    return operations.count(this.#inner, this.prefix + prefix);
  }

  sweep(): Awaitable<number> {
    return this.#inner.sweep?.() ?? 0;
  }

  locate(key: string): string | undefined {
    return this.#inner.locate?.(this.prefix + key);
  }

  #within(request: { readonly prefix: string; readonly after?: string | undefined }): {
    prefix: string;
    after?: string;
  } {
    const prefix = this.prefix + request.prefix;
    return request.after === undefined ? { prefix } : { prefix, after: this.prefix + request.after };
  }

  #lengthen(keys: readonly string[]): string[] {
    return keys.map((key) => this.prefix + key);
  }

  #shorten(entries: readonly ListedEntry<V>[]): ListedEntry<V>[] {
    const { length } = this.prefix;
    return entries.map(({ key, value, error }) => ({ key: key.slice(length), value, error }));
  }
}
