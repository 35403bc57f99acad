/** What is known of a stored key. Never changed, so that it can be told whether a key was stored again. */
export interface Known {
  /** The deadline in milliseconds since 1970, where it is known. */
  readonly expiresAt: number | undefined;
}

/** The stored keys, from the one that was used longest ago to the one used last. */
export class Recency {
  readonly #keys = new Map<string, Known>();
  /** No known deadline is earlier. */
  #earliest = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#keys.size;
  }

  get(key: string): Known | undefined {
    return this.#keys.get(key);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** All keys, those used longest ago first. */
  keys(): IterableIterator<string> {
    return this.#keys.keys();
  }

  /** The key was stored, just now. */
  store(key: string, expiresAt: number | undefined): void {
    this.#keys.delete(key);
    this.#keys.set(key, { expiresAt });
    if (expiresAt !== undefined && expiresAt < this.#earliest) this.#earliest = expiresAt;
  }

  /** The key was read, just now; whether it was known. */
  use(key: string): boolean {
    const known = this.#keys.get(key);
    if (known === undefined) return false;
    this.#keys.delete(key);
    this.#keys.set(key, known);
    return true;
  }

  forget(key: string): boolean {
    return this.#keys.delete(key);
  }

  /** The keys are there after all, and were used before all others. */
  putBack(keys: readonly string[]): void {
    const others = [...this.#keys];
    this.#keys.clear();
    for (const key of keys) this.#keys.set(key, { expiresAt: undefined });
    for (const [key, known] of others) this.#keys.set(key, known);
  }

  /** What makes room for others: all that has expired, or else so many of those used longest ago, without those that `keeps` says. */
  victims(count: number, now: number, keeps: (key: string) => boolean): string[] {
    const expired = this.#earliest <= now ? this.#expired(now, keeps) : [];
    if (expired.length > 0) return expired;
    const oldest: string[] = [];
    for (const key of this.#keys.keys()) {
      if (oldest.length >= count) break;
      if (!keeps(key)) oldest.push(key);
    }
    return oldest;
  }

  #expired(now: number, keeps: (key: string) => boolean): string[] {
    const expired: string[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (const [key, { expiresAt = Number.POSITIVE_INFINITY }] of this.#keys) {
      if (expiresAt <= now && !keeps(key)) expired.push(key);
      else earliest = Math.min(earliest, expiresAt);
    }
    this.#earliest = earliest;
    return expired;
  }
}
