/** Lets a bounded number through at a time, so that a burst of operations does not use up the open files of the process. */
export class Gate {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Enters; `undefined` where there is room at once. Who has entered must leave. */
  enter(): Promise<void> | undefined {
    if (this.#inside < this.#limit) {
      this.#inside++;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Leaves, and lets the next one in. */
  leave(): void {
    const next = this.#waiting[this.#next];
    if (next === undefined) {
      this.#inside--;
      return;
    }
    this.#next++;
    // Shifting an array of thousands each time costs more than doing so once in a while.
    if (this.#next >= 1024 || this.#next === this.#waiting.length) {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
    }
    next();
  }
}
