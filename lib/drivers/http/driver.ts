import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import type { Condition, Counter, Driver, Entry, ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import { ConnectionError, type KeepsakeError } from '../../errors.js';
import { EXPIRES_AT, FOUND, NEVER, TTL } from '../../rest/headers.js';
import { decodeRecords, encodeRecords, type RestRecord } from '../../rest/records.js';
import { fromTag, toTag } from '../../rest/tags.js';
import { type Answer, type Connection, toQuery } from './connection.js';
import { toEntryError } from './failures.js';

/** What the server's backend cannot do, the server refuses. */
const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  persistent: true,
  enumerable: true,
});

/** How many keys, and about how many bytes, one request is about at most. */
const KEYS_TOGETHER = 1000;
const BYTES_TOGETHER = 512 * 1024;
/** What an entry adds to a request beside its key and value. */
const OVERHEAD = 64;

/** Entries that a keepsake server holds. */
export class HttpDriver implements Driver {
  readonly capabilities = abilities;
  readonly name: string;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.name = connection.where;
  }

  /** Learns whether a server of ours is there, and lets us in. */
  async open(): Promise<void> {
    try {
      await this.#connection.ask({ method: 'GET', path: '/-/health', reads: true, expected: [200] });
    } catch (error) {
      // What has not come to be open is not closed.
      await this.#connection.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    return toEntry(
      await this.#connection.ask({ method: 'GET', path: toPath(key), reads: true, expected: [200, 404] }),
      this.name,
    );
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const headers = { 'content-type': 'application/octet-stream', ...deadline(expiresAt), ...toHeaders(condition) };
    const { status } = await this.#connection.ask({
      ...{ method: 'PUT', path: toPath(key), headers, body: value, reads: false, expected: [204, 409, 412] },
    });
    return status === 204;
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const { status, headers } = await this.#connection.ask({
      ...{ method: 'DELETE', path: toPath(key), headers: toHeaders(condition), reads: false, expected: [204, 412] },
    });
    return status === 204 && headers.get(FOUND) === 'true';
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const headers = expiresAt === undefined ? { [TTL]: NEVER } : deadline(expiresAt);
    const path = `/-/touch${toQuery({ key })}`;
    const { status } = await this.#connection.ask({
      ...{ method: 'POST', path, headers, reads: false, expected: [204, 404] },
    });
    return status === 204;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const path = `/-/renew${toQuery({ key })}`;
    const headers = deadline(expiresAt);
    return toEntry(
      await this.#connection.ask({ method: 'POST', path, headers, reads: false, expected: [200, 404] }),
      this.name,
    );
  }

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    // The text of a negative zero is that of one without.
    const path = `/-/increment${toQuery({ key, by: String(by) })}`;
    const headers = deadline(expiresAt);
    const answer = await this.#connection.ask({ method: 'POST', path, headers, reads: false, expected: [200] });
    const { value, expiresAt: until } = this.#json(answer);
    if (typeof value !== 'number') throw this.#malformed();
    return { value, expiresAt: typeof until === 'number' ? until : undefined };
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const entries: (Entry<Uint8Array> | undefined)[] = [];
    for (const { value, error, entry } of await this.#readEach(keys)) {
      if (error !== undefined) throw error;
      entries.push(value === undefined ? undefined : entry);
    }
    return entries;
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    for (const group of grouped(entries, ([key, value]) => Buffer.byteLength(key) + value.length)) {
      const records = group.map(([key, value]) => ({ key, size: value.length }));
      const values = group.map(([, value]) => value);
      await this.#connection.ask({
        method: 'POST',
        path: '/-/set-many',
        headers: { 'content-type': 'application/octet-stream', ...deadline(expiresAt) },
        body: encodeRecords({ records }, values),
        reads: false,
        expected: [204],
      });
    }
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    let removed = 0;
    for (const group of grouped(keys, (key) => Buffer.byteLength(key))) {
      const { deleted } = this.#json(
        await this.#connection.ask({
          ...{ method: 'POST', path: '/-/delete-many', ...json({ keys: group }), reads: false, expected: [200] },
        }),
      );
      if (typeof deleted !== 'number') throw this.#malformed();
      removed += deleted;
    }
    return removed;
  }

  async scan({ prefix, limit, cursor, values }: ScanRequest): Promise<Page<Uint8Array>> {
    if (Buffer.byteLength(prefix) > MAXIMUM_KEY_BYTES) return { entries: [] };
    const path = `/${toQuery({ limit: String(limit), prefix: prefix || undefined, cursor })}`;
    const page = this.#json(await this.#connection.ask({ method: 'GET', path, reads: true, expected: [200] }));
    const { keys, cursor: next } = page;
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) throw this.#malformed();
    if (next !== undefined && typeof next !== 'string') throw this.#malformed();
    if (!values) return { entries: keys.map((key) => ({ key })), cursor: next };
    const read = await this.#readEach(keys);
    // What has gone since it was listed is left out.
    return { entries: read.filter(({ value, error }) => value !== undefined || error !== undefined), cursor: next };
  }

  async count(prefix: string): Promise<number> {
    if (Buffer.byteLength(prefix) > MAXIMUM_KEY_BYTES) return 0;
    const path = `/-/count${toQuery({ prefix: prefix || undefined })}`;
    const { count } = this.#json(await this.#connection.ask({ method: 'GET', path, reads: true, expected: [200] }));
    if (typeof count !== 'number') throw this.#malformed();
    return count;
  }

  async clear(prefix: string, everything?: boolean): Promise<void> {
    if (Buffer.byteLength(prefix) > MAXIMUM_KEY_BYTES) return;
    const query = toQuery({ prefix: prefix || undefined, everything: everything === true ? 'true' : undefined });
    await this.#connection.ask({ method: 'POST', path: `/-/clear${query}`, reads: false, expected: [204] });
  }

  /** Each entry with its value or why it has none; the server may leave some to be asked for again, when there is much of others. */
  async #readEach(keys: readonly string[]): Promise<Read[]> {
    const read: Read[] = [];
    for (const group of grouped(keys, (key) => Buffer.byteLength(key))) {
      for (let from = 0; from < group.length; ) {
        const wanted = group.slice(from);
        const answer = await this.#connection.ask({
          ...{ method: 'POST', path: '/-/get-many', ...json({ keys: wanted }), reads: true, expected: [200] },
        });
        const { records, values } = this.#records(answer);
        if (records.length === 0 || records.length > wanted.length) throw this.#malformed();
        for (const [index, record] of records.entries()) {
          read.push(toRead(wanted[index] as string, record, values[index], this.name));
        }
        from += records.length;
      }
    }
    return read;
  }

  #records({ body }: Answer): ReturnType<typeof decodeRecords> {
    try {
      return decodeRecords(body);
    } catch (error) {
      throw this.#malformed(error);
    }
  }

  #json({ body }: Answer): { readonly [name: string]: unknown } {
    try {
      const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
      if (typeof value === 'object' && value !== null) return value as { readonly [name: string]: unknown };
    } catch (error) {
      throw this.#malformed(error);
    }
    throw this.#malformed();
  }

  #malformed(cause?: unknown): ConnectionError {
    return new ConnectionError(`${this.name}: what is answered is not what a keepsake server of this version says`, {
      cause,
    });
  }
}

