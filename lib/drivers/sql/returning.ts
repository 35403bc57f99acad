import type { Counter, Entry } from '../../backend/driver.js';
import { toBytes, toDeadline } from './columns.js';
import { SqlDriver } from './driver.js';
import type { Statement, Values } from './statement.js';
import type { Statements } from './statements.js';

/** Statements of a family whose changes can answer with the row that they made. */
export interface ReturningStatements extends Statements {
  readonly renew: Statement;
  readonly add: Statement;
}

/** Entries as rows, where a change answers with the row that it made (`RETURNING`): one statement, and so one round trip, for each. */
export abstract class ReturningDriver<S extends ReturningStatements> extends SqlDriver<S> {
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
}
