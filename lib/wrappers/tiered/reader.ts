import type { Awaitable, Entry } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import * as operations from '../../backend/operations.js';
import { show } from '../../show.js';
import type { Turns } from '../turns.js';
import { Reading } from './reading.js';
import type { Reports } from './reports.js';
import type { Tier } from './tier.js';

/** How many promotions of one call run at a time. */
const AT_ONCE = 32;

/** Reads from the first tier that has an entry, and stores it in those before. */
export class Reader<V> {
  readonly #readers: readonly Tier<V>[];
  readonly #copies: number;
  readonly #turns: Turns;
  readonly #clock: Clock;
  readonly #reports: Reports;
  readonly #reading = new Reading();
  #closing = false;

  /**
   * @param readers in the order in which they are asked
   * @param copies how many of them stand before those whose answer counts
   * @param turns of those who change a key
   */
  constructor(readers: readonly Tier<V>[], copies: number, turns: Turns, clock: Clock, reports: Reports) {
    this.#readers = readers;
    this.#copies = copies;
    this.#turns = turns;
    this.#clock = clock;
    this.#reports = reports;
  }

  /** Those who read any of the keys now may not store what they found; `undefined` for any key. */
  outdate(keys: readonly string[] | undefined): void {
    if (keys === undefined) this.#reading.outdateAll();
    else for (const key of keys) this.#reading.outdate(key);
  }

  /** Stores nothing from now on, and passes nothing over. */
  close(): void {
    this.#closing = true;
  }

  read(key: string): Awaitable<Entry<V> | undefined> {
    const direct = this.#readers[0]?.direct;
    if (direct === undefined) return this.#walk(key, 0, new Set());
    // A hit in the first tier must cost next to nothing: no promise, no closure, no object.
    let reading: Awaitable<Entry<V> | undefined>;
    try {
      reading = direct.read(key);
    } catch (error) {
      reading = Promise.reject(error);
    }
    if (reading !== undefined && !(reading instanceof Promise)) return reading;
    return this.#goOn(key, reading);
  }

  async #goOn(key: string, reading: Awaitable<Entry<V> | undefined>): Promise<Entry<V> | undefined> {
    const failed = new Set<Tier<V>>();
    try {
      const entry = await reading;
      if (entry !== undefined) return entry;
    } catch (error) {
      this.#passOver(0, error, failed, key);
    }
    return this.#walk(key, 1, failed);
  }

  /** Asks the readers in turn, beginning with the one at `from`, and stores what is found in those before. */
  async #walk(key: string, from: number, failed: Set<Tier<V>>): Promise<Entry<V> | undefined> {
    const readers = this.#reading.begin(key);
    try {
      for (let at = from; at < this.#readers.length; at++) {
        const tier = this.#readers[at] as Tier<V>;
        if (this.#isInDoubt(tier, key)) continue;
        let entry: Entry<V> | undefined;
        try {
          entry = await tier.driver.read(key);
        } catch (error) {
          this.#passOver(at, error, failed, key);
        }
        if (entry === undefined) continue;
        if (!readers.outdated) await this.#promote(key, entry, this.#missing(at, failed));
        return entry;
      }
      return undefined;
    } finally {
      this.#reading.end(key, readers);
    }
  }

  async readMany(keys: readonly string[]): Promise<(Entry<V> | undefined)[]> {
    const wanted = [...new Set(keys)];
    const found = new Map<string, Entry<V>>();
    const failed = new Set<Tier<V>>();
    const reading = new Map(wanted.map((key) => [key, this.#reading.begin(key)]));
    try {
      for (const [at, tier] of this.#readers.entries()) {
        const missing = wanted.filter((key) => !found.has(key) && !this.#isInDoubt(tier, key));
        if (missing.length === 0) continue;
        let entries: readonly (Entry<V> | undefined)[] = [];
        try {
          entries = await operations.readMany(tier.driver, missing);
        } catch (error) {
          this.#passOver(at, error, failed);
        }
        const before = this.#missing(at, failed);
        await operations.eachOf(
          missing,
          async (key, index) => {
            const entry = entries[index];
            if (entry === undefined) return;
            found.set(key, entry);
            if (!reading.get(key)?.outdated) await this.#promote(key, entry, before);
          },
          AT_ONCE,
        );
      }
    } finally {
      for (const [key, readers] of reading) this.#reading.end(key, readers);
    }
    return keys.map((key) => found.get(key));
  }

  /** The tiers before the reader at `at` that should have had what it has. */
  #missing(at: number, failed: ReadonlySet<Tier<V>>): Tier<V>[] {
    return this.#readers.slice(0, at).filter((tier) => tier.writable && !failed.has(tier));
  }

  /** Stores what a reader found, if nobody is about to change it. A change that comes now waits for it. */
  async #promote(key: string, entry: Entry<V>, tiers: readonly Tier<V>[]): Promise<void> {
    if (tiers.length === 0 || this.#closing || this.#turns.busy(key)) return;
    if (entry.expiresAt !== undefined && entry.expiresAt <= this.#clock()) return;
    await this.#turns.run([key], async () => {
      for (const tier of tiers.toReversed()) {
        if (!tier.trusts(key)) continue;
        try {
          await tier.promote(key, entry, this.#clock());
        } catch (error) {
          this.#reports.about(tier, error, `did not take a copy of ${show(key)}`);
        }
      }
    });
  }

  #isInDoubt(tier: Tier<V>, key: string): boolean {
    if (tier.sound) return false;
    tier.repair(this.#clock(), (error) => this.#reports.about(tier, error, 'still may hold what is outdated'));
    return !tier.trusts(key);
  }

  /** A copy that cannot be read is passed over; the failure of a tier whose answer counts is the caller's. */
  #passOver(at: number, error: unknown, failed: Set<Tier<V>>, key?: string): void {
    if (at >= this.#copies || this.#closing) throw error;
    const tier = this.#readers[at] as Tier<V>;
    failed.add(tier);
    this.#reports.about(tier, error, `failed to read${key === undefined ? '' : ` ${show(key)}`} and was passed over`);
  }
}
