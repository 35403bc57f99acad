import type { Awaitable } from '../../backend/driver.js';
import type { Call, Result, Statement, Values } from './statement.js';

/** The way to a database. What it rejects with is keepsake's. */
export interface Link {
  /** Runs one statement. */
  run(statement: Statement, values: Values): Awaitable<Result>;
  /** Runs statements one after another on one connection; with `atomic` all or none of them take effect. */
  runAll(calls: readonly Call[], atomic: boolean): Promise<readonly Result[]>;
  /** Waits for what is under way, which has its deadlines, and ends what is ours. */
  close(): Awaitable<void>;
}
