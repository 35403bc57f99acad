import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { Entry } from '../backend/driver.js';

/** The longest that Node's timers wait. */
const LONGEST = 2 ** 31 - 1;

/** Locks of keys between processes: entries with a deadline, so that a crash holds them for a bounded time only. */
export class Locks {
  readonly #backend: Backend<unknown>;
  readonly #ttl: number;
  readonly #report: (error: unknown, key: string) => void;

  /** @param ttl how long a lock outlives its owner, in milliseconds */
  constructor(backend: Backend<unknown>, ttl: number, report: (error: unknown, key: string) => void) {
    this.#backend = backend;
    this.#ttl = ttl;
    this.#report = report;
  }

  /** Takes a lock; `undefined` where somebody has it. */
  async acquire(place: string): Promise<Lock | undefined> {
    const token = randomUUID();
    const taken = await this.#backend.set(place, token, { ttl: this.#ttl, if: 'absent' });
    return taken ? new Lock(this.#backend, place, token, this.#ttl, this.#report) : undefined;
  }
}

/** A lock that is held, and renewed until it is released. */
export class Lock {
  readonly #backend: Backend<unknown>;
  readonly #place: string;
  readonly #token: string;
  readonly #ttl: number;
  readonly #report: (error: unknown, key: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #released: Promise<void> | undefined;

  constructor(
    backend: Backend<unknown>,
    place: string,
    token: string,
    ttl: number,
    report: (error: unknown, key: string) => void,
  ) {
    this.#backend = backend;
    this.#place = place;
    this.#token = token;
    this.#ttl = ttl;
    this.#report = report;
    this.#schedule();
  }

  /** Gives it back, if it is still this one's; a failure is reported, since the deadline gives it back too. */
  release(): Promise<void> {
    this.#released ??= this.#giveBack();
    return this.#released;
  }

  #schedule(): void {
    this.#timer = setTimeout(
      () => {
        this.#renewing = this.#renew();
      },
      Math.min(this.#ttl / 3, LONGEST),
    ).unref();
  }

  async #renew(): Promise<void> {
    try {
      const entry = await this.#own();
      if (entry === undefined || this.#released !== undefined) return;
      const condition = entry.version === undefined ? 'present' : { version: entry.version };
      await this.#backend.set(this.#place, this.#token, { ttl: this.#ttl, if: condition });
    } catch (error) {
      this.#report(error, this.#place);
    }
    if (this.#released === undefined) this.#schedule();
  }

  async #giveBack(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.#renewing;
      const entry = await this.#own();
      if (entry === undefined) return;
      const conditional = entry.version !== undefined && this.#backend.capabilities.conditionalDelete !== 'none';
      await this.#backend.delete(this.#place, conditional ? { if: { version: entry.version as string } } : undefined);
    } catch (error) {
      this.#report(error, this.#place);
    }
  }

  async #own(): Promise<Entry<unknown> | undefined> {
    const entry = await this.#backend.getEntry(this.#place);
    const value = entry?.value;
    const token = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
    return token === this.#token ? entry : undefined;
  }
}
