import type { Clock } from '../../backend/duration.js';
import { Turns } from '../turns.js';
import type { Recency } from './recency.js';

/** Keeps the number of stored entries at or below a limit: a place is free before it is filled. */
export class Room {
  readonly #recency: Recency;
  readonly #max: number;
  readonly #remove: (keys: readonly string[]) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  /** The keys that somebody works on right now; none of them can make room. */
  readonly #active = new Map<string, number>();
  /** The keys that are being removed to make room; who wants to work on one waits for that. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  /** Places that are free, or becoming so, for those who have asked. */
  #promised = 0;
  #wake: (() => void) | undefined;
  #waking: Promise<void> | undefined;

  /** @param remove takes stored keys out of the storage */
  constructor(recency: Recency, max: number, remove: (keys: readonly string[]) => Promise<unknown>, clock: Clock) {
    this.#recency = recency;
    this.#max = max;
    this.#remove = remove;
    this.#clock = clock;
  }

  /** Whether somebody works on the key right now. */
  isActive(key: string): boolean {
    return this.#active.has(key);
  }

  /** Works on keys when all that came before for any of them has ended. */
  work<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#turns.run(keys, async () => {
      await this.#left(keys);
      for (const key of keys) this.#active.set(key, (this.#active.get(key) ?? 0) + 1);
      try {
        return await work();
      } finally {
        for (const key of keys) this.#rest(key);
        this.#tell();
      }
    });
  }

  /** Works on all keys when all that came before has ended. */
  workAlone<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.runAlone(work);
  }

  /** Waits until nobody works. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  /**
   * Frees so many places, and holds them until they are given back by {@link filled}. Nobody who calls this may work on more keys than `max`, nor two on several
   * keys at once: then somebody always has keys that can make room.
   * @throws what `remove` rejects with; nothing is held then
   */
  async make(places: number): Promise<void> {
    for (;;) {
      const lacking = this.#recency.size + this.#promised + places - this.#max;
      if (lacking <= 0) {
        this.#promised += places;
        return;
      }
      const victims = this.#recency.victims(lacking, this.#clock(), (key) => this.#active.has(key));
      if (victims.length === 0) await this.#next();
      else await this.#evict(victims);
    }
  }

  /** Gives back places that {@link make} held, when what was to fill them is known to {@link Recency}, or will not come. */
  filled(places: number): void {
    this.#promised -= places;
    this.#tell();
  }

  async #evict(victims: readonly string[]): Promise<void> {
    for (const key of victims) this.#recency.forget(key);
    // Until they are gone their places are not free.
    this.#promised += victims.length;
    const removing = this.#remove(victims);
    const left = removing.catch(() => undefined);
    for (const key of victims) this.#leaving.set(key, left);
    try {
      await removing;
    } catch (error) {
      this.#recency.putBack(victims);
      throw error;
    } finally {
      this.#promised -= victims.length;
      for (const key of victims) this.#leaving.delete(key);
      this.#tell();
    }
  }

  /** Waits until none of the keys is being removed. */
  async #left(keys: readonly string[]): Promise<void> {
    for (;;) {
      const leaving = keys.map((key) => this.#leaving.get(key)).filter((one) => one !== undefined);
      if (leaving.length === 0) return;
      await Promise.all(leaving);
    }
  }

  #rest(key: string): void {
    const times = Number(this.#active.get(key)) - 1;
    if (times === 0) this.#active.delete(key);
    else this.#active.set(key, times);
  }

  /** Waits for the next moment at which there may be room. */
  #next(): Promise<void> {
    this.#waking ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#waking;
  }

  #tell(): void {
    this.#wake?.();
    this.#wake = undefined;
    this.#waking = undefined;
  }
}
