import type { Counter, Entry } from '../../../backend/driver.js';
import { toBytes, toDeadline } from '../columns.js';
import { SqlDriver } from '../driver.js';
import type { Values } from '../statement.js';
import type { SqliteStatements } from './statements.js';

/** Entries in a table of SQLite. What is asked for many keys is asked one by one, since nothing travels. */
export class SqliteDriver extends SqlDriver<SqliteStatements> {
  protected async writeAbsent(values: Values): Promise<boolean> {
    return (await this.run(this.statements.writeAbsent, values)).affected > 0;
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const values = { key: Buffer.from(key), expires: expiresAt ?? null, now: this.clock() };
    return (await this.run(this.statements.touch, values)).affected > 0;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const values = { key: Buffer.from(key), expires: expiresAt, now: this.clock() };
    return this.toEntry((await this.run(this.statements.renew, values)).rows[0]);
  }

  protected async add(values: Values): Promise<Counter | undefined> {
    const [row] = (await this.run(this.statements.add, values)).rows;
    if (row === undefined) return undefined;
    return { value: Number(Buffer.from(toBytes(row.value)).toString()), expiresAt: toDeadline(row.expires) };
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    const { write: statement } = this.statements;
    await this.link.runAll(
      entries.map(([key, value]) => ({ statement, values: this.toValues(key, value, expiresAt) })),
      true,
    );
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    return Promise.all(keys.map((key) => this.read(key)));
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    const { remove: statement } = this.statements;
    const now = this.clock();
    const calls = keys.map((key) => ({ statement, values: { key: Buffer.from(key), now } }));
    const results = await this.link.runAll(calls, true);
    return results.reduce((removed, { affected }) => removed + affected, 0);
  }
}
