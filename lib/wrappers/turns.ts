/**
 * Lets what changes a key take turns with all else that changes it, in the order in which it came. Holds only keys that are being worked on.
 */
export class Turns {
  /** The last turn that each key has been promised to. */
  readonly #last = new Map<string, Turn>();
  /** The last turn that all keys have been promised to. */
  #alone: Turn | undefined;

  /** Whether somebody has, or waits for, a turn at the key. */
  busy(key: string): boolean {
    return this.#alone !== undefined || this.#last.has(key);
  }

  /**
   * Runs `work` once all that came before for any of the keys has ended: at once where there is nothing. Several keys are taken in one step, so that no
   * two callers wait for each other.
   */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const turn = new Turn();
    let before: Promise<void>[] | undefined = this.#alone && [this.#alone.ended];
    for (const key of keys) {
      const last = this.#last.get(key);
      // A key that is given twice does not wait for itself.
      if (last !== undefined && last !== turn) {
        before ??= [];
        before.push(last.ended);
      }
      this.#last.set(key, turn);
    }
    try {
      if (before !== undefined) await Promise.all(before);
      return await work();
    } finally {
      for (const key of keys) if (this.#last.get(key) === turn) this.#last.delete(key);
      turn.end();
    }
  }

  /** Runs `work` once all that came before has ended, and nothing beside it. */
  async runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#all();
    const turn = new Turn();
    this.#alone = turn;
    try {
      await before;
      return await work();
    } finally {
      if (this.#alone === turn) this.#alone = undefined;
      turn.end();
    }
  }

  /** Waits until all turns that were promised have ended. */
  async idle(): Promise<void> {
    while (this.#alone !== undefined || this.#last.size > 0) await this.#all();
  }

  #all(): Promise<unknown> {
    return Promise.all([this.#alone?.ended, ...[...this.#last.values()].map(({ ended }) => ended)]);
  }
}

/** Has a promise only where somebody waits for it, which is seldom. */
class Turn {
  #ended: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  get ended(): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#ended;
  }

  end(): void {
    this.#resolve?.();
  }
}
