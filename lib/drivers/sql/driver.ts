import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import type {
  Awaitable,
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  Past,
  ScanRequest,
} from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { addToCounter } from '../../backend/operations.js';
import { Sweeper } from '../../backend/sweeper.js';
import { rangeOf, toBuffer, toBytes, toDeadline, toKey, toVersion } from './columns.js';
import type { HistoryStatements } from './history.js';
import type { Link } from './link.js';
import { type OpenedPast, SqlPast } from './past.js';
import type { Call, Result, Row, Statement, Values } from './statement.js';
import { BATCH, firstVersion, type Statements } from './statements.js';

/** What a driver works with, once it is open. */
export interface Opened<S extends Statements> {
  readonly link: Link;
  readonly statements: S;
  /** Where the table has a history. */
  readonly history?: HistoryStatements | undefined;
}

/** How a driver is made. */
export interface Setup<S extends Statements> {
  /** What it is, for messages. */
  readonly name: string;
  /** Connects, and sees to the table. */
  readonly open: () => Promise<Opened<S>>;
  readonly capabilities?: Capabilities | undefined;
  readonly history: boolean;
  readonly clock: Clock;
  /** Milliseconds between sweeps; `undefined` for none. */
  readonly sweepEvery: number | undefined;
}

/** What every family of SQL can do on a server, or in a file. */
export const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  setMany: 'storage',
  persistent: true,
  enumerable: true,
  ordered: true,
});

/** The most entries of a page that holds values. */
const PAGE = 250;

/** Entries as rows of a table. What families of SQL do in their own ways is left to subclasses. */
export abstract class SqlDriver<S extends Statements = Statements> implements Driver {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock;
  readonly past: Past<Uint8Array> | undefined;
  readonly #open: () => Promise<Opened<S>>;
  readonly #sweeper: Sweeper;
  #opened: Opened<S> | undefined;

  constructor({ name, open, clock, sweepEvery, history, capabilities = abilities }: Setup<S>) {
    this.capabilities = history ? Object.freeze({ ...capabilities, history }) : capabilities;
    this.past = history ? new SqlPast(name, () => this.#opened as OpenedPast) : undefined;
    this.name = name;
    this.clock = clock;
    this.#open = open;
    this.#sweeper = new Sweeper(sweepEvery, async () => {
      await this.sweep();
      return true;
    });
  }

  async open(): Promise<void> {
    this.#opened = await this.#open();
    this.#sweeper.arm();
  }

  async close(): Promise<void> {
    this.#sweeper.stop();
    await this.link.close();
  }

  protected get link(): Link {
    return (this.#opened as Opened<S>).link;
  }

  protected get statements(): S {
    return (this.#opened as Opened<S>).statements;
  }

  protected run(statement: Statement, values: Values): Awaitable<Result> {
    return this.link.run(statement, values);
  }

  /** Runs statements of which all take effect, or none; one alone needs no transaction. */
  protected async runTogether(calls: readonly Call[]): Promise<void> {
    const [first] = calls;
    if (calls.length === 1 && first !== undefined) await this.run(first.statement, first.values);
    else if (calls.length > 1) await this.link.runAll(calls, true);
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const reading = this.run(this.statements.read, { key: Buffer.from(key) });
    const { rows } = reading instanceof Promise ? await reading : reading;
    return this.toEntry(rows[0]);
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const values = this.toValues(key, value, expiresAt);
    if (condition === undefined) {
      await this.run(this.statements.write, values);
      return true;
    }
    if (condition === 'absent') return this.writeAbsent(values);
    if (condition === 'present') return (await this.run(this.statements.writePresent, values)).affected > 0;
    const version = toVersion(condition.version);
    if (version === undefined) return false;
    return (await this.run(this.statements.writeVersion, { ...values, version })).affected > 0;
  }

  /** Stores an entry where there is none. */
  protected abstract writeAbsent(values: Values): Promise<boolean>;

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const values = { key: Buffer.from(key), now: this.clock() };
    if (typeof condition !== 'object') return (await this.run(this.statements.remove, values)).affected > 0;
    const version = toVersion(condition.version);
    if (version === undefined) return false;
    return (await this.run(this.statements.removeVersion, { ...values, version })).affected > 0;
  }

  abstract touch(key: string, expiresAt: number | undefined): Promise<boolean>;

  abstract renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined>;

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    // The number of a negative zero is the text of one without.
    const values = { ...this.toValues(key, Buffer.from(String(by)), expiresAt), by: String(by) };
    for (;;) {
      const counter = await this.add(values);
      if (counter !== undefined) return counter;
      // It did not add up: the entry tells why, unless it is another by now.
      const entry = await this.read(key);
      if (entry !== undefined) addToCounter(entry.value, by, key);
    }
  }

  /** Adds to a counter, or makes it; `undefined` where what is there does not add up. */
  protected abstract add(values: Values): Promise<Counter | undefined>;

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const limit = request.values ? Math.min(request.limit, PAGE) : request.limit;
    const after = request.cursor ?? request.after;
    const { keys, entries } = this.statements;
    const running = this.run(request.values ? entries : keys, {
      ...rangeOf(request.prefix, after),
      now: this.clock(),
      limit,
    });
    const { rows } = running instanceof Promise ? await running : running;
    const listed = rows.map(
      ({ name, value }): ListedEntry<Uint8Array> =>
        request.values ? { key: toKey(name), value: toBytes(value) } : { key: toKey(name) },
    );
    return { entries: listed, cursor: rows.length < limit ? undefined : listed.at(-1)?.key };
  }

  async count(prefix: string): Promise<number> {
    const { rows } = await this.run(this.statements.count, { ...rangeOf(prefix), now: this.clock() });
    return Number(rows[0]?.counted);
  }

  async clear(prefix: string): Promise<void> {
    const range = rangeOf(prefix);
    let from: unknown = range.from;
    for (;;) {
      const { rows } = await this.run(this.statements.boundary, { ...range, from, offset: BATCH });
      const to = rows[0]?.name === undefined ? range.to : toBuffer(toBytes(rows[0].name));
      await this.run(this.statements.removeRange, { from, to });
      if (to === range.to) return;
      from = to;
    }
  }

  async sweep(): Promise<number> {
    let swept = 0;
    for (;;) {
      const { affected } = await this.run(this.statements.sweep, { now: this.clock() });
      swept += affected;
      if (affected < BATCH) return swept;
    }
  }

  /** The parameters that writing takes. */
  protected toValues(key: string, value: Uint8Array, expiresAt: number | undefined): Values {
    return {
      key: Buffer.from(key),
      value: toBuffer(value),
      first: firstVersion(),
      expires: expiresAt ?? null,
      now: this.clock(),
    };
  }

  /** The entry of a row, if it is there and has not expired. */
  protected toEntry(row: Row | undefined): Entry<Uint8Array> | undefined {
    if (row === undefined) return undefined;
    const expiresAt = toDeadline(row.expires);
    if (expiresAt !== undefined && expiresAt <= this.clock()) return undefined;
    return { value: toBytes(row.value), expiresAt, version: String(row.version) };
  }
}
