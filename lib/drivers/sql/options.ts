import { checkOptions } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';

/** Options of every engine of SQL. */
export interface SqlOptions extends BackendOptions {
  /**
   * How long each statement may take, connecting included; 5 seconds by default. A `clear` or a listing is many statements. A connection
   * that does not answer in time is given up, and another made when it is needed.
   */
  readonly timeout?: Duration | undefined;
  /** The table, `'keepsake'` by default: a letter or `_`, then letters, digits and `_`; at most 40. It is made where it is missing. */
  readonly table?: string | undefined;
  /**
   * Whether every write and delete is kept, so that `asOf`, `history` and `compact` work; `false` by default. What a table has been told once
   * it goes on to keep, whoever writes to it.
   */
  readonly history?: boolean | undefined;
  /** How often to remove what has expired; 10 minutes by default, `null` for never. It is invisible from its deadline on in any case. */
  readonly sweepEvery?: Duration | null | undefined;
  /** The time by which deadlines are judged; `Date.now` by default. History has the time of the server. */
  readonly clock?: Clock | undefined;
  /** A Kysely to go through, in place of connections made here; it is left open. */
  readonly kysely?: KyselyLike | undefined;
}

/** A Kysely, of 0.28 or newer. */
export interface KyselyLike {
  getExecutor(): unknown;
  connection(): unknown;
}

/** The names of {@link SqlOptions}. */
export const SQL_OPTIONS = [
  ...BACKEND_OPTIONS,
  ...(['table', 'history', 'sweepEvery', 'clock', 'kysely'] as const),
] as const;

/** What is left of {@link SqlOptions} once they are checked. */
export interface SqlSettings {
  readonly timeout: number;
  readonly table: string;
  readonly history: boolean;
  readonly sweepEvery: number | undefined;
  readonly clock: Clock;
  /** For the backend. */
  readonly options: BackendOptions;
}

const TIMEOUT = 5000;
const SWEEP_EVERY = 10 * 60_000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;
/** PostgreSQL cuts names after 63 bytes, and those of indexes and triggers are longer than the table's. */
const LONGEST_NAME = 40;

/**
 * Checks options.
 * @param known the names of all options of the engine
 * @throws InvalidArgumentError for unknown options, and for those that are of the wrong kind
 * @throws OutOfRangeError for a duration that is not positive and finite
 */
export function toSettings(options: SqlOptions, known: readonly string[], what: string): SqlSettings {
  checkOptions(options, known, what);
  const {
    timeout,
    table = 'keepsake',
    history = false,
    sweepEvery,
    clock = Date.now,
    ttl,
    onCorrupt,
    report,
  } = options;
  checkTable(table, what);
  if (typeof history !== 'boolean') {
    throw new InvalidArgumentError(`${what}: history must be true or false; got ${show(history)}`);
  }
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`${what}: clock must be a function; got ${show(clock)}`);
  }
  const every = sweepEvery === undefined ? SWEEP_EVERY : sweepEvery;
  return {
    timeout: Math.min(timeout === undefined ? TIMEOUT : toMilliseconds(timeout, 'timeout'), LONGEST),
    table,
    history,
    sweepEvery: every === null ? undefined : toMilliseconds(every, 'sweepEvery'),
    clock,
    options: { ttl, onCorrupt, report },
  };
}

/**
 * Checks that options which exclude each other are not given together.
 * @param ways those that say where the database is
 */
export function checkWays(given: SqlOptions, hasPlace: boolean, ways: readonly string[], what: string): void {
  const named = ways.filter((name) => given[name as keyof SqlOptions] !== undefined);
  const all = hasPlace ? ['a place', ...named] : named;
  if (all.length < 2) return;
  throw new InvalidArgumentError(`${what}: ${all.join(' and ')} do not go together: each says where the database is`);
}

/**
 * Checks a Kysely that was given.
 * @throws InvalidArgumentError for what is none
 */
export function checkKysely(kysely: unknown, what: string): void {
  const known = kysely as Partial<KyselyLike> | null | undefined;
  if (typeof known?.getExecutor === 'function' && typeof known.connection === 'function') return;
  throw new InvalidArgumentError(`${what}: kysely must be a Kysely of 0.28 or newer; got ${show(kysely)}`);
}

function checkTable(table: unknown, what: string): void {
  if (typeof table === 'string' && table.length <= LONGEST_NAME && /^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) return;
  throw new InvalidArgumentError(
    `${what}: table must be a letter or _, then letters, digits and _, at most ${LONGEST_NAME}; got ${show(table)}`,
  );
}