/** What is known of one entry among many. */
interface Read extends ListedEntry<Uint8Array> {
  readonly entry?: Entry<Uint8Array> | undefined;
}

function toRead(key: string, record: RestRecord | null, value: Uint8Array | undefined, where: string): Read {
  if (record === null || value === undefined) return { key };
  if (record.error !== undefined) return { key, error: toEntryError(where, record.error) as KeepsakeError };
  const { expiresAt, version } = record;
  return {
    key,
    value,
    entry: { value, expiresAt, version: version === undefined ? undefined : fromTag(`"${version}"`) },
  };
}

function toEntry({ status, headers, body }: Answer, where: string): Entry<Uint8Array> | undefined {
  // Neither a hit nor a miss of others is one of ours.
  if (headers.get(FOUND) !== (status === 404 ? 'false' : 'true')) {
    throw new ConnectionError(`${where}: it does not say whether the entry is there: check the path of the address`);
  }
  if (status === 404) return undefined;
  const expiresAt = headers.get(EXPIRES_AT);
  return {
    value: body,
    expiresAt: expiresAt === null ? undefined : Number(expiresAt),
    version: fromTag(headers.get('etag')),
  };
}

/**
 * The path of a key. Dots alone are no segment of a URL; a slash, a backslash, a percent sign or a control character, percent-encoded, is
 * one that some proxies change or refuse: such keys travel in the query.
 */
function toPath(key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  return /^\.\.?$|[/\\%\x00-\x1f\x7f]/.test(key) ? `/-/entry${toQuery({ key })}` : `/${encodeURIComponent(key)}`;
}

function deadline(expiresAt: number | undefined): Readonly<Record<string, string>> {
  return expiresAt === undefined ? {} : { [EXPIRES_AT]: String(expiresAt) };
}

function toHeaders(condition: Condition | undefined): Readonly<Record<string, string>> {
  if (condition === undefined) return {};
  if (condition === 'absent') return { 'if-none-match': '*' };
  return { 'if-match': condition === 'present' ? '*' : toTag(condition.version) };
}

function json(value: unknown): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function* grouped<T>(items: readonly T[], sizeOf: (item: T) => number): Generator<T[]> {
  let group: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item) + OVERHEAD;
    if (group.length > 0 && (group.length === KEYS_TOGETHER || bytes + size > BYTES_TOGETHER)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += size;
  }
  if (group.length > 0) yield group;
}
