import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Backend } from '../backend/backend.js';
import type { Capabilities } from '../backend/capabilities.js';
import { checkOptions } from '../backend/checks.js';
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
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { shared, shortestLimit } from './delegate.js';
import { complete } from './members.js';

/** Shards by their names: an object, a `Map`, or pairs of name and backend. */
export type Shards<V> = { readonly [name: string]: Backend<V> } | Iterable<readonly [string, Backend<V>]>;

/**
 * Spreads keys over several backends. Which one has a key depends on the key and the names of the shards alone, not on their order, by rendezvous hashing
 * (Thaler and Ravishankar): a shard that is added to n others takes 1/(n + 1) of the keys of each, and no key moves between the others.
 *
 * What is stored does not move by itself. When shards are added, copy entries over; until then keys that moved are missing, and what lies in the
 * wrong shard is hidden.
 *
 * A shard that fails fails its own keys only: `setMany` and `deleteMany` still reach the others before they reject, while listings reject. Give the
 * shards one clock. Each keeps its own `timeout`; the other defaults (`ttl`, `onCorrupt`, `report`) are those that the shards agree on.
 *
 * @example
 * const pages = sharded({ one: files('/mnt/one/pages'), two: files('/mnt/two/pages') });
 * @throws InvalidArgumentError for no shards, a name given twice, backends of bytes beside such of objects, and shards whose defaults differ where
 * `options` do not decide
 */
export function sharded<V>(shards: Shards<V>, options: BackendOptions = {}): Backend<V> {
  checkOptions(options, BACKEND_OPTIONS, 'sharded');
  const named = toPairs(shards);
  const backends = named.map(([, backend]) => backend);
  const drivers = complete(backends, 'sharded');
  const members = named.map(([name], index) => new Shard(name, drivers[index] as Driver<V>));
  const driver = new ShardedDriver(members);
  const over = backends as unknown as Backend<never>[];
  return new Backend(driver, { ...agreed(named, options), ...options }, { over, opensInner: false });
}

function toPairs<V>(shards: Shards<V>): (readonly [string, Backend<V>])[] {
  if (typeof shards !== 'object' || shards === null) {
    throw new InvalidArgumentError(`sharded: shards must be an object, a Map or pairs; got ${show(shards)}`);
  }
  const pairs = Symbol.iterator in shards ? [...shards] : Object.entries(shards);
  const names = new Set<string>();
  for (const pair of pairs as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new InvalidArgumentError(`sharded: a shard must be a pair [name, backend]; got ${show(pair)}`);
    }
    const [name, backend] = pair as [unknown, unknown];
    if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
      throw new InvalidArgumentError(`sharded: a name must be well-formed text and not empty; got ${show(name)}`);
    }
    if (names.has(name)) throw new InvalidArgumentError(`sharded: there are two shards ${show(name)}`);
    if (!(backend instanceof Backend)) {
      throw new InvalidArgumentError(`sharded: shard ${show(name)} must be a Backend; got ${show(backend)}`);
    }
    names.add(name);
  }
  return pairs;
}

/** The defaults that all shards have in common. */
function agreed<V>(shards: readonly (readonly [string, Backend<V>])[], options: BackendOptions): BackendOptions {
  const common: { [name: string]: unknown } = {};
  const [first, ...others] = shards;
  for (const name of ['ttl', 'onCorrupt', 'report'] as const) {
    if (options[name] !== undefined) continue;
    const value = first?.[1].options[name];
    const other = others.find(([, backend]) => backend.options[name] !== value);
    if (other === undefined) {
      common[name] = value;
      continue;
    }
    const differing = [first, other].map((pair) => `${show(pair?.[1].options[name])} in ${show(pair?.[0])}`).join(', ');
    throw new InvalidArgumentError(`sharded: ${name} differs: ${differing}; give ${name} to sharded`);
  }
  return common as BackendOptions;
}

class Shard<V> {
  readonly name: string;
  readonly driver: Driver<V>;
  /** Where the shards lie is part of what is stored: neither this nor `rank` may ever change. */
  readonly #seed: number;

  constructor(name: string, driver: Driver<V>) {
    this.name = name;
    this.driver = driver;
    this.#seed = createHash('sha256').update(name).digest().readInt32LE();
  }

  /** The shard that ranks highest for the digest of a key has the key: the finaliser of MurmurHash3 (Appleby) over both. */
  rank(digest: number): number {
    let mixed = digest ^ this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  }
}

