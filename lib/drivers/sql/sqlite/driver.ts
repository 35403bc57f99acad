import type { Entry } from '../../../backend/driver.js';
import { ReturningDriver, type ReturningStatements } from '../returning.js';

/** Entries in a table of SQLite. What is asked for many keys is asked one by one, since nothing travels. */
export class SqliteDriver extends ReturningDriver<ReturningStatements> {
  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    const { write: statement } = this.statements;
    await this.runTogether(
      entries.map(([key, value]) => ({ statement, values: this.toValues(key, value, expiresAt) })),
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
