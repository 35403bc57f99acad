import type { Capabilities } from '../../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
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
import { Turns } from '../turns.js';
import { ESCAPE_BYTES, fromStored, RESERVED, toStored } from './names.js';
import type { Order } from './order.js';
import type { Known, Recency } from './recency.js';
import { Room } from './room.js';

/** What an {@link LruDriver} is made of. */
export interface LruParts {
  readonly max: number;
  readonly recency: Recency;
  readonly order: Order;
  /** Whether the order is kept elsewhere, so that no key is reserved. */
  readonly apart: boolean;
}

/** How many entries are written in one step. */
const BATCH = 1000;
const ALL = { limit: operations.PAGE_LIMIT, values: false } as const;

/** Removes what was used longest ago before it stores something new. */
export class LruDriver<V> implements Driver<V> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock;
  readonly keyLimit: number;
  readonly setAside?: (key: string) => Promise<string | undefined>;
  readonly #inner: Driver<V>;
  readonly #max: number;
  readonly #recency: Recency;
  readonly #order: Order;
  readonly #room: Room;
  readonly #batches = new Turns();
  readonly #stored: (key: string) => string;
  readonly #key: (stored: string) => string | undefined;

  constructor(inner: Driver<V>, { max, recency, order, apart }: LruParts) {
    this.#inner = inner;
    this.#max = max;
    this.#recency = recency;
    this.#order = order;
    // Nobody else may change what is underneath, so there is nothing to tell of.
    this.capabilities = Object.freeze({ ...inner.capabilities, watch: false });
    this.name = `at most ${max} of ${inner.name}`;
    this.clock = inner.clock ?? Date.now;
    this.keyLimit = (inner.keyLimit ?? MAXIMUM_KEY_BYTES) - (apart ? 0 : ESCAPE_BYTES);
    this.#stored = apart ? (key) => key : toStored;
    this.#key = apart ? (stored) => stored : fromStored;
    this.#room = new Room(recency, max, (keys) => operations.removeMany(inner, keys), this.clock);
    const { setAside } = inner;
    if (setAside !== undefined) {
      this.setAside = (key) =>
        this.#work(key, async (stored) => {
          const place = await setAside.call(inner, stored);
          if (this.#recency.forget(stored)) this.#order.changed();
          return place;
        });
    }
  }

  async open(): Promise<void> {
    const saved = await this.#order.load();
    // What has expired is not listed, and would be there beside the others.
    await this.#inner.sweep?.();
    const there = new Set<string>();
    for await (const batch of operations.stream(this.#inner, { prefix: '', ...ALL })) {
      for (const { key } of batch) if (this.#key(key) !== undefined) there.add(key);
    }
    for (const key of [...this.#recency.keys()]) this.#recency.forget(key);
    for (const key of saved) if (there.delete(key)) this.#recency.store(key, undefined);
    for (const key of there) this.#recency.store(key, undefined);
    await this.#room.make(0);
  }

  async close(): Promise<void> {
    await this.#room.idle();
    await this.#order.close();
  }

  read(key: string): Awaitable<Entry<V> | undefined> {
    const stored = this.#stored(key);
    const known = this.#recency.get(stored);
    const reading = this.#inner.read(stored);
    if (reading instanceof Promise) return reading.then((entry) => this.#wasRead(stored, known, entry));
    return this.#wasRead(stored, known, reading);
  }

  async readEntry(key: string): Promise<Entry<V> | undefined> {
    const stored = this.#stored(key);
    const known = this.#recency.get(stored);
    return this.#wasRead(stored, known, await operations.readEntry(this.#inner, stored));
  }

  async readMany(keys: readonly string[]): Promise<(Entry<V> | undefined)[]> {
    const stored = keys.map((key) => this.#stored(key));
    const known = stored.map((key) => this.#recency.get(key));
    const entries = await operations.readMany(this.#inner, stored);
    return entries.map((entry, index) => this.#wasRead(stored[index] as string, known[index], entry));
  }

  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Promise<boolean> {
    return this.#work(key, async (stored) => {
      const write = async (): Promise<boolean> => this.#inner.write(stored, value, expiresAt, condition);
      const creates = condition === undefined || condition === 'absent';
      const applied = await (creates ? this.#inRoom(stored, write) : write());
      if (applied) this.#wasStored(stored, expiresAt);
      return applied;
    });
  }

  /** Entry by entry those that are there, then those that are new; several of which are one step. */
  async writeMany(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    const stored = entries.map(([key, value]) => [this.#stored(key), value] as const);
    const size = Math.min(BATCH, this.#max);
    for (let from = 0; from < stored.length; from += size)
      await this.#writeBatch(stored.slice(from, from + size), expiresAt);
  }

  #writeBatch(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Promise<void> {
    const keys = entries.map(([key]) => key);
    // Two that hold some keys and wait for the room of others would wait for each other.
    return this.#batches.run([''], () =>
      this.#room.work(keys, async () => {
        const places = keys.filter((key) => !this.#recency.has(key)).length;
        await this.#room.make(places);
        try {
          await operations.writeMany(this.#inner, entries, expiresAt);
        } catch (error) {
          await this.#lookFor(keys);
          this.#room.filled(places);
          throw error;
        }
        for (const key of keys) this.#wasStored(key, expiresAt);
        this.#room.filled(places);
      }),
    );
  }

  remove(key: string, condition: Condition | undefined): Promise<boolean> {
    return this.#work(key, async (stored) => {
      const removed = await this.#inner.remove(stored, condition);
      if ((removed || condition === undefined) && this.#recency.forget(stored)) this.#order.changed();
      return removed;
    });
  }

  removeMany(keys: readonly string[]): Promise<number> {
    const stored = keys.map((key) => this.#stored(key));
    return this.#room.work(stored, async () => {
      const removed = await operations.removeMany(this.#inner, stored);
      for (const key of stored) this.#recency.forget(key);
      this.#order.changed();
      return removed;
    });
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return this.#work(key, async (stored) => {
      const touched = await operations.touch(this.#inner, stored, expiresAt);
      if (touched) this.#wasStored(stored, expiresAt);
      return touched;
    });
  }

  renew(key: string, expiresAt: number): Promise<Entry<V> | undefined> {
    return this.#work(key, async (stored) => {
      const entry = await operations.renew(this.#inner, stored, expiresAt);
      if (entry !== undefined) this.#wasStored(stored, entry.expiresAt);
      return entry;
    });
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    return this.#work(key, async (stored) => {
      const increment = (): Promise<Counter> => operations.increment(this.#inner, stored, by, expiresAt);
      const counter = await this.#inRoom(stored, increment);
      this.#wasStored(stored, counter.expiresAt);
      return counter;
    });
  }

  update(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Promise<Entry<V> | undefined> {
    return this.#work(key, async (stored) => {
      let places = 0;
      try {
        const entry = await operations.update(this.#inner, stored, async (current) => {
          const changed = await change(current);
          if (changed === undefined || places > 0 || this.#recency.has(stored)) return changed;
          await this.#room.make(1);
          places = 1;
          return changed;
        });
        if (entry !== undefined) this.#wasStored(stored, entry.expiresAt);
        return entry;
      } catch (error) {
        if (places > 0) await this.#lookFor([stored]);
        throw error;
      } finally {
        this.#room.filled(places);
      }
    });
  }

  clear(prefix: string): Promise<void> {
    return this.#room.workAlone(async () => {
      await this.#order.apart(() => operations.clear(this.#inner, this.#stored(prefix)));
      for (const stored of [...this.#recency.keys()]) {
        if (this.#key(stored)?.startsWith(prefix)) this.#recency.forget(stored);
      }
      this.#order.changed();
    });
  }

  async count(prefix: string): Promise<number> {
    if (!this.#covers(prefix)) return operations.count(this.#inner, this.#stored(prefix));
    return this.#order.apart(async () => {
      const [counted, own] = await Promise.all([operations.count(this.#inner, prefix), this.#inner.read(RESERVED)]);
      return own === undefined ? counted : counted - 1;
    });
  }

  async scan(request: ScanRequest): Promise<Page<V>> {
    const page = await this.#inner.scan(this.#toStoredRequest(request));
    return { entries: this.#listed(page.entries), cursor: page.cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    for await (const batch of operations.stream(this.#inner, this.#toStoredRequest(request))) yield this.#listed(batch);
  }

  sweep(): Awaitable<number> {
    return this.#inner.sweep?.() ?? 0;
  }

  locate(key: string): string | undefined {
    return this.#inner.locate?.(this.#stored(key));
  }

  #work<T>(key: string, work: (stored: string) => Promise<T>): Promise<T> {
    const stored = this.#stored(key);
    return this.#room.work([stored], () => work(stored));
  }

  /** Runs what may create an entry, after making room for it. */
  async #inRoom<T>(stored: string, work: () => Promise<T>): Promise<T> {
    if (this.#recency.has(stored)) return work();
    await this.#room.make(1);
    try {
      const answer = await work();
      // A condition that was not met means that it is there.
      if (answer === false) await this.#lookFor([stored]);
      else this.#recency.store(stored, undefined);
      return answer;
    } catch (error) {
      await this.#lookFor([stored]);
      throw error;
    } finally {
      this.#room.filled(1);
    }
  }

  /** After a failure, finds out which entries are there. What cannot be found out counts as there. */
  async #lookFor(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const isThere = await Promise.resolve()
        .then(() => this.#inner.read(key))
        .then(
          (entry) => entry !== undefined,
          () => true,
        );
      if (!isThere) this.#recency.forget(key);
      else if (!this.#recency.has(key)) this.#recency.store(key, undefined);
    }
    this.#order.changed();
  }

  #wasStored(stored: string, expiresAt: number | undefined): void {
    this.#recency.store(stored, expiresAt);
    this.#order.changed();
  }

  #wasRead(stored: string, known: Known | undefined, entry: Entry<V> | undefined): Entry<V> | undefined {
    if (entry !== undefined) {
      if (this.#recency.use(stored)) this.#order.changed();
    } else if (known !== undefined && this.#recency.get(stored) === known && !this.#room.isActive(stored)) {
      // It has expired, and was not stored again meanwhile.
      this.#recency.forget(stored);
      this.#order.changed();
    }
    return entry;
  }

  /** Whether what is listed for a prefix includes the entry of the order. */
  #covers(prefix: string): boolean {
    return this.#key(RESERVED) === undefined && RESERVED.startsWith(prefix) && this.#stored(prefix) === prefix;
  }

  #toStoredRequest<R extends Omit<ScanRequest, 'cursor'>>(request: R): R {
    const prefix = this.#stored(request.prefix);
    return request.after === undefined
      ? { ...request, prefix }
      : { ...request, prefix, after: this.#stored(request.after) };
  }

  #listed(entries: readonly ListedEntry<V>[]): ListedEntry<V>[] {
    const listed: ListedEntry<V>[] = [];
    for (const entry of entries) {
      const key = this.#key(entry.key);
      if (key !== undefined) listed.push(key === entry.key ? entry : { ...entry, key });
    }
    return listed;
  }
}