class ShardedDriver<V> implements Driver<V> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock | undefined;
  readonly keyLimit: number;
  readonly setAside?: (key: string) => Awaitable<string | undefined>;
  readonly watch?: (request: WatchRequest) => Promise<void>;
  /** In the order of their names, so that a listing is the same however they were declared. */
  readonly #shards: readonly Shard<V>[];

  constructor(shards: readonly Shard<V>[]) {
    this.#shards = [...shards].sort((a, b) => (a.name < b.name ? -1 : 1));
    const drivers = this.#shards.map(({ driver }) => driver);
    this.capabilities = Object.freeze({
      ...shared(drivers),
      watch: drivers.every((driver) => driver.capabilities.watch),
    });
    this.name = `shards ${this.#shards.map(({ name, driver }) => `${name} (${driver.name})`).join(', ')}`;
    this.clock = drivers[0]?.clock;
    this.keyLimit = shortestLimit(drivers);
    if (drivers.every((driver) => driver.setAside !== undefined)) {
      this.setAside = (key) => this.#of(key).driver.setAside?.(key);
    }
    if (this.capabilities.watch) this.watch = (request) => this.#watch(request);
  }

  read(key: string, valueOnly?: boolean): Awaitable<Entry<V> | undefined> {
    return this.#of(key).driver.read(key, valueOnly);
  }

  readEntry(key: string): Awaitable<Entry<V> | undefined> {
    return operations.readEntry(this.#of(key).driver, key);
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Awaitable<boolean> {
    return this.#of(key).driver.write(key, value, expiresAt, condition);
  }

  remove(key: string, condition: Condition | undefined): Awaitable<boolean> {
    return this.#of(key).driver.remove(key, condition);
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return operations.touch(this.#of(key).driver, key, expiresAt);
  }

  renew(key: string, expiresAt: number): Promise<Entry<V> | undefined> {
    return operations.renew(this.#of(key).driver, key, expiresAt);
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    return operations.increment(this.#of(key).driver, key, by, expiresAt);
  }

  update(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Promise<Entry<V> | undefined> {
    return operations.update(this.#of(key).driver, key, change);
  }

  async readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<V> | undefined)[]> {
    const places = this.#grouped(keys.keys(), (index) => keys[index] as string);
    const entries = new Array<Entry<V> | undefined>(keys.length);
    await together([...places], async ([{ driver }, indexes]) => {
      const wanted = indexes.map((index) => keys[index] as string);
      const found = await operations.readMany(driver, wanted, valueOnly);
      for (const [at, index] of indexes.entries()) entries[index] = found[at];
    });
    return entries;
  }

  async writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    await together([...this.#grouped(entries, ([key]) => key)], ([{ driver }, own]) =>
      operations.writeMany(driver, own, expiresAt),
    );
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    return sum(
      await together([...this.#grouped(keys, (key) => key)], ([{ driver }, own]) => operations.removeMany(driver, own)),
    );
  }

  async scan(request: ScanRequest): Promise<Page<V>> {
    const [at, cursor] = this.#toPlace(request.cursor);
    const shard = this.#shards[at] as Shard<V>;
    const page = await shard.driver.scan({ ...request, cursor });
    const entries = page.entries.filter(({ key }) => this.#of(key) === shard);
    if (page.cursor !== undefined) return { entries, cursor: `${encodeURIComponent(shard.name)}:${page.cursor}` };
    const next = this.#shards[at + 1];
    return next === undefined ? { entries } : { entries, cursor: encodeURIComponent(next.name) };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    for (const shard of this.#shards) {
      for await (const batch of operations.stream(shard.driver, request)) {
        yield batch.filter(({ key }) => this.#of(key) === shard);
      }
    }
  }

  async clear(prefix: string, everything?: boolean): Promise<void> {
    await together(this.#shards, ({ driver }) => operations.clear(driver, prefix, everything));
  }

  async sweep(): Promise<number> {
    return sum(await together(this.#shards, async ({ driver }) => driver.sweep?.() ?? 0));
  }

  locate(key: string): string | undefined {
    return this.#of(key).driver.locate?.(key);
  }

  /** Whichever shard ends it ends it for all: the backend tells the others so. */
  async #watch(request: WatchRequest): Promise<void> {
    await together(this.#shards, async (shard) => {
      const changed: WatchRequest['changed'] = (change) => {
        if (this.#of(change.key) === shard) request.changed(change);
      };
      await shard.driver.watch?.({ ...request, changed });
    });
  }

  #of(key: string): Shard<V> {
    const digest = crc32(key) | 0;
    let best = this.#shards[0] as Shard<V>;
    let highest = best.rank(digest);
    for (let at = 1; at < this.#shards.length; at++) {
      const shard = this.#shards[at] as Shard<V>;
      const rank = shard.rank(digest);
      // Of equals the first name has it.
      if (rank <= highest) continue;
      best = shard;
      highest = rank;
    }
    return best;
  }

  #grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<Shard<V>, T[]> {
    const groups = new Map<Shard<V>, T[]>();
    for (const item of items) {
      const shard = this.#of(keyOf(item));
      const group = groups.get(shard);
      if (group === undefined) groups.set(shard, [item]);
      else group.push(item);
    }
    return groups;
  }

  /** The shard that a cursor names, and the cursor there. */
  #toPlace(cursor: string | undefined): [at: number, cursor: string | undefined] {
    if (cursor === undefined) return [0, undefined];
    const end = cursor.indexOf(':');
    const name = end === -1 ? cursor : cursor.slice(0, end);
    const at = this.#shards.findIndex((shard) => encodeURIComponent(shard.name) === name);
    if (at === -1) {
      throw new InvalidArgumentError(`page: cursor must be what the page before gave; got ${show(cursor)}`);
    }
    return [at, end === -1 ? undefined : cursor.slice(end + 1)];
  }
}

/** Runs all side by side and waits for all, also where one fails; the first failure is thrown then. */
async function together<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const ended = await Promise.allSettled(items.map(work));
  return ended.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
