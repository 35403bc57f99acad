/**
 * Lets what changes a key take turns with all else that changes it, in the order in which it came. Holds only keys that are being worked on.
 */
export class Turns {
  /** The end of the last turn that each key has been promised to. */
  readonly #last = new Map<string, Promise<void>>();
  /** The end of the last turn that all keys have been promised to. */
  #alone: Promise<void> | undefined;
  #release: (() => void) | undefined;
  #released: Promise<void> | undefined;

  /** Whether somebody has, or waits for, a turn at the key. */
  busy(key: string): boolean {
    return this.#alone !== undefined || this.#last.has(key);
  }

  /**
   * Runs `work` once all that came before for any of the keys has ended: at once where there is nothing. Several keys are taken in one step, so that no
   * two callers wait for each other.
   */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before: Promise<void>[] = this.#alone === undefined ? [] : [this.#alone];
    const turn = new Turn();
    for (const key of keys) {
      const last = this.#last.get(key);
      if (last !== undefined) before.push(last);
      this.#last.set(key, turn.ended);
    }
    try {
      if (before.length > 0) await Promise.all(before);
      return await work();
    } finally {
      for (const key of keys) if (this.#last.get(key) === turn.ended) this.#last.delete(key);
      this.#end(turn);
    }
  }

  /** Runs `work` once all that came before has ended, and nothing beside it. */
  async runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = [this.#alone, ...this.#last.values()];
    const turn = new Turn();
    this.#alone = turn.ended;
    try {
      await Promise.all(before);
      return await work();
    } finally {
      if (this.#alone === turn.ended) this.#alone = undefined;
      this.#end(turn);
    }
  }

  /** Waits until the next turn ends, whosever it is. */
  released(): Promise<void> {
    this.#released ??= new Promise((resolve) => {
      this.#release = resolve;
    });
    return this.#released;
  }

  /** Waits until all turns that were promised have ended. */
  async idle(): Promise<void> {
    while (this.#alone !== undefined || this.#last.size > 0) await Promise.all([this.#alone, ...this.#last.values()]);
  }

  #end(turn: Turn): void {
    turn.end();
    this.#release?.();
    this.#release = undefined;
    this.#released = undefined;
  }
}

class Turn {
  readonly ended: Promise<void>;
  end!: () => void;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }
}
