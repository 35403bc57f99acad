import { Backend } from '../../../backend/backend.js';
import { InvalidArgumentError } from '../../../errors.js';
import { show } from '../../../show.js';
import { type AnyKysely, Compiler } from '../compiler.js';
import type { Opened } from '../driver.js';
import { explain } from '../failures.js';
import { ensureHistory, historyStatements } from '../history.js';
import { KyselyClients } from '../kysely-clients.js';
import { checkKysely, checkWays, SQL_OPTIONS, type SqlOptions, type SqlSettings, toSettings } from '../options.js';
import { parsePlace } from '../place.js';
import { type Clients, PooledLink } from '../pooled-link.js';
import { ensureTable } from '../schema.js';
import { PostgresClients, type PostgresPool } from './clients.js';
import { PostgresDriver } from './driver.js';
import { judge, meaningOf } from './failures.js';
import { postgresHistory, postgresSchema } from './schema.js';
import { type PostgresStatements, postgresStatements } from './statements.js';

/** Options of {@link postgres}. */
export interface PostgresOptions extends SqlOptions {
  /** A pool of the package `pg` to use, in place of one made here; it is left open. */
  readonly pool?: PostgresPoolLike | undefined;
  /**
   * What the package's own `Pool` takes, such as `host`, `user`, `password`, `database` and `ssl`, `max` (connections, 10 by default),
   * `idleTimeoutMillis` (10 seconds by default: choose less than the proxies on the way allow) and `maxUses`; goes before the URL.
   */
  readonly poolOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** A pool of the package `pg`. */
export interface PostgresPoolLike {
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

const OPTIONS = [...SQL_OPTIONS, 'pool', 'poolOptions'];

/**
 * A backend in a table of PostgreSQL 12 or newer; by Kysely and the package `pg`, which must be installed.
 *
 * Nothing connects before the first operation. A connection that broke is replaced when one is needed; what was under way rejects with a
 * `ConnectionError`.
 *
 * @param place `postgres://[user[:password]@]host[:port]/database`, with the parameters that `pg` knows, such as `?sslmode=require`; or the
 * options alone
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` or `sweepEvery` that is not positive and finite
 *
 * @example
 * const sessions = postgres('postgres://app:secret@db.example.com/app', { table: 'sessions', ttl: '1h' });
 */
export function postgres(place: string | URL | PostgresOptions, options: PostgresOptions = {}): Backend {
  const url = typeof place === 'string' || place instanceof URL ? String(place) : undefined;
  const given = typeof place === 'string' || place instanceof URL ? options : place;
  const settings = toSettings(given, OPTIONS, 'postgres');
  checkWays(given, url !== undefined, ['pool', 'kysely'], 'postgres');
  if (given.kysely !== undefined) checkKysely(given.kysely, 'postgres');
  if (given.pool !== undefined && typeof given.pool?.connect !== 'function') {
    throw new InvalidArgumentError(`postgres: pool must be a Pool of the package pg; got ${show(given.pool)}`);
  }
  const what = whereOf(url, given);
  const where = `postgres at ${what}`;
  const driver = new PostgresDriver({
    ...settings,
    name: `${where}, table ${settings.table}`,
    open: () => open(url, given, settings, where),
  });
  return new Backend(driver, settings.options);
}

function whereOf(url: string | undefined, { pool, kysely, poolOptions = {} }: PostgresOptions): string {
  if (pool !== undefined) return 'the pool that was given';
  if (kysely !== undefined) return 'the Kysely that was given';
  if (url !== undefined) return parsePlace(url, ['postgres', 'postgresql']).shown;
  const { host = 'localhost', port = 5432, database = '' } = poolOptions;
  return `${host}:${port}/${database}`;
}

async function open(
  url: string | undefined,
  options: PostgresOptions,
  settings: SqlSettings,
  where: string,
): Promise<Opened<PostgresStatements>> {
  const compiler = await Compiler.load('postgres');
  const clients = (await connect(url, options, settings, where)) as Clients<unknown>;
  const link = new PooledLink(clients, settings.timeout, where);
  try {
    await ensureTable(link, postgresSchema(compiler, settings.table), settings.table, where);
    if (settings.history) await ensureHistory(link, postgresHistory(compiler, settings.table), settings.table, where);
  } catch (error) {
    await link.close();
    throw error;
  }
  const history = settings.history ? historyStatements(compiler, settings.table) : undefined;
  return { link, statements: postgresStatements(compiler, settings.table), history };
}

async function connect(
  url: string | undefined,
  { pool, kysely, poolOptions }: PostgresOptions,
  { timeout }: SqlSettings,
  where: string,
): Promise<unknown> {
  if (pool !== undefined) return PostgresClients.of(pool as PostgresPool, where);
  if (kysely !== undefined) {
    const failures = { explain: (error: unknown) => explain(error, where, meaningOf(error)), judge };
    return new KyselyClients(kysely as unknown as AnyKysely, failures);
  }
  const place = url === undefined ? {} : { connectionString: url };
  return PostgresClients.make({ connectionTimeoutMillis: timeout, keepAlive: true, ...place, ...poolOptions }, where);
}
