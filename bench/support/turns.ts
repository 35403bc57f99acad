/** Measures for how long each turn of the event loop lasts, from its making until `stop`. */
export class Turns {
  readonly #turns: number[] = [];
  #last = performance.now();
  #running = true;

  constructor() {
    const turn = (): void => {
      const now = performance.now();
      this.#turns.push(now - this.#last);
      this.#last = now;
      if (this.#running) setImmediate(turn);
    };
    setImmediate(turn);
  }

  /** How many turns held up the others by half a millisecond or more, and how long a part of them lasted at most, in milliseconds. */
  stop(): { readonly count: number; quantile(part: number): number } {
    this.#running = false;
    const turns = this.#turns.filter((length) => length >= 0.5).sort((a, b) => a - b);
    return {
      count: turns.length,
      quantile: (part) => turns[Math.min(turns.length - 1, Math.floor(turns.length * part))] ?? 0,
    };
  }
}
