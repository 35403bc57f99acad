import { Socket } from 'node:net';
import { loadModule } from '../../../codecs/load.js';
import { explain } from '../failures.js';
import type { Clients } from '../pooled-link.js';
import { Sockets } from '../sockets.js';
import type { Result, Row } from '../statement.js';
import { judge, meaningOf } from './failures.js';

/** A pool of the package `pg`, as far as it is used. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** A client of such a pool. */
export interface PostgresClient {
  query(config: { readonly text: string; readonly values: readonly unknown[] }): Promise<unknown>;
  release(broken?: boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

interface Answer {
  readonly rows: readonly Row[];
  readonly rowCount: number | null;
}

/** Connections of the package `pg`. */
export class PostgresClients implements Clients<PostgresClient> {
  readonly canEnd = true;
  readonly #pool: PostgresPool;
  readonly #where: string;
  /** Those that are ours; `undefined` where the pool is not. */
  readonly #sockets: Sockets | undefined;

  private constructor(pool: PostgresPool, where: string, sockets: Sockets | undefined) {
    this.#pool = pool;
    this.#where = where;
    this.#sockets = sockets;
  }

  /** Connections of a pool made here; none is made before the first is needed. */
  static async make(options: Readonly<Record<string, unknown>>, where: string): Promise<PostgresClients> {
    const library = await loadModule(() => import('pg'), 'pg', 'postgres()');
    const sockets = new Sockets();
    const stream = (): Socket => sockets.add(new Socket());
    const pool = new library.default.Pool({ stream, ...options }) as unknown as PostgresPool;
    // A connection that breaks while nobody uses it: the pool makes another when it is needed.
    pool.on('error', ignore);
    return new PostgresClients(pool, where, sockets);
  }

  /** Connections of a pool that the caller made, who also ends it. */
  static of(pool: PostgresPool, where: string): PostgresClients {
    return new PostgresClients(pool, where, undefined);
  }

  async acquire(): Promise<PostgresClient> {
    const client = await this.#pool.connect();
    // The query under way rejects too; without a listener the process would end.
    client.on('error', ignore);
    return client;
  }

  async query(client: PostgresClient, text: string, values: readonly unknown[]): Promise<Result> {
    const { rows, rowCount } = (await client.query({ text, values })) as Answer;
    return { rows, affected: rowCount ?? 0, mark: 0 };
  }

  release(client: PostgresClient, broken: boolean): void {
    if (!broken) client.removeListener('error', ignore);
    client.release(broken);
  }

  async close(): Promise<void> {
    await this.#sockets?.close(this.#pool.end());
  }

  explain(error: unknown): unknown {
    return explain(error, this.#where, meaningOf(error));
  }

  judge(error: unknown): 'failed' | 'again' | 'broken' {
    return judge(error);
  }
}

function ignore(): void {}
