import type { Backend } from '../../backend/backend.js';
import type { Driver, Entry } from '../../backend/driver.js';
import * as operations from '../../backend/operations.js';

/** What becomes of a write that a tier did not take: `'throw'`: it rejects; `'bypass'`: it resolves. */
export type OnFailure = 'throw' | 'bypass';

/** What is known of a tier beside its backend. */
export interface TierSettings {
  /** Milliseconds that a copy lives at most. */
  readonly maxTtl: number | undefined;
  /** Milliseconds that a copy lives of what never expires. */
  readonly ttl: number | undefined;
  readonly onFailure: OnFailure;
}

/** Of more keys than this it is not told apart which the tier may hold wrongly. */
const MOST_DOUBTS = 10_000;
/** Milliseconds between two attempts to put a tier right. */
const REPAIR_EVERY = 1000;

/**
 * One of the backends of `tiered`, and which of its entries are in doubt: those that it may hold otherwise than the tiers behind it, since it could not be
 * told of a change. Such are not read until they have been removed.
 */
export class Tier<V> {
  readonly name: string;
  readonly driver: Driver<V>;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly onFailure: OnFailure;
  readonly #backend: Backend<V>;
  readonly #settings: TierSettings;
  /** The keys in doubt, each with a number that tells a doubt from a later one. */
  readonly #doubts = new Map<string, number>();
  #doubtsAll = false;
  #lastDoubt = 0;
  #isSound = true;
  #repairing: Promise<void> | undefined;
  #repairAt = Number.NEGATIVE_INFINITY;

  constructor(backend: Backend<V>, driver: Driver<V>, settings: TierSettings) {
    this.name = backend.name;
    this.driver = driver;
    this.readable = backend.capabilities.readable;
    this.writable = backend.capabilities.writable;
    this.onFailure = settings.onFailure;
    this.#backend = backend;
    this.#settings = settings;
    this.#direct = backend.options.timeout === undefined ? backend.driver : undefined;
  }

  readonly #direct: Driver<V> | undefined;

  /** Its driver, past what opens and bounds it, while there is nothing to open or bound and no entry is in doubt. */
  get direct(): Driver<V> | undefined {
    return this.#isSound && this.#backend.ready ? this.#direct : undefined;
  }

  /** Whether no entry is in doubt. */
  get sound(): boolean {
    return this.#isSound;
  }

  /** Whether it may be asked for the key. */
  trusts(key: string): boolean {
    return this.#isSound || (!this.#doubtsAll && !this.#doubts.has(key));
  }

  /** The tier may hold something else for these keys, or for any. */
  doubt(keys: readonly string[] | undefined): void {
    this.#lastDoubt++;
    this.#isSound = false;
    if (keys !== undefined) for (const key of keys) this.#doubts.set(key, this.#lastDoubt);
    if (keys !== undefined && this.#doubts.size <= MOST_DOUBTS) return;
    this.#doubtsAll = true;
    this.#doubts.clear();
  }

  /** The tier holds what it should for these keys. */
  settle(keys: readonly string[]): void {
    if (this.#isSound) return;
    for (const key of keys) this.#doubts.delete(key);
    this.#isSound = !this.#doubtsAll && this.#doubts.size === 0;
  }

  /** Removes, in the background and not too often, what is in doubt. */
  repair(now: number, failed: (error: unknown) => void): void {
    if (this.#isSound || this.#repairing !== undefined || now < this.#repairAt) return;
    this.#repairAt = now + REPAIR_EVERY;
    this.#repairing = this.#removeDoubts()
      .catch(failed)
      .finally(() => {
        this.#repairing = undefined;
      });
  }

  /** Waits for a repair that is under way. */
  async repaired(): Promise<void> {
    await this.#repairing;
  }

  async #removeDoubts(): Promise<void> {
    const before = this.#lastDoubt;
    if (this.#doubtsAll) {
      // Without a list of its keys the tier cannot be emptied, and stays in doubt.
      if (!this.driver.capabilities.enumerable) return;
      await operations.clear(this.driver, '');
      if (this.#lastDoubt !== before) return;
      this.#doubtsAll = false;
    }
    const keys = [...this.#doubts.keys()];
    if (keys.length > 0) await operations.removeMany(this.driver, keys);
    this.settle(keys.filter((key) => Number(this.#doubts.get(key)) <= before));
  }

  /** When a copy of an entry expires here: with the entry at the latest. */
  deadline(expiresAt: number | undefined, now: number): number | undefined {
    const { maxTtl, ttl } = this.#settings;
    const length = Math.min(
      maxTtl ?? Number.POSITIVE_INFINITY,
      (expiresAt === undefined ? ttl : undefined) ?? Number.POSITIVE_INFINITY,
    );
    if (length === Number.POSITIVE_INFINITY) return expiresAt;
    return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, Math.ceil(now + length));
  }

  /** Stores a copy in place of what is there. */
  async put(key: string, entry: Entry<V>, now: number): Promise<void> {
    if (await this.driver.write(key, entry.value, this.deadline(entry.expiresAt, now), undefined)) return;
    throw new Error('the write was not applied');
  }

  /** Stores a copy of what a reader found further back, unless there is something by now, as far as the tier can tell. */
  async promote(key: string, entry: Entry<V>, now: number): Promise<void> {
    const condition = this.driver.capabilities.conditionalSet === 'none' ? undefined : 'absent';
    await this.driver.write(key, entry.value, this.deadline(entry.expiresAt, now), condition);
  }
}
