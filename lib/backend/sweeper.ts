/**
 * Calls `sweep` once in a while, as long as there is something that may expire. Its timer never keeps the process alive, and there is none while
 * nothing can expire.
 */
export class Sweeper {
  readonly #every: number | undefined;
  readonly #sweep: () => Promise<boolean>;
  #timer: NodeJS.Timeout | undefined;
  #sweeping = false;
  #stopped = false;

  /**
   * @param every milliseconds between sweeps; `undefined` for no sweeping
   * @param sweep answers whether something is left that may expire
   */
  constructor(every: number | undefined, sweep: () => Promise<boolean>) {
    this.#every = every === undefined ? undefined : Math.min(every, 2 ** 31 - 1);
    this.#sweep = sweep;
  }

  /** Something was stored that will expire. */
  arm(): void {
    if (this.#every === undefined || this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => void this.#run(), this.#every).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    // What is stored while the sweep is under way may be where it has been already, so it has to set the timer again.
    this.#timer = undefined;
    if (this.#sweeping) return this.arm();
    this.#sweeping = true;
    // A sweep that failed is tried again at the next turn; whoever reads the entry is told what is wrong.
    const more = await this.#sweep().catch(() => true);
    this.#sweeping = false;
    if (more) this.arm();
  }
}
