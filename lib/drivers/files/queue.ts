/** What a caller waits for. */
interface Waiter {
  resolve(value: never): void;
  reject(error: unknown): void;
}

interface Task {
  run: () => Promise<unknown>;
  readonly replaceable: boolean;
  readonly waiters: Waiter[];
}

/**
 * Runs what is to be done for one key in order, one at a time, and for different keys side by side.
 *
 * Plain writes that wait are coalesced: the newest takes the place of the one before, and stands for its callers too.
 */
export class Queue {
  readonly #lines = new Map<string, Task[]>();
  #drained: (() => void)[] = [];

  /** Runs `work` when everything before it, for that key, has ended. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.#add(key, work, false);
  }

  /** Like `run`, for work that makes such work before it needless: what waits last in line, if it is replaceable too, is never run. */
  replace<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.#add(key, work, true);
  }

  /** Runs `work` when everything before it, for all of those keys, has ended; what comes for one of them meanwhile waits. */
  async runAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    if (keys.length === 0) return work();
    let turns = 0;
    let begin: (() => void) | undefined;
    const ready = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const done = ready.then(work);
    // All take their places in line at once, so that no two can wait for each other.
    const ended = keys.map((key) =>
      this.run(key, () => {
        if (++turns === keys.length) begin?.();
        return done;
      }),
    );
    await Promise.allSettled(ended);
    return done;
  }

  /** Waits until nothing is under way. */
  async drain(): Promise<void> {
    while (this.#lines.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #add<T>(key: string, run: () => Promise<T>, replaceable: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const line = this.#lines.get(key);
      if (line === undefined) {
        const task = { run, replaceable, waiters: [{ resolve, reject }] };
        const started = [task];
        this.#lines.set(key, started);
        this.#start(key, started, task);
        return;
      }
      // The first is under way.
      const last = line.length > 1 ? line[line.length - 1] : undefined;
      if (replaceable && last?.replaceable) {
        last.run = run;
        last.waiters.push({ resolve, reject });
      } else {
        line.push({ run, replaceable, waiters: [{ resolve, reject }] });
      }
    });
  }

  #start(key: string, line: Task[], task: Task): void {
    task.run().then(
      (value) => {
        this.#next(key, line);
        for (const waiter of task.waiters) waiter.resolve(value as never);
      },
      (error: unknown) => {
        this.#next(key, line);
        for (const waiter of task.waiters) waiter.reject(error);
      },
    );
  }

  #next(key: string, line: Task[]): void {
    line.shift();
    const next = line[0];
    if (next !== undefined) {
      this.#start(key, line, next);
      return;
    }
    this.#lines.delete(key);
    if (this.#lines.size > 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}
