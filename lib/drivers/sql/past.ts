import { type Capabilities, capabilities } from '../../backend/capabilities.js';
import type { Driver, Entry, ListedEntry, Page, Past, Revision, ScanRequest } from '../../backend/driver.js';
import { UnsupportedError } from '../../errors.js';
import { rangeOf, toBuffer, toBytes, toDeadline, toKey } from './columns.js';
import type { HistoryStatements } from './history.js';
import type { Link } from './link.js';
import { BATCH } from './statements.js';

/** What the past is read by, once the driver is open. */
export interface OpenedPast {
  readonly link: Link;
  readonly history: HistoryStatements;
}

/** The most states, or entries with values, of one page. */
const PAGE = 250;

const abilities: Capabilities = capabilities({
  persistent: true,
  enumerable: true,
  ordered: true,
  writable: false,
});

/** The former states of a table. */
export class SqlPast implements Past<Uint8Array> {
  readonly #name: string;
  readonly #opened: () => OpenedPast;

  constructor(name: string, opened: () => OpenedPast) {
    this.#name = name;
    this.#opened = opened;
  }

  asOf(time: number): Driver {
    return new AsOfDriver(this.#name, time, this.#opened);
  }

  async *revisions(key: string): AsyncGenerator<readonly Revision<Uint8Array>[]> {
    const { link, history } = this.#opened();
    const values = { key: Buffer.from(key), limit: PAGE };
    let after: unknown = 0;
    for (;;) {
      const { rows } = await link.run(history.revisions, { ...values, after });
      if (rows.length > 0) {
        yield rows.map(({ created, value, version, expires }) => ({
          time: Number(created),
          value: value === null ? undefined : toBytes(value),
          expiresAt: toDeadline(expires),
          version: value === null ? undefined : String(version),
        }));
      }
      if (rows.length < PAGE) return;
      after = rows.at(-1)?.place;
    }
  }

  async compact(before: number): Promise<number> {
    const { link, history } = this.#opened();
    const time = Math.min(before, Date.now());
    // Raised first, so that nobody reads what is only half there.
    await link.run(history.raise, { time });
    await link.run(history.lower, { time });
    const { to } = rangeOf('');
    let from: Buffer = Buffer.of(0);
    let forgotten = 0;
    for (;;) {
      const { rows } = await link.run(history.boundary, { from, to, offset: BATCH });
      const name = rows[0]?.name;
      const found = name === undefined ? to : toBuffer(toBytes(name));
      // All states of one key go together, however many they are.
      const next = found.equals(from) ? Buffer.concat([found, Buffer.of(0)]) : found;
      forgotten += (await link.run(history.forgetFormer, { from, to: next, time })).affected;
      forgotten += (await link.run(history.forgetRemoved, { from, to: next, time })).affected;
      if (next === to) return forgotten;
      from = next;
    }
  }
}

/** The entries of a table as they were. */
class AsOfDriver implements Driver {
  readonly capabilities = abilities;
  readonly name: string;
  readonly #time: number;
  readonly #opened: () => OpenedPast;
  #known: Promise<void> | undefined;

  constructor(name: string, time: number, opened: () => OpenedPast) {
    this.name = `${name}, as of ${new Date(time).toISOString()}`;
    this.#time = time;
    this.#opened = opened;
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const { link, history } = await this.#open();
    const { rows } = await link.run(history.read, { key: Buffer.from(key), time: this.#time });
    const [row] = rows;
    if (row === undefined || row.value === null) return undefined;
    const expiresAt = toDeadline(row.expires);
    if (expiresAt !== undefined && expiresAt <= this.#time) return undefined;
    return { value: toBytes(row.value), expiresAt, version: String(row.version) };
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { link, history } = await this.#open();
    const limit = request.values ? Math.min(request.limit, PAGE) : request.limit;
    const { rows } = await link.run(request.values ? history.entries : history.keys, {
      ...rangeOf(request.prefix, request.cursor ?? request.after),
      time: this.#time,
      limit,
    });
    const entries = rows.map(
      ({ name, value }): ListedEntry<Uint8Array> =>
        request.values ? { key: toKey(name), value: toBytes(value) } : { key: toKey(name) },
    );
    return { entries, cursor: rows.length < limit ? undefined : entries.at(-1)?.key };
  }

  async count(prefix: string): Promise<number> {
    const { link, history } = await this.#open();
    const { rows } = await link.run(history.count, { ...rangeOf(prefix), time: this.#time });
    return Number(rows[0]?.counted);
  }

  write(): never {
    return this.#refuse();
  }

  remove(): never {
    return this.#refuse();
  }

  #refuse(): never {
    throw new UnsupportedError(
      `${this.name}: what has been cannot be changed; write to the backend that it is the past of`,
    );
  }

  async #open(): Promise<OpenedPast> {
    const opened = this.#opened();
    this.#known ??= this.#check(opened).catch((error: unknown) => {
      this.#known = undefined;
      throw error;
    });
    await this.#known;
    return opened;
  }

  async #check({ link, history }: OpenedPast): Promise<void> {
    const { rows } = await link.run(history.horizon, {});
    const horizon = Number(rows[0]?.horizon ?? 0);
    if (this.#time >= horizon) return;
    throw new UnsupportedError(`${this.name}: what is known begins at ${new Date(horizon).toISOString()}`);
  }
}
