/** What a reader finds under a key. */
export interface Outcome {
  readonly value?: Uint8Array | undefined;
  readonly expiresAt?: number | undefined;
  /** Why it cannot be read. */
  readonly error?: string | undefined;
}

/** Something that was to change a key: to store a value, or to remove what is there. */
export interface Change extends Outcome {
  readonly started: number;
  /** Whether it is to happen to all its keys, or to none. */
  readonly isAtomic: boolean;
  acknowledged: number | undefined;
}

/** What was there, and then was done to a key, in the order in which it was asked for. */
export interface KeyHistory {
  readonly start: Outcome;
  readonly changes: readonly Change[];
}

/** What was done to all keys. Plain data, so that it can be sent to a worker. */
export type History = Map<string, KeyHistory>;

/** Writes down what is done. */
export class Book {
  readonly history: History;
  readonly #tick: () => number;

  /** @param tick counts what happens */
  constructor(history: History, tick: () => number) {
    this.history = new Map(history);
    this.#tick = tick;
  }

  /** Does something to keys, with what it is to make of each. */
  async change(
    outcomes: readonly (readonly [string, Outcome])[],
    work: () => Promise<unknown>,
    isAtomic = false,
  ): Promise<void> {
    const started = this.#tick();
    const changes = outcomes.map(([key, outcome]) => {
      const change: Change = { ...outcome, started, isAtomic, acknowledged: undefined };
      const { start, changes: before } = this.history.get(key) ?? { start: {}, changes: [] };
      this.history.set(key, { start, changes: [...before, change] });
      return change;
    });
    await work();
    const acknowledged = this.#tick();
    for (const change of changes) change.acknowledged = acknowledged;
  }
}

/** What was done by the number `tick`. */
export function until(history: History, tick: number): History {
  const cut: History = new Map();
  for (const [key, { start, changes }] of history) {
    const begun = changes.filter(({ started }) => started <= tick);
    cut.set(key, { start, changes: begun.map((change) => ({ ...change, acknowledged: by(tick, change) })) });
  }
  return cut;
}

/** Nothing was done yet: what is there is what readers have found. */
export function from(found: ReadonlyMap<string, Outcome>): History {
  const history: History = new Map();
  for (const [key, start] of found) history.set(key, { start, changes: [] });
  return history;
}

function by(tick: number, { acknowledged }: Change): number | undefined {
  return acknowledged !== undefined && acknowledged <= tick ? acknowledged : undefined;
}
