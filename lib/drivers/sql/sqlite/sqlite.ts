import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Backend } from '../../../backend/backend.js';
import { atomicAt, capabilities } from '../../../backend/capabilities.js';
import { InvalidArgumentError, isKeepsakeError, StorageError } from '../../../errors.js';
import { show } from '../../../show.js';
import { type AnyKysely, Compiler } from '../compiler.js';
import { abilities, type Opened } from '../driver.js';
import { ensureHistory, historyStatements } from '../history.js';
import { KyselyClients } from '../kysely-clients.js';
import type { Link } from '../link.js';
import { checkKysely, checkWays, SQL_OPTIONS, type SqlOptions, type SqlSettings, toSettings } from '../options.js';
import { PooledLink } from '../pooled-link.js';
import type { ReturningStatements } from '../returning.js';
import { ensureTable } from '../schema.js';
import { adapt, openDatabase, type SqliteDatabase } from './database.js';
import { SqliteDriver } from './driver.js';
import { explain, judge } from './failures.js';
import { SqliteLink } from './link.js';
import { sqliteHistory, sqliteSchema } from './schema.js';
import { sqliteStatements } from './statements.js';

/** Options of {@link sqlite}. */
export interface SqliteOptions extends SqlOptions {
  /**
   * A database to use, of `better-sqlite3`, `libsql` or `node:sqlite`, in place of one opened here; it is left open. Give it a connection
   * of its own: writes are transactions.
   */
  readonly database?: SqliteDatabase | undefined;
  /**
   * Pragmas of SQLite, set when it is opened, such as `{ synchronous: 'normal', cache_size: -64_000 }`. By default `journal_mode` is
   * `'wal'` and `synchronous` is `'full'`: a write that is acknowledged survives a power cut.
   */
  readonly pragmas?: Readonly<Record<string, string | number>> | undefined;
  /** What the constructor of the library takes beside the path. */
  readonly databaseOptions?: Readonly<Record<string, unknown>> | undefined;
}

const OPTIONS = [...SQL_OPTIONS, 'database', 'pragmas', 'databaseOptions'];

/** How long the thread stands still for another process that writes; then it is asked again after a while, in milliseconds. */
const BUSY_TIMEOUT = 50;

/**
 * A backend in a database of SQLite 3.35 or newer, a file or `':memory:'`; by Kysely and `better-sqlite3`, `libsql` or `node:sqlite`, of which
 * the first that is installed is used.
 *
 * Reads answer at once, in this thread. Writes of one tick share a transaction. Several processes may use one file.
 *
 * @param place the path, `sqlite:path`, or the options alone
 * @throws InvalidArgumentError for what is no path, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` or `sweepEvery` that is not positive and finite
 *
 * @example
 * const sessions = sqlite('./data/app.db', { table: 'sessions', ttl: '1h' });
 */
export function sqlite(place: string | SqliteOptions, options: SqliteOptions = {}): Backend {
  const path = typeof place === 'string' ? place.replace(/^sqlite:(?:\/\/(?=\/))?/, '') : undefined;
  const given = typeof place === 'string' ? options : place;
  const settings = toSettings(given, OPTIONS, 'sqlite');
  checkWays(given, path !== undefined, ['database', 'kysely'], 'sqlite');
  if (path === '' || (path === undefined && given.database === undefined && given.kysely === undefined)) {
    throw new InvalidArgumentError(`sqlite: the path of a database, or ':memory:', is expected; got ${show(place)}`);
  }
  if (path !== undefined && /[\0?]/.test(path)) {
    throw new InvalidArgumentError(
      `sqlite: ${show(path)} is no path: options go into the second argument; only openBackend reads them from a URL`,
    );
  }
  if (given.database !== undefined) adapt(given.database);
  if (given.kysely !== undefined) checkKysely(given.kysely, 'sqlite');
  checkPragmas(given.pragmas);
  const what = path === undefined ? 'the database that was given' : path;
  const name = `sqlite at ${what}, table ${settings.table}`;
  const driver = new SqliteDriver({
    ...settings,
    name,
    capabilities: path === ':memory:' ? inMemory : abilities,
    open: () => open(path, given, settings, `sqlite at ${what}`),
  });
  return new Backend(driver, settings.options);
}

const inMemory = capabilities({
  ...abilities,
  ...atomicAt('process'),
  setMany: 'process',
  persistent: false,
});

async function open(
  path: string | undefined,
  options: SqliteOptions,
  settings: SqlSettings,
  where: string,
): Promise<Opened<ReturningStatements>> {
  const kysely = options.kysely as unknown as AnyKysely | undefined;
  const compiler = await Compiler.load('sqlite');
  const link =
    kysely === undefined
      ? await connect(path, options, settings.timeout, where)
      : new PooledLink(
          new KyselyClients(kysely, { explain: (error) => explain(error, where), judge }),
          settings.timeout,
          where,
        );
  try {
    await ensureTable(link, sqliteSchema(compiler, settings.table), settings.table, where);
    if (settings.history) await ensureHistory(link, sqliteHistory(compiler, settings.table), settings.table, where);
  } catch (error) {
    await link.close();
    throw error;
  }
  const history = settings.history ? historyStatements(compiler, settings.table) : undefined;
  return { link, statements: sqliteStatements(compiler, settings.table), history };
}

async function connect(
  path: string | undefined,
  options: SqliteOptions,
  timeout: number,
  where: string,
): Promise<Link> {
  const database = options.database ?? (await openFile(path as string, options.databaseOptions ?? {}, where));
  const owned = options.database === undefined;
  const link = new SqliteLink(adapt(database), owned, timeout, where);
  const pragmas = owned ? { journal_mode: 'wal', synchronous: 'full', ...options.pragmas } : (options.pragmas ?? {});
  try {
    link.exec(`pragma busy_timeout = ${Math.min(timeout, BUSY_TIMEOUT)}`);
    for (const [name, value] of Object.entries(pragmas))
      await patiently(timeout, () => link.exec(`pragma ${name} = ${value}`));
  } catch (error) {
    await link.close();
    throw error;
  }
  return link;
}

async function openFile(
  path: string,
  options: Readonly<Record<string, unknown>>,
  where: string,
): Promise<SqliteDatabase> {
  try {
    if (path !== ':memory:') await mkdir(dirname(path), { recursive: true });
    return await openDatabase(path, options);
  } catch (error) {
    if (isKeepsakeError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new StorageError(`${where}: it cannot be opened: ${why}`, { cause: error });
  }
}

/** Does what another process may hold up, again and again. */
async function patiently(timeout: number, work: () => void): Promise<void> {
  const end = performance.now() + timeout;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isKeepsakeError(error, 'KEEPSAKE_LOCKED') || performance.now() > end) throw error;
      await setTimeout(10);
    }
  }
}

function checkPragmas(pragmas: unknown): void {
  if (pragmas === undefined) return;
  const isObject = typeof pragmas === 'object' && pragmas !== null;
  const wrong = isObject
    ? Object.entries(pragmas).find(
        ([name, value]) => !/^[a-z_]+$/.test(name) || !/^-?[A-Za-z0-9_]+$/.test(String(value)),
      )
    : [show(pragmas)];
  if (wrong === undefined) return;
  throw new InvalidArgumentError(
    `sqlite: pragmas must be names of pragmas with words or numbers; got ${wrong.map(String).join(': ')}`,
  );
}
