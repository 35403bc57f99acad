import type { Entry } from '../../../backend/driver.js';
import { inChunks, toBuffer } from '../columns.js';
import { ReturningDriver } from '../returning.js';
import { firstVersion } from '../statements.js';
import type { PostgresStatements } from './statements.js';

/** Entries in a table of PostgreSQL. Many keys and values travel as arrays, so that one statement fits any number. */
export class PostgresDriver extends ReturningDriver<PostgresStatements> {
  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const found = new Map<string, Entry<Uint8Array>>();
    for (const chunk of inChunks([...new Set(keys)], (key) => key.length)) {
      const { rows } = await this.run(this.statements.readMany, { keys: chunk.map((key) => Buffer.from(key)) });
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
    const { writeMany: statement } = this.statements;
    const calls = [...inChunks(sorted, ({ key, value }) => key.length + value.length)].map((chunk) => ({
      statement,
      values: {
        keys: chunk.map(({ key }) => key),
        values: chunk.map(({ value }) => value),
        first: firstVersion(),
        expires: expiresAt ?? null,
      },
    }));
    await this.runTogether(calls);
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    const sorted = keys.map((key) => Buffer.from(key)).sort(Buffer.compare);
    let removed = 0;
    for (const chunk of inChunks(sorted, (key) => key.length)) {
      const { affected } = await this.run(this.statements.removeMany, { keys: chunk, now: this.clock() });
      removed += affected;
    }
    return removed;
  }
}
