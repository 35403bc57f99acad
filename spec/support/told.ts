import { setTimeout } from 'node:timers/promises';
import type { Backend, KeyChange, Watch } from 'keepsake';

/** The longest that a change may take to be told, on a machine that has much else to do. */
const PATIENCE = 60_000;

/** Collects what a watch tells. */
export class Told {
  readonly changes: KeyChange[] = [];
  error: unknown;
  over = false;
  readonly #watch: Watch;
  #wake: () => void = () => undefined;

  private constructor(watch: Watch, onChange: (change: KeyChange) => void) {
    this.#watch = watch;
    void this.#collect(onChange);
  }

  /** Starts to watch. */
  static async by(
    backend: Backend<never> | Backend,
    { prefix = '', onChange = (_: KeyChange): void => undefined } = {},
  ): Promise<Told> {
    const watch = backend.watch({ prefix });
    const told = new Told(watch, onChange);
    await watch.ready();
    return told;
  }

  /** What was told, such as `'set user:ann'`, in order, and forgets it. */
  take(): string[] {
    return this.changes.splice(0).map(({ type, key }) => `${type} ${key}`);
  }

  /** Waits for a change of a key; what was told until then, without it. */
  async before(key: string): Promise<string[]> {
    await this.until(() => this.changes.some((change) => change.key === key));
    return this.take().filter((change) => !change.endsWith(` ${key}`));
  }

  async until(condition: () => boolean): Promise<void> {
    for (const end = Date.now() + PATIENCE; !condition(); ) {
      if (this.error !== undefined && !this.over) throw this.error;
      if (Date.now() > end) throw new Error(`waited in vain; told: ${JSON.stringify(this.changes.slice(-20))}`);
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([woken, setTimeout(100)]);
    }
  }

  async end(): Promise<void> {
    await this.#watch.return();
  }

  async #collect(onChange: (change: KeyChange) => void): Promise<void> {
    try {
      for await (const change of this.#watch) {
        onChange(change);
        this.changes.push(change);
        this.#wake();
      }
    } catch (error) {
      this.error = error;
    }
    this.over = true;
    this.#wake();
  }
}
