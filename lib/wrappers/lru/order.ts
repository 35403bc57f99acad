import type { Driver } from '../../backend/driver.js';
import { CorruptDataError, isKeepsakeError, type KeepsakeError } from '../../errors.js';
import { RESERVED } from './names.js';

/** Keeps the order of keys between runs, in one entry. Losing it costs no data, so that a failure is only reported. */
export class Order {
  readonly #driver: Driver<unknown>;
  readonly #every: number | undefined;
  readonly #keys: () => Iterable<string>;
  readonly #report: (error: KeepsakeError) => void;
  #timer: NodeJS.Timeout | undefined;
  #isSaved = true;
  #saving: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * @param every milliseconds between two saves; `undefined` to save only in the end
   * @param keys gives what to save
   */
  constructor(
    driver: Driver<unknown>,
    every: number | undefined,
    keys: () => Iterable<string>,
    report: (error: KeepsakeError) => void,
  ) {
    this.#driver = driver;
    this.#every = every === undefined ? undefined : Math.min(every, 2 ** 31 - 1);
    this.#keys = keys;
    this.#report = report;
  }

  /** The order that was saved last; none where it cannot be understood. */
  async load(): Promise<readonly string[]> {
    try {
      const entry = await this.#driver.read(RESERVED);
      return entry === undefined ? [] : this.#parse(entry.value);
    } catch (error) {
      if (!isKeepsakeError(error, 'KEEPSAKE_CORRUPT_DATA')) throw error;
      this.#report(
        new CorruptDataError(`lru: the order of keys is lost: ${error.message}`, { key: RESERVED, cause: error }),
      );
      return [];
    }
  }

  /** The order is another one than was saved. */
  changed(): void {
    this.#isSaved = false;
    if (this.#every === undefined || this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.save();
    }, this.#every).unref();
  }

  /** Runs `work` while nothing is being saved. */
  async apart<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#saving;
    const working = before.then(work);
    this.#saving = working.catch(() => undefined);
    return working;
  }

  async save(): Promise<void> {
    if (this.#isSaved) return;
    this.#isSaved = true;
    try {
      await this.apart(async () => this.#driver.write(RESERVED, this.#format(), undefined, undefined));
    } catch (error) {
      this.#isSaved = false;
      const message = `lru: the order of keys was not saved: ${error instanceof Error ? error.message : String(error)}`;
      this.#report(new CorruptDataError(message, { key: RESERVED, cause: error }));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.save();
    await this.#saving;
  }

  #format(): unknown {
    const keys = [...this.#keys()];
    return this.#driver.capabilities.values === 'bytes' ? Buffer.from(JSON.stringify(keys)) : keys;
  }

  #parse(stored: unknown): readonly string[] {
    let keys = stored;
    try {
      if (stored instanceof Uint8Array) keys = JSON.parse(Buffer.from(stored).toString());
    } catch (error) {
      throw new CorruptDataError('it is no JSON', { cause: error });
    }
    if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
    throw new CorruptDataError('it is no list of keys');
  }
}
