import { connect, type Socket } from 'node:net';
import { loadModule } from '../../../codecs/load.js';
import { explain } from '../failures.js';
import type { Clients } from '../pooled-link.js';
import { Sockets } from '../sockets.js';
import type { Result, Row } from '../statement.js';
import { judge, meaningOf } from './failures.js';

/** A pool of the package `mysql2`, with callbacks or with promises, as far as it is used. */
export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>;
  end(): Promise<void>;
}

/** A connection of such a pool. */
export interface MysqlConnection {
  query(text: string, values: readonly unknown[]): Promise<unknown>;
  release(): void;
  destroy(): void;
}

interface Header {
  readonly affectedRows?: number;
  readonly insertId?: number | string;
}

/** What the package gives to what makes its sockets. */
interface StreamOptions {
  readonly config: { readonly socketPath?: string; readonly host?: string; readonly port?: number | string };
}

/** Connections of the package `mysql2`. */
export class MysqlClients implements Clients<MysqlConnection> {
  readonly canEnd = true;
  readonly #pool: MysqlPool;
  readonly #where: string;
  /** Those that are ours; `undefined` where the pool is not. */
  readonly #sockets: Sockets | undefined;

  private constructor(pool: MysqlPool, where: string, sockets: Sockets | undefined) {
    this.#pool = pool;
    this.#where = where;
    this.#sockets = sockets;
  }

  /** Connections of a pool made here; none is made before the first is needed. */
  static async make(options: Readonly<Record<string, unknown>>, where: string): Promise<MysqlClients> {
    const library = await loadModule(() => import('mysql2/promise'), 'mysql2', 'mysql()');
    const sockets = new Sockets();
    const stream = ({ config }: StreamOptions): Socket => {
      const { socketPath, host = 'localhost', port = 3306 } = config;
      const socket = socketPath ? connect(socketPath) : connect(Number(port), host);
      return sockets.add(socket.setNoDelay(true).setKeepAlive(true));
    };
    const pool = library.default.createPool({ stream, ...options } as object) as unknown as MysqlPool;
    return new MysqlClients(pool, where, sockets);
  }

  /** Connections of a pool that the caller made, who also ends it. */
  static of(pool: MysqlPool | { promise(): MysqlPool }, where: string): MysqlClients {
    return new MysqlClients('promise' in pool ? pool.promise() : pool, where, undefined);
  }

  async acquire(): Promise<MysqlConnection> {
    return this.#pool.getConnection();
  }

  async query(client: MysqlConnection, text: string, values: readonly unknown[]): Promise<Result> {
    const [answer] = (await client.query(text, values)) as [readonly Row[] | Header];
    if (Array.isArray(answer)) return { rows: answer, affected: 0, mark: 0 };
    const { affectedRows = 0, insertId = 0 } = answer as Header;
    return { rows: [], affected: affectedRows, mark: Number(insertId) };
  }

  release(client: MysqlConnection, broken: boolean): void {
    if (broken) client.destroy();
    else client.release();
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
