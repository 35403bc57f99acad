import type { Backend } from 'keepsake';
import type { Book, Outcome } from './history.js';
import type { Mode } from './modes.js';
import type { Random } from './random.js';

const LANES = 4;

/** How much is to be done. */
export interface Amount {
  /** How many steps, each of which changes one key or some. */
  readonly steps: number;
  readonly now: number;
}

/**
 * Changes keys at random: new keys and old ones, values of 0 to 100 kB, deadlines, deletes, several keys at once, writes of one key that overlap.
 * Four do so side by side, each with keys of its own.
 */
export async function work(backend: Backend, mode: Mode, book: Book, random: Random, amount: Amount): Promise<void> {
  const lanes = Array.from({ length: LANES }, (_, lane) => new Lane(backend, mode, book, random, lane));
  await Promise.all(
    lanes.map(async (lane, index) => {
      for (let step = index; step < amount.steps; step += LANES) await lane.step(amount.now);
    }),
  );
}

class Lane {
  readonly #backend: Backend;
  readonly #mode: Mode;
  readonly #book: Book;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #keys: readonly string[];
  /** What is there for sure. */
  readonly #known = new Map<string, Outcome>();
  #deadlines = 0;

  constructor(backend: Backend, mode: Mode, book: Book, random: Random, lane: number) {
    this.#backend = backend;
    this.#mode = mode;
    this.#book = book;
    this.#random = random;
    this.#prefix = `${lane}${mode.separator}`;
    const inside = ['ann', 'Bob', `deep${mode.separator}er`].map((name) => this.#prefix + name);
    // Too long for the name of a file.
    const long = mode.hasLongKeys ? ['long'.repeat(80) + lane] : [];
    this.#keys = [...inside, `root${lane}`, ...long];
  }

  async step(now: number): Promise<void> {
    const random = this.#random;
    const key = random.pick(this.#keys);
    const known = this.#known.get(key);
    const kind = random.below(100);
    if (kind < 12) await this.#delete(key);
    else if (kind < 20) {
      await Promise.all(
        Array.from({ length: random.between(2, 4) }, () =>
          random.chance(0.75) ? this.#set(key, now) : this.#delete(key),
        ),
      );
      // Who was last is not asked.
      this.#known.delete(key);
    } else if (kind < 30) await this.#setMany();
    else if (kind < 36 && this.#mode.hasDeadlines && known?.value !== undefined) await this.#touch(key, known, now);
    else if (kind < 39) await this.#clear();
    else await this.#set(key, now);
  }

  async #set(key: string, now: number): Promise<void> {
    const expiresAt = this.#mode.hasDeadlines && this.#random.chance(0.3) ? this.#deadline(now) : undefined;
    const outcome = { value: this.#value(), expiresAt };
    const options = expiresAt === undefined ? {} : { expiresAt };
    await this.#change([[key, outcome]], () => this.#backend.set(key, outcome.value, options));
  }

  #delete(key: string): Promise<void> {
    return this.#change([[key, {}]], () => this.#backend.delete(key));
  }

  #setMany(): Promise<void> {
    const entries = this.#keys.filter(() => this.#random.chance(0.6)).map((key) => [key, this.#value()] as const);
    const atomic = this.#mode.isAtomic && this.#random.chance(0.5);
    return this.#change(
      entries.map(([key, value]) => [key, { value }]),
      () => this.#backend.setMany(entries, { atomic }),
      atomic,
    );
  }

  #touch(key: string, { value, expiresAt: before }: Outcome, now: number): Promise<void> {
    // One that moves nothing writes nothing.
    const expiresAt = before !== undefined && this.#random.chance(0.5) ? undefined : this.#deadline(now);
    const ttl = expiresAt === undefined ? null : expiresAt - now;
    return this.#change([[key, { value, expiresAt }]], () => this.#backend.touch(key, ttl));
  }

  #clear(): Promise<void> {
    const keys = this.#keys.filter((key) => key.startsWith(this.#prefix));
    return this.#change(
      keys.map((key) => [key, {}]),
      () => this.#backend.clear({ prefix: this.#prefix }),
    );
  }

  async #change(
    outcomes: readonly (readonly [string, Outcome])[],
    work: () => Promise<unknown>,
    isAtomic = false,
  ): Promise<void> {
    await this.#book.change(outcomes, work, isAtomic);
    for (const [key, outcome] of outcomes) this.#known.set(key, outcome);
  }

  /** Soon, so that the next process finds the entry expired, or much later; never the same. */
  #deadline(now: number): number {
    return now + (this.#random.chance(0.5) ? 10_000 : 10_000_000) + ++this.#deadlines;
  }

  /** Bytes that no other value has. */
  #value(): Uint8Array {
    const random = this.#random;
    const kind = random.below(20);
    const length =
      kind === 0
        ? 0
        : kind < 14
          ? random.between(8, 1000)
          : kind < 18
            ? random.between(1000, 10_000)
            : random.between(10_000, 100_000);
    const seed = new Uint32Array([random.seed(), random.seed(), random.seed(), random.seed()]);
    const bytes = new Uint8Array(length);
    // Never zeros, as of a sector that was not written.
    for (let at = 0; at < length; at++) bytes[at] = 1 + ((((seed[at & 3] ?? 0) >>> (at % 25)) + at * 7) % 255);
    // A value that starts as a header would.
    if (length > 0 && random.chance(0.1)) bytes[0] = 0;
    return bytes;
  }
}
