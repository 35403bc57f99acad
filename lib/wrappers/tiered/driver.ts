import type { Capabilities } from '../../backend/capabilities.js';
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
} from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import * as operations from '../../backend/operations.js';
import { InvalidArgumentError, isKeepsakeError, type KeepsakeError } from '../../errors.js';
import { show } from '../../show.js';
import { LEVELLED, shortestLimit, without } from '../delegate.js';
import { Turns } from '../turns.js';
import { Others } from './others.js';
import { Reader } from './reader.js';
import { Reports } from './reports.js';
import type { Tier } from './tier.js';

/** Reads through several tiers, and lets one of them decide on changes. */
export class TieredDriver<V> implements Driver<V> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock;
  readonly keyLimit: number;
  readonly stream?: NonNullable<Driver<V>['stream']>;
  readonly count?: NonNullable<Driver<V>['count']>;
  readonly setAside?: (key: string) => Promise<string | undefined>;
  readonly #reader: Reader<V>;
  /** The tier that decides on changes. */
  readonly #main: Tier<V>;
  readonly #others: Others<V>;
  /** What is listed: later ones only where earlier ones have nothing. */
  readonly #sources: readonly Tier<V>[];
  readonly #tiers: readonly Tier<V>[];
  readonly #turns = new Turns();
  readonly #reports: Reports;

  constructor(tiers: readonly Tier<V>[], main: Tier<V>, report: ((error: KeepsakeError) => void) | undefined) {
    this.#tiers = tiers;
    this.#main = main;
    this.#reports = new Reports(report);
    const readers = tiers.filter(({ readable }) => readable);
    const canonical = main.writable ? readers.indexOf(main) : -1;
    const copies = canonical === -1 ? Math.max(0, readers.length - 1) : canonical;
    this.#sources = readers.slice(copies);
    this.clock = main.driver.clock ?? Date.now;
    this.#reader = new Reader(readers, copies, this.#turns, this.clock, this.#reports);
    const others = tiers.filter((tier) => tier !== main && tier.writable).reverse();
    this.#others = new Others(others, main.name, this.#reports);
    this.capabilities = claims(tiers, main, this.#sources);
    this.name = `tiers ${tiers.map(({ name }) => name).join(', ')}`;
    this.keyLimit = shortestLimit(tiers.map(({ driver }) => driver));
    const [source, ...further] = this.#sources;
    // A listing of several is made of pages, where no key is given twice.
    if (source === undefined || further.length > 0) return;
    this.stream = (request) => operations.stream(source.driver, request);
    this.count = (prefix) => operations.count(source.driver, prefix);
    const { setAside } = main.driver;
    if (setAside !== undefined && source === main) {
      this.setAside = (key) =>
        this.#change([key], async () => {
          const place = await setAside.call(main.driver, key);
          await this.#others.tell([key], (tier) => tier.driver.remove(key, undefined));
          return place;
        });
    }
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#turns.idle();
    for (const tier of this.#tiers) await tier.repaired();
  }

  read(key: string): Awaitable<Entry<V> | undefined> {
    return this.#reader.read(key);
  }

  readMany(keys: readonly string[]): Promise<(Entry<V> | undefined)[]> {
    return this.#reader.readMany(keys);
  }

  /** The entry of the tier that decides on conditions, with its version. */
  async readEntry(key: string): Promise<Entry<V> | undefined> {
    if (this.#sources[0] !== this.#main) return this.read(key);
    const entry = await operations.readEntry(this.#main.driver, key);
    if (entry !== undefined || this.#sources.length === 1) return entry;
    // Whoever changes the key may be waiting for this very read.
    if (this.#turns.busy(key)) return this.#readBehind(key);
    await this.#change([key], () => this.#fetch(key));
    return (await operations.readEntry(this.#main.driver, key)) ?? this.#readBehind(key);
  }

  async #readBehind(key: string): Promise<Entry<V> | undefined> {
    for (const tier of this.#sources.slice(1)) {
      const entry = await tier.driver.read(key);
      if (entry !== undefined) return { value: entry.value, expiresAt: entry.expiresAt };
    }
    return undefined;
  }

  /** Lets the tier that decides know what only those behind it have. */
  async #fetch(key: string): Promise<void> {
    const { driver } = this.#main;
    if (this.#sources.length < 2 || this.#sources[0] !== this.#main || (await driver.read(key)) !== undefined) return;
    const entry = await this.#readBehind(key);
    if (entry !== undefined) await this.#main.promote(key, entry, this.clock());
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Promise<boolean> {
    return this.#change([key], async () => {
      if (condition !== undefined) await this.#fetch(key);
      if (!(await this.#main.driver.write(key, value, expiresAt, condition))) return false;
      await this.#others.tell([key], (tier) => tier.put(key, { value, expiresAt }, this.clock()));
      return true;
    });
  }

  writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    const keys = entries.map(([key]) => key);
    return this.#change(keys, async () => {
      await this.#partly(keys, () => operations.writeMany(this.#main.driver, entries, expiresAt));
      await this.#others.tell(keys, (tier) =>
        operations.writeMany(tier.driver, entries, tier.deadline(expiresAt, this.clock())),
      );
    });
  }

  remove(key: string, condition: Condition | undefined): Promise<boolean> {
    return this.#change([key], async () => {
      if (condition !== undefined) await this.#fetch(key);
      const removed = await this.#main.driver.remove(key, condition);
      if (removed || condition === undefined)
        await this.#others.tell([key], (tier) => tier.driver.remove(key, undefined));
      return removed;
    });
  }

  removeMany(keys: readonly string[]): Promise<number> {
    return this.#change(keys, async () => {
      const removed = await this.#partly(keys, () => operations.removeMany(this.#main.driver, keys));
      await this.#others.tell(keys, (tier) => operations.removeMany(tier.driver, keys));
      return removed;
    });
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return this.#change([key], async () => {
      await this.#fetch(key);
      const touched = await operations.touch(this.#main.driver, key, expiresAt);
      if (touched) await this.#tellAnew(key);
      return touched;
    });
  }

  renew(key: string, expiresAt: number): Promise<Entry<V> | undefined> {
    return this.#change([key], async () => {
      await this.#fetch(key);
      const entry = await operations.renew(this.#main.driver, key, expiresAt);
      if (entry?.expiresAt !== undefined) await this.#others.tell([key], (tier) => tier.put(key, entry, this.clock()));
      return entry;
    });
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    return this.#change([key], async () => {
      await this.#fetch(key);
      const counter = await operations.increment(this.#main.driver, key, by, expiresAt);
      await this.#tellAnew(key);
      return counter;
    });
  }

  update(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Promise<Entry<V> | undefined> {
    return this.#change([key], async () => {
      await this.#fetch(key);
      let changed: Change<V> | undefined;
      const entry = await operations.update(this.#main.driver, key, async (current) => {
        changed = await change(current);
        return changed;
      });
      if (changed !== undefined && entry !== undefined) {
        await this.#others.tell([key], (tier) => tier.put(key, entry, this.clock()));
      }
      return entry;
    });
  }

  clear(prefix: string, everything?: boolean): Promise<void> {
    return this.#turns.runAlone(async () => {
      try {
        if (this.#others.enumerable) {
          await this.#partly(undefined, () => operations.clear(this.#main.driver, prefix, everything));
          await this.#others.tell(undefined, (tier) => operations.clear(tier.driver, prefix, everything));
        } else {
          await this.#clearByKey(prefix);
        }
      } finally {
        this.#reader.outdate(undefined);
      }
    });
  }

  /** For tiers that cannot tell what they hold. */
  async #clearByKey(prefix: string): Promise<void> {
    const { driver } = this.#main;
    for await (const batch of operations.stream(driver, { prefix, limit: operations.PAGE_LIMIT, values: false })) {
      const keys = batch.map(({ key }) => key);
      await this.#partly(keys, () => operations.removeMany(driver, keys));
      await this.#others.tell(keys, (tier) => operations.removeMany(tier.driver, keys));
    }
  }

  async scan(request: ScanRequest): Promise<Page<V>> {
    const [at, cursor] = this.#toPlace(request.cursor);
    const source = this.#sources[at];
    if (source === undefined) return { entries: [] };
    const page = await source.driver.scan({ ...request, cursor });
    const entries = at === 0 ? page.entries : await this.#asInFront(page.entries, at, request.values);
    if (this.#sources.length === 1) return { entries, cursor: page.cursor };
    if (page.cursor !== undefined) return { entries, cursor: `${at}:${page.cursor}` };
    return at + 1 < this.#sources.length ? { entries, cursor: `${at + 1}` } : { entries };
  }

  async sweep(): Promise<number> {
    let swept = 0;
    for (const tier of this.#tiers) {
      try {
        const removed = (await tier.driver.sweep?.()) ?? 0;
        if (tier === this.#main) swept = removed;
      } catch (error) {
        if (tier === this.#main) throw error;
        this.#reports.about(tier, error, 'failed to remove what has expired');
      }
    }
    return swept;
  }

  locate(key: string): string | undefined {
    return this.#main.driver.locate?.(key);
  }

  /** Entries of a source, as the sources before it have them. */
  async #asInFront(
    entries: readonly ListedEntry<V>[],
    at: number,
    values: boolean,
  ): Promise<readonly ListedEntry<V>[]> {
    if (!values) return entries;
    const keys = entries.map(({ key }) => key);
    const listed = new Map(entries.map((entry) => [entry.key, entry]));
    for (const { driver } of this.#sources.slice(0, at)) {
      for (const [index, entry] of (await operations.readMany(driver, keys)).entries()) {
        const key = keys[index] as string;
        if (entry !== undefined) listed.set(key, { key, value: entry.value });
      }
    }
    return [...listed.values()];
  }

  #toPlace(cursor: string | undefined): [at: number, cursor: string | undefined] {
    if (cursor === undefined || this.#sources.length < 2) return [0, cursor];
    const [, number, , rest] = /^([0-9]{1,9})(:(.*))?$/s.exec(cursor) ?? [];
    if (number !== undefined && Number(number) < this.#sources.length) return [Number(number), rest];
    throw new InvalidArgumentError(`page: cursor must be what the page before gave; got ${show(cursor)}`);
  }

  /** Runs a change in its turn, and lets nobody who read before it store what they found. */
  #change<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#turns.run(keys, async () => {
      try {
        return await work();
      } catch (error) {
        // It may have taken effect, or still do.
        if (isKeepsakeError(error, 'KEEPSAKE_TIMEOUT')) await this.#others.forget(keys);
        throw error;
      } finally {
        this.#reader.outdate(keys);
      }
    });
  }

  /** Runs what the deciding tier may have done by half when it fails. */
  async #partly<T>(keys: readonly string[] | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#others.forget(keys);
      throw error;
    }
  }

  /** Tells the other tiers of a change whose outcome is not at hand. */
  async #tellAnew(key: string): Promise<void> {
    if (this.#others.none) return;
    const entry = this.#others.mirrors ? await this.#main.driver.read(key) : undefined;
    await this.#others.tell([key], (tier) =>
      tier.readable || entry === undefined ? tier.driver.remove(key, undefined) : tier.put(key, entry, this.clock()),
    );
  }
}

function claims<V>(tiers: readonly Tier<V>[], main: Tier<V>, sources: readonly Tier<V>[]): Capabilities {
  const { capabilities } = main.driver;
  const decided = main.readable && main.writable ? capabilities : without(capabilities, ...LEVELLED);
  const all = sources.map(({ driver }) => driver.capabilities);
  const [first] = all;
  return Object.freeze({
    ...decided,
    setMany: 'none',
    persistent:
      main.readable && main.writable ? capabilities.persistent : (first?.persistent ?? capabilities.persistent),
    enumerable: all.length > 0 && all.every(({ enumerable }) => enumerable),
    ordered: all.length === 1 && first?.ordered === true,
    watch: false,
    history: false,
    readable: all.length > 0,
    writable: tiers.some(({ writable }) => writable),
  });
}
