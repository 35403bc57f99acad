/** When something happened: by a counter that tells what came before what, and by the clock of the backends. */
interface Span {
  readonly start: number;
  readonly startTime: number;
  end: number;
  endTime: number;
}

/** Something that was to change a key. */
interface Change extends Span {
  /** What was to be stored; absent where something was to be removed. */
  readonly value?: number;
  /** How long it was to live; absent for ever, `'unknown'` where another change decides. */
  readonly ttl?: number | 'unknown' | undefined;
  /** Whether it was acknowledged; what was not may have happened or not. */
  isDone: boolean;
}

/**
 * What callers did to the keys of a backend and when, to judge what a reader may see. Values are stored once only, so that each tells which change it is
 * of.
 */
export class History {
  readonly #changes = new Map<string, Change[]>();
  readonly #now: () => number;
  /** Whether entries may vanish without anybody asking. */
  readonly #forgets: boolean;
  #tick = 0;

  constructor(now: () => number, { forgets = false } = {}) {
    this.#now = now;
    this.#forgets = forgets;
  }

  /** Runs what is to store a value (or, without one, to remove) under each of the keys; it answers whether it did. */
  async change(
    keys: readonly string[],
    change: { readonly value?: number; readonly ttl?: number | 'unknown' | undefined },
    work: () => Promise<boolean>,
  ): Promise<void> {
    const made: Change = { ...change, ...this.#begin(), isDone: false };
    for (const key of keys) this.#of(key).push(made);
    let applied: boolean | undefined;
    try {
      applied = await work();
    } catch {}
    this.#finish(made);
    made.isDone = applied === true;
    if (applied === false) {
      for (const key of keys)
        this.#changes.set(
          key,
          this.#of(key).filter((one) => one !== made),
        );
    }
  }

  /** Runs a read of keys and throws if what it gives is of the past, or lacks what was stored. A read that fails is no matter. */
  async read(keys: readonly string[], work: () => Promise<readonly (number | undefined)[]>): Promise<void> {
    const span = this.#begin();
    let values: readonly (number | undefined)[];
    try {
      values = await work();
    } catch {
      return;
    }
    this.#finish(span);
    for (const [index, key] of keys.entries()) this.#judge(key, values[index], span);
  }

  /** Whether every change of the key was acknowledged. */
  isCertain(key: string): boolean {
    return this.#of(key).every(({ isDone }) => isDone);
  }

  #judge(key: string, value: number | undefined, read: Span): void {
    const changes = this.#of(key);
    if (value === undefined) {
      const lost = changes.find((one) => one.isDone && one.value !== undefined && this.#mustShow(one, changes, read));
      if (lost !== undefined) throw new Error(`${key} is missing, though ${lost.value} was acknowledged`);
      return;
    }
    const origin = changes.find((one) => one.value === value);
    if (origin === undefined) throw new Error(`${key} is ${value}, which nobody stored there`);
    const later = changes.find((one) => one.isDone && one.start > origin.end && one.end < read.start);
    if (later !== undefined) {
      throw new Error(`${key} is ${value}, though ${later.value ?? 'its removal'} was acknowledged after that`);
    }
    if (typeof origin.ttl === 'number' && read.startTime >= origin.endTime + origin.ttl) {
      throw new Error(`${key} is ${value}, which has expired`);
    }
  }

  /** Whether a reader must see something, since this was stored before, and nothing else can have taken it away. */
  #mustShow(stored: Change, changes: readonly Change[], read: Span): boolean {
    if (stored.end >= read.start || this.#forgets) return false;
    return !changes.some((one) => one.end > stored.start && one.start < read.end && mayBeMissing(one, read.endTime));
  }

  #of(key: string): Change[] {
    let changes = this.#changes.get(key);
    if (changes === undefined) {
      changes = [];
      this.#changes.set(key, changes);
    }
    return changes;
  }

  #begin(): Span {
    return {
      start: ++this.#tick,
      startTime: this.#now(),
      end: Number.POSITIVE_INFINITY,
      endTime: Number.POSITIVE_INFINITY,
    };
  }

  #finish(span: Span): void {
    span.end = ++this.#tick;
    span.endTime = this.#now();
  }
}

/** Whether a key may be missing at a time because of this change. */
function mayBeMissing({ value, ttl, startTime }: Change, time: number): boolean {
  return value === undefined || ttl === 'unknown' || (ttl !== undefined && time >= startTime + ttl);
}
