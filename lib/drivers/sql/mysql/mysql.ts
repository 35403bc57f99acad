import { Backend } from '../../../backend/backend.js';
import { InvalidArgumentError, StorageError } from '../../../errors.js';
import { show } from '../../../show.js';
import { type AnyKysely, Compiler } from '../compiler.js';
import type { Opened } from '../driver.js';
import { explain } from '../failures.js';
import { ensureHistory, historyStatements } from '../history.js';
import { KyselyClients } from '../kysely-clients.js';
import { checkKysely, checkWays, SQL_OPTIONS, type SqlOptions, type SqlSettings, toSettings } from '../options.js';
import { parsePlace } from '../place.js';
import { type Check, type Clients, PooledLink } from '../pooled-link.js';
import { ensureTable } from '../schema.js';
import type { Statement } from '../statement.js';
import { MysqlClients, type MysqlPool } from './clients.js';
import { MysqlDriver } from './driver.js';
import { judge, meaningOf } from './failures.js';
import { mysqlHistory, mysqlSchema } from './schema.js';
import { type MysqlStatements, mysqlStatements } from './statements.js';

/** Options of {@link mysql}. */
export interface MysqlOptions extends SqlOptions {
  /** A pool of the package `mysql2`, with callbacks or promises, to use in place of one made here; it is left open. */
  readonly pool?: MysqlPoolLike | undefined;
  /**
   * What the package's own `createPool` takes, such as `host`, `user`, `password`, `database`, `socketPath` and `ssl`, `connectionLimit` (10 by
   * default), `maxIdle` and `idleTimeout` (60 seconds by default: choose less than the proxies on the way allow); goes before the URL.
   */
  readonly poolOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** A pool of the package `mysql2`. */
export interface MysqlPoolLike {
  getConnection: unknown;
}

const SCHEMES = ['mysql', 'mariadb'];
const OPTIONS = [...SQL_OPTIONS, 'pool', 'poolOptions'];

/**
 * A backend in a table of MySQL 8.0 or MariaDB 10.6 or newer; by Kysely and the package `mysql2`, which must be installed.
 *
 * Nothing connects before the first operation. A connection that broke is replaced when one is needed; what was under way rejects with a
 * `ConnectionError`.
 *
 * @param place `mysql://[user[:password]@]host[:port]/database`, also with `mariadb:`; or the options alone
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` or `sweepEvery` that is not positive and finite
 *
 * @example
 * const sessions = mysql('mysql://app:secret@db.example.com/app', { table: 'sessions', ttl: '1h' });
 */
export function mysql(place: string | URL | MysqlOptions, options: MysqlOptions = {}): Backend {
  const url = typeof place === 'string' || place instanceof URL ? String(place) : undefined;
  const given = typeof place === 'string' || place instanceof URL ? options : place;
  const settings = toSettings(given, OPTIONS, 'mysql');
  checkWays(given, url !== undefined, ['pool', 'kysely'], 'mysql');
  if (given.kysely !== undefined) checkKysely(given.kysely, 'mysql');
  if (given.pool !== undefined && typeof given.pool?.getConnection !== 'function') {
    throw new InvalidArgumentError(`mysql: pool must be a pool of the package mysql2; got ${show(given.pool)}`);
  }
  const what = whereOf(url, given);
  const where = `mysql at ${what}`;
  const driver = new MysqlDriver({
    ...settings,
    name: `${where}, table ${settings.table}`,
    open: () => open(url, given, settings, where),
  });
  return new Backend(driver, settings.options);
}

function whereOf(url: string | undefined, { pool, kysely, poolOptions = {} }: MysqlOptions): string {
  if (pool !== undefined) return 'the pool that was given';
  if (kysely !== undefined) return 'the Kysely that was given';
  if (url !== undefined) return parsePlace(url, SCHEMES).shown;
  const { host = 'localhost', port = 3306, database = '', socketPath } = poolOptions;
  return `${socketPath ?? `${host}:${port}`}/${database}`;
}

/** How long a packet may be, for the server and this connection. */
const LARGEST: Statement = {
  text: 'select @@max_allowed_packet as largest',
  parameters: [],
  rows: 'one',
  writes: false,
};
/** More than what a packet holds beside the text of a statement, in bytes. */
const OVERHEAD = 64;

async function open(
  url: string | undefined,
  options: MysqlOptions,
  settings: SqlSettings,
  where: string,
): Promise<Opened<MysqlStatements>> {
  const compiler = await Compiler.load('mysql');
  const clients = (await connect(url, options, settings, where)) as Clients<unknown>;
  const link = new PooledLink(clients, settings.timeout, where);
  try {
    await ensureTable(link, mysqlSchema(compiler, settings.table), settings.table, where);
    const { rows } = await link.run(LARGEST, {});
    link.checkBy(fitting(Number(rows[0]?.largest) - OVERHEAD, where));
    if (settings.history) await ensureHistory(link, mysqlHistory(compiler, settings.table), settings.table, where);
  } catch (error) {
    await link.close();
    throw error;
  }
  const history = settings.history ? historyStatements(compiler, settings.table) : undefined;
  return { link, statements: mysqlStatements(compiler, settings.table), history };
}

/** Refuses a statement that is longer than the server takes, values included: it hangs up on one, and says no reason. */
function fitting(limit: number, where: string): Check {
  return (text, parameters) => {
    let bytes = text.length;
    // Values travel in the text: bytes as hexadecimal digits, and numbers of up to twenty.
    for (const parameter of parameters) bytes += parameter instanceof Uint8Array ? 2 * parameter.byteLength + 3 : 24;
    if (bytes <= limit) return;
    throw new StorageError(
      `${where}: a statement of ${bytes} bytes is more than the ${limit} that the server takes; store less, or raise max_allowed_packet`,
    );
  };
}

async function connect(
  url: string | undefined,
  { pool, kysely, poolOptions }: MysqlOptions,
  { timeout }: SqlSettings,
  where: string,
): Promise<unknown> {
  if (pool !== undefined) return MysqlClients.of(pool as MysqlPool, where);
  if (kysely !== undefined) {
    const failures = { explain: (error: unknown) => explain(error, where, meaningOf(error)), judge };
    return new KyselyClients(kysely as unknown as AnyKysely, failures);
  }
  const place = url === undefined ? {} : toOptions(url);
  return MysqlClients.make({ connectTimeout: timeout, supportBigNumbers: true, ...place, ...poolOptions }, where);
}

function toOptions(text: string): Readonly<Record<string, unknown>> {
  const { url } = parsePlace(text, SCHEMES);
  return {
    host: url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 3306 : Number(url.port),
    user: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    database: decodeURIComponent(url.pathname.slice(1)) || undefined,
  };
}
