import type { Counter, Entry } from '../../../backend/driver.js';
import { ITEMS, inChunks, toBuffer, toDeadline } from '../columns.js';
import { SqlDriver } from '../driver.js';
import type { Call, Result, Row, Values } from '../statement.js';
import { firstVersion } from '../statements.js';
import { type MysqlStatements, OFFSET } from './statements.js';

/** Entries in a table of MySQL or MariaDB. */
export class MysqlDriver extends SqlDriver<MysqlStatements> {
  protected async writeAbsent(values: Values): Promise<boolean> {
    return (await this.run(this.statements.writeAbsent, values)).mark === 0;
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const values = { key: Buffer.from(key), expires: expiresAt ?? null, now: this.clock() };
    return (await this.run(this.statements.touch, values)).mark === 1;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const values = { key: Buffer.from(key), expires: expiresAt, now: this.clock() };
    const { renew, read } = this.statements;
    const results = await this.link.runAll(
      [renew, read].map((statement) => ({ statement, values })),
      false,
    );
    return this.toEntry(results[1]?.rows[0]);
  }

  protected async add(values: Values): Promise<Counter | undefined> {
    const { add, added } = this.statements;
    const results = await this.link.runAll(
      [add, added].map((statement) => ({ statement, values })),
      false,
    );
    const { mark, expires } = (results[1] as Result).rows[0] as Row;
    if (mark === '0') return undefined;
    return { value: Number(BigInt(String(mark)) - BigInt(OFFSET)), expiresAt: toDeadline(expires) };
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const found = new Map<string, Entry<Uint8Array>>();
    for (const chunk of inChunks([...new Set(keys)], (key) => key.length)) {
      const wanted = chunk.map((key) => Buffer.from(key));
      const size = powerOfTwo(wanted.length);
      const { rows } = await this.run(this.statements.readMany(size), named('key', wanted, size));
      for (const row of rows) {
        const entry = this.toEntry(row);
        if (entry !== undefined) found.set(toBuffer(row.name as Uint8Array).toString(), entry);
      }
    }
    return keys.map((key) => found.get(key));
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    // In one order, so that two who store the same keys do not wait for each other.
    const sorted = entries.map(([key, value]) => ({ key: Buffer.from(key), value: toBuffer(value) }));
    sorted.sort((a, b) => Buffer.compare(a.key, b.key));
    const calls: Call[] = [];
    for (const chunk of inChunks(sorted, ({ key, value }) => key.length + value.length)) {
      for (let at = 0; at < chunk.length; ) {
        const size = largestSize(chunk.length - at);
        const rows = chunk.slice(at, at + size);
        const keys = named(
          'key',
          rows.map(({ key }) => key),
          size,
        );
        const values = named(
          'value',
          rows.map(({ value }) => value),
          size,
        );
        const rest = { first: firstVersion(), expires: expiresAt ?? null };
        calls.push({ statement: this.statements.writeMany(size), values: { ...keys, ...values, ...rest } });
        at += size;
      }
    }
    await this.runTogether(calls);
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    const sorted = keys.map((key) => Buffer.from(key)).sort(Buffer.compare);
    let removed = 0;
    for (const chunk of inChunks(sorted, (key) => key.length)) {
      const size = powerOfTwo(chunk.length);
      const values = { ...named('key', chunk, size), now: this.clock() };
      removed += (await this.run(this.statements.removeMany(size), values)).affected;
    }
    return removed;
  }
}

/** The largest size of a statement that writes so many, of a few, so that there are few statements: a whole chunk, or a power of two. */
function largestSize(count: number): number {
  return count >= ITEMS ? ITEMS : 2 ** Math.floor(Math.log2(count));
}

/** The next power of two, so that there are few statements: places that are left hold the last item again. */
function powerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

function named(name: string, items: readonly unknown[], size: number): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (let index = 0; index < size; index++) values[`${name}${index}`] = items[Math.min(index, items.length - 1)];
  return values;
}
