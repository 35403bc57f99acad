/** Readers of one key that began while nothing changed it. */
export interface Readers {
  count: number;
  /** Whether the key was changed since they began. */
  outdated: boolean;
}

/** Tells those who read a key whether it was changed meanwhile. Holds only keys that are being read. */
export class Reading {
  readonly #readers = new Map<string, Readers>();

  begin(key: string): Readers {
    let readers = this.#readers.get(key);
    if (readers === undefined) {
      readers = { count: 0, outdated: false };
      this.#readers.set(key, readers);
    }
    readers.count++;
    return readers;
  }

  end(key: string, readers: Readers): void {
    if (--readers.count === 0 && this.#readers.get(key) === readers) this.#readers.delete(key);
  }

  /** The key was changed. */
  outdate(key: string): void {
    const readers = this.#readers.get(key);
    if (readers === undefined) return;
    readers.outdated = true;
    this.#readers.delete(key);
  }

  /** Any key may have been changed. */
  outdateAll(): void {
    for (const readers of this.#readers.values()) readers.outdated = true;
    this.#readers.clear();
  }
}
