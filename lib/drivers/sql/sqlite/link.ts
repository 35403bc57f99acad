import { setImmediate } from 'node:timers';
import { LockedError } from '../../../errors.js';
import type { Link } from '../link.js';
import { bind, type Call, type Result, type Statement, type Values } from '../statement.js';
import type { Database, Prepared } from './database.js';
import { explain, isBusy, undoesAll } from './failures.js';

/** Writes that take effect together or not at all, and who waits for them. */
interface Job {
  readonly calls: readonly Call[];
  readonly deadline: number;
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How many writes share a transaction at most, so that the thread is not held up for long. */
const TOGETHER = 1000;
/** How long to wait until asking again for a database that another process writes to, in milliseconds. */
const AGAIN = 10;

/**
 * A link straight to a database in this process. Reads answer at once. Writes of one tick share a transaction, so that they share its sync:
 * each is acknowledged once all of them are safe.
 */
export class SqliteLink implements Link {
  readonly #database: Database;
  readonly #owned: boolean;
  readonly #where: string;
  readonly #timeout: number;
  readonly #prepared = new Map<string, Prepared>();
  #jobs: Job[] = [];
  #scheduled = false;
  #idle: (() => void) | undefined;

  /** @param timeout how long a write may wait for other processes that write, in milliseconds */
  constructor(database: Database, owned: boolean, timeout: number, where: string) {
    this.#database = database;
    this.#owned = owned;
    this.#timeout = timeout;
    this.#where = where;
  }

  run(statement: Statement, values: Values): Result | Promise<Result> {
    if (statement.writes) return this.runAll([{ statement, values }]).then((results) => results[0] as Result);
    try {
      return this.#execute(statement, values);
    } catch (error) {
      throw explain(error, this.#where);
    }
  }

  runAll(calls: readonly Call[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ calls, deadline: performance.now() + this.#timeout, resolve, reject });
      this.#schedule();
    });
  }

  /** Runs what is no statement of a driver, such as a pragma. */
  exec(text: string): void {
    try {
      this.#database.exec(text);
    } catch (error) {
      throw explain(error, this.#where);
    }
  }

  async close(): Promise<void> {
    if (this.#jobs.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#prepared.clear();
    if (this.#owned) this.#database.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (!this.#begin()) return;
    const jobs = this.#jobs.splice(0, TOGETHER);
    const outcomes = new Map<Job, readonly Result[] | Failed>();
    try {
      for (const job of jobs) outcomes.set(job, this.#perform(job));
      this.#database.exec('commit');
    } catch (error) {
      this.#undo('rollback');
      const failed = new Failed(explain(error, this.#where));
      for (const job of jobs) outcomes.set(job, failed);
    }
    for (const [{ resolve, reject }, outcome] of outcomes) {
      if (outcome instanceof Failed) reject(outcome.error);
      else resolve(outcome);
    }
    if (this.#jobs.length > 0) this.#schedule();
    else this.#idle?.();
  }

  /** Whether a transaction has begun; if not, others are asked again later, and those who have waited too long are told. */
  #begin(): boolean {
    try {
      this.#database.exec('begin immediate');
      return true;
    } catch (error) {
      if (isBusy(error)) this.#dismiss(error);
      else for (const { reject } of this.#jobs.splice(0)) reject(explain(error, this.#where));
    }
    if (this.#jobs.length === 0) {
      this.#idle?.();
      return false;
    }
    this.#scheduled = true;
    setTimeout(() => this.#flush(), AGAIN);
    return false;
  }

  #dismiss(cause: unknown): void {
    const now = performance.now();
    const late = this.#jobs.filter(({ deadline }) => deadline <= now);
    this.#jobs = this.#jobs.filter(({ deadline }) => deadline > now);
    for (const { reject } of late) {
      const message = `${this.#where}: another process has been writing to it for ${this.#timeout} ms; try again later`;
      reject(new LockedError(message, { cause }));
    }
  }

  #perform({ calls }: Job): readonly Result[] | Failed {
    const several = calls.length > 1;
    try {
      if (several) this.#database.exec('savepoint several');
      const results = calls.map(({ statement, values }) => this.#execute(statement, values));
      if (several) this.#database.exec('release several');
      return results;
    } catch (error) {
      if (undoesAll(error)) throw error;
      if (several) this.#undo('rollback to several; release several');
      return new Failed(explain(error, this.#where));
    }
  }

  #undo(text: string): void {
    try {
      this.#database.exec(text);
    } catch {
      // SQLite has undone it by itself.
    }
  }

  #execute(statement: Statement, values: Values): Result {
    let prepared = this.#prepared.get(statement.text);
    if (prepared === undefined) {
      prepared = this.#database.prepare(statement.text);
      this.#prepared.set(statement.text, prepared);
    }
    const parameters = bind(statement, values);
    if (statement.rows === 'none') return { rows: [], affected: prepared.run(parameters), mark: 0 };
    if (statement.rows === 'many') return { rows: prepared.all(parameters), affected: 0, mark: 0 };
    const row = prepared.get(parameters);
    return row === undefined ? NOTHING : { rows: [row], affected: 1, mark: 0 };
  }
}

const NOTHING: Result = { rows: [], affected: 0, mark: 0 };

class Failed {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}
