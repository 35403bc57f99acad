import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { InvalidArgumentError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { warn } from '../callback.js';
import { type BackendSource, Source } from '../source.js';

/** Options of {@link unstorageDriver}. */
export interface UnstorageDriverOptions<V = unknown> {
  /** A backend, a promise of one, or a function that gives one when it is first needed. */
  readonly backend: BackendSource<V>;
  /** How many **seconds** items live of which the call does not say, as everywhere in unstorage; for good by default. */
  readonly ttl?: number | undefined;
  /** Whether `dispose` closes the backend; `false` by default, since whoever made it closes it. */
  readonly closesBackend?: boolean | undefined;
  /** Told of a watch that failed; emits a process warning by default. */
  readonly report?: ((error: unknown) => void) | undefined;
}

/** Options of one call. */
export interface UnstorageCallOptions {
  /** How many **seconds** the item lives. */
  readonly ttl?: number | undefined;
  readonly [name: string]: unknown;
}

/** What unstorage calls a value. */
export type UnstorageValue = null | string | number | boolean | object;

/** What a driver tells of an item. */
export type UnstorageMeta = {
  /** The **seconds** that are left; absent for an item that stays. */
  ttl?: number;
};

/** A driver as unstorage wants it. */
export interface UnstorageDriver {
  readonly name: string;
  readonly options: UnstorageDriverOptions;
  readonly flags: { readonly ttl: boolean };
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<UnstorageValue>;
  getItems(items: readonly { readonly key: string }[]): Promise<{ key: string; value: UnstorageValue }[]>;
  getItemRaw(key: string): Promise<unknown>;
  setItem(key: string, value: string, options?: UnstorageCallOptions): Promise<void>;
  setItems(
    items: readonly { readonly key: string; readonly value: string; readonly options?: UnstorageCallOptions }[],
    options?: UnstorageCallOptions,
  ): Promise<void>;
  setItemRaw(key: string, value: unknown, options?: UnstorageCallOptions): Promise<void>;
  removeItem(key: string): Promise<void>;
  getKeys(base?: string): Promise<string[]>;
  getMeta(key: string): Promise<UnstorageMeta | null>;
  clear(base?: string): Promise<void>;
  dispose(): Promise<void>;
  watch(callback: (event: 'update' | 'remove', key: string) => unknown): Promise<() => void>;
}

/**
 * A driver of `unstorage` over any backend, and so one for Nitro's and Nuxt's `useStorage`. Items are stored as the text that unstorage makes of
 * them, raw ones as they are.
 *
 * - Times are seconds here, as everywhere in unstorage; a missing item is `null`.
 * - A base ends at a colon: `users` is `users:1`, and neither `users` nor `users2:1`.
 * - `watch` tells of what others change where the backend can (`capabilities.watch`), and of what is changed through this driver.
 *
 * @example
 * const storage = createStorage({ driver: unstorageDriver({ backend: files('./data') }) });
 * @throws InvalidArgumentError for options that are none
 * @throws OutOfRangeError for a `ttl` that is not positive
 */
export function unstorageDriver(options: UnstorageDriverOptions): UnstorageDriver {
  checkOptions(options, ['backend', 'ttl', 'closesBackend', 'report'], 'unstorageDriver');
  const { closesBackend = false, report = warn } = options;
  if (typeof closesBackend !== 'boolean') {
    throw new InvalidArgumentError(`unstorageDriver: closesBackend must be true or false; got ${show(closesBackend)}`);
  }
  if (typeof report !== 'function') {
    throw new InvalidArgumentError(`unstorageDriver: report must be a function; got ${show(report)}`);
  }
  const source = new Source<unknown>(options.backend, 'unstorageDriver');
  toLength(options.ttl);
  const ttlOf = (call: UnstorageCallOptions | undefined): Duration | null => toLength(call?.ttl ?? options.ttl);
  const watchers = new Watchers(source, report);

  // unstorage calls these without their object.
  return {
    name: 'keepsake',
    options,
    flags: { ttl: true },
    hasItem: async (key) => (await source.get()).has(key),
    getItem: async (key) => toItem(await (await source.get()).get(key)),
    getItems: async (items) => {
      const keys = items.map(({ key }) => key);
      const found = await (await source.get()).getMany(keys);
      return keys.map((key, index) => ({ key, value: toItem(found[index]) }));
    },
    getItemRaw: async (key) => (await (await source.get()).get(key)) ?? null,
    setItem: async (key, value, call) => {
      await (await source.get()).set(key, value, { ttl: ttlOf(call) });
      watchers.tell('update', key);
    },
    setItems: async (items, common) => {
      const backend = await source.get();
      const byTtl = new Map<Duration | null, Map<string, string>>();
      // Of a key given twice the last counts, whatever its ttl.
      for (const { key, value, options: own } of new Map(items.map((item) => [item.key, item])).values()) {
        const ttl = ttlOf({ ...common, ...own });
        byTtl.set(ttl, (byTtl.get(ttl) ?? new Map<string, string>()).set(key, value));
      }
      for (const [ttl, group] of byTtl) {
        await backend.setMany(group, { ttl });
        for (const key of group.keys()) watchers.tell('update', key);
      }
    },
    setItemRaw: async (key, value, call) => {
      await (await source.get()).set(key, toRaw(value), { ttl: ttlOf(call) });
      watchers.tell('update', key);
    },
    removeItem: async (key) => {
      if (await (await source.get()).delete(key)) watchers.tell('remove', key);
    },
    getKeys: async (base) => {
      const keys: string[] = [];
      for await (const key of (await source.get()).keys({ prefix: toPrefix(base) })) keys.push(key);
      return keys;
    },
    getMeta: async (key) => {
      const backend = await source.get();
      const entry = await backend.getEntry(key);
      if (entry === undefined) return null;
      if (entry.expiresAt === undefined) return {};
      const left = entry.expiresAt - (backend.driver.clock ?? Date.now)();
      return { ttl: Math.max(0, left) / 1000 };
    },
    clear: async (base) => {
      const backend = await source.get();
      const prefix = toPrefix(base);
      const cleared: string[] = [];
      if (watchers.any) for await (const key of backend.keys({ prefix })) cleared.push(key);
      await backend.clear({ prefix });
      for (const key of cleared) watchers.tell('remove', key);
    },
    dispose: async () => {
      await watchers.stop();
      if (closesBackend) await (await source.get()).close();
    },
    watch: (callback) => watchers.add(callback),
  };
}

type WatchCallback = (event: 'update' | 'remove', key: string) => unknown;

/** Those who watch through one driver: told of its own changes by itself, and of others' by the backend. */
class Watchers {
  readonly #source: Source<unknown>;
  readonly #report: (error: unknown) => void;
  readonly #watching = new Map<WatchCallback, AbortController>();

  constructor(source: Source<unknown>, report: (error: unknown) => void) {
    this.#source = source;
    this.#report = report;
  }

  /** Whether anybody watches. */
  get any(): boolean {
    return this.#watching.size > 0;
  }

  tell(event: 'update' | 'remove', key: string): void {
    for (const callback of this.#watching.keys()) callback(event, key);
  }

  /** Resolves once changes are seen. */
  async add(given: WatchCallback): Promise<() => void> {
    const backend = await this.#source.get();
    const end = new AbortController();
    const callback: WatchCallback = (event, key) => given(event, key);
    if (backend.capabilities.watch) {
      const changes = backend.watch({ signal: end.signal });
      await changes.ready();
      void this.#follow(changes, callback, end.signal);
    }
    this.#watching.set(callback, end);
    return () => {
      this.#watching.delete(callback);
      end.abort();
    };
  }

  async #follow(
    changes: AsyncIterable<{ readonly type: 'set' | 'delete'; readonly key: string }>,
    callback: WatchCallback,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const { type, key } of changes) callback(type === 'set' ? 'update' : 'remove', key);
    } catch (error) {
      if (!signal.aborted) this.#report(error);
    }
  }

  async stop(): Promise<void> {
    for (const end of this.#watching.values()) end.abort();
    this.#watching.clear();
  }
}

/** The milliseconds of so many seconds; `null` for ever. */
function toLength(seconds: unknown): number | null {
  if (seconds === undefined || seconds === null) return null;
  if (typeof seconds === 'number' && seconds > 0) return toMilliseconds(seconds * 1000, 'ttl');
  throw new OutOfRangeError(`unstorageDriver: ttl must be a positive number of seconds; got ${show(seconds)}`);
}

function toItem(stored: unknown): UnstorageValue {
  if (stored === undefined) return null;
  if (!(stored instanceof Uint8Array)) return stored as UnstorageValue;
  return Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString();
}

/** Bytes of every kind as `Uint8Array`. */
function toRaw(value: unknown): unknown {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value;
}

function toPrefix(base: string | undefined): string {
  return base === undefined || base === '' || base.endsWith(':') ? (base ?? '') : `${base}:`;
}
