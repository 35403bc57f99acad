import type { Random } from './random.js';

/** Runs calls that wait, one a turn of the event loop, in an order that a seed decides. */
export class Scheduler {
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  add(call: () => void): void {
    this.#waiting.push(call);
    if (this.#waiting.length === 1) setImmediate(() => this.#turn());
  }

  #turn(): void {
    const [call] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
    if (this.#waiting.length > 0) setImmediate(() => this.#turn());
    call?.();
  }
}
