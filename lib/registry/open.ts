import { fileURLToPath } from 'node:url';
import type { Backend } from '../backend/backend.js';
import { decodePart } from '../backend/checks.js';
import type { Awaitable } from '../backend/driver.js';
import type { BackendOptions } from '../backend/options.js';
import { type FilesOptions, files } from '../drivers/files/files.js';
import { memory } from '../drivers/memory.js';
import { InvalidArgumentError } from '../errors.js';
import { show, withoutPassword } from '../show.js';

/** What {@link openBackend} takes beside the place; the URL's query goes before. */
export interface OpenOptions extends BackendOptions {
  /** The extension of files; `'.bin'` by default. */
  readonly extension?: string | undefined;
}

type Opener = (url: string, query: URLSearchParams, options: OpenOptions) => Awaitable<Backend<never>>;

/** The schemes of URLs, without the colon. */
export const schemes: ReadonlyMap<string, Opener> = new Map<string, Opener>([
  ['memory', openMemory],
  ['file', openFiles],
  ['redis', openRedis],
  ['rediss', openRedis],
  ['redis+unix', openRedis],
  ['valkey', openRedis],
  ['valkeys', openRedis],
  ['sqlite', openSqlite],
  ['postgres', openPostgres],
  ['postgresql', openPostgres],
  ['mysql', openMysql],
  ['mariadb', openMysql],
  ['memcached', openMemcached],
  ['s3', openS3],
  ['mongodb', openMongodb],
  ['mongodb+srv', openMongodb],
  ['dynamodb', openDynamodb],
  ['http', openHttp],
  ['https', openHttp],
]);

/**
 * Opens the backend that a folder or URL names.
 *
 * | place | backend |
 * |---|---|
 * | `./data`, `/var/lib/app`, `C:\data` | `files('./data')` |
 * | `file:./data?durability=none&shared=true` | `files`; also `extension`, `layout`, `temporary`, `ttl`, `readOnly`, `lockTimeout`, `visibleWithin`, `checkpointEvery`, `segmentSize` |
 * | `memory:?max=1000` | `memory`; also `maxBytes`, `ttl` |
 * | `redis://user:password@host:6379/0?namespace=app` | `redis`; also `cluster`, `timeout`, `ttl`; `rediss:` with TLS, `redis+unix:///path`, `valkey:`, `valkeys:`. An empty `namespace` is none |
 * | `sqlite:./data/app.db?table=app` | `sqlite`; also `history`, `timeout`, `ttl`; `sqlite::memory:` |
 * | `postgres://user:password@host:5432/database?table=app` | `postgres`; also `history`, `timeout`, `ttl`, `max` connections, and `sslmode`, `host` and what else `pg` reads |
 * | `mysql://user:password@host:3306/database?table=app` | `mysql`; also `history`, `timeout`, `ttl`, `connectionLimit` |
 * | `memcached://host:11211,other?namespace=app` | `memcached`; also `timeout`, `ttl`; `memcached:///path`. An empty `namespace` is none |
 * | `https://host/prefix?token=…` | `http`; also `retries`, `timeout`, `ttl`; `http:` |
 * | `s3://bucket/prefix?endpoint=https://host&region=eu-central-1` | `s3`; also `pathStyle`, `namespace`, `conditionalPut`, `conditionalDelete`, `timeout`, `ttl`. An empty `namespace` is none |
 * | `mongodb://user:password@host/database?collection=app` | `mongodb`; also `timeout`, `ttl`, and what the package `mongodb` reads; `mongodb+srv:` |
 * | `dynamodb://region/table?endpoint=https://host` | `dynamodb`; also `create`, `timeout`, `ttl` |
 *
 * @throws InvalidArgumentError for an unknown scheme or option, naming those there are
 */
export async function openBackend<V = Uint8Array>(place: string | URL, options: OpenOptions = {}): Promise<Backend<V>> {
  const text = String(place);
  if (text === '') throw new InvalidArgumentError('openBackend: a folder or URL is expected; got ""');
  // A scheme of one letter is a drive of Windows.
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(text)?.[1]?.toLowerCase();
  const backend = scheme === undefined ? files(text, options) : await openUrl(text, scheme, options);
  try {
    return (await backend.open()) as unknown as Backend<V>;
  } catch (error) {
    await backend.close();
    throw error;
  }
}

function openUrl(url: string, scheme: string, options: OpenOptions): Awaitable<Backend<never>> {
  const opener = schemes.get(scheme);
  if (opener === undefined) {
    const known = [...schemes.keys()].map((name) => `${name}:`).join(', ');
    throw new InvalidArgumentError(
      `${show(url)}: there is no scheme ${show(`${scheme}:`)}; there are ${known}, and a folder`,
    );
  }
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  return opener(at < 0 ? url : url.slice(0, at), query, options);
}

function openMemory(url: string, query: URLSearchParams, options: OpenOptions): Backend<never> {
  if (!/^memory:(\/\/)?$/.test(url)) throw new InvalidArgumentError(`${show(url)}: memory: has no path`);
  const given = read(url, query, { max: toNumber, maxBytes: toNumber, ttl: toText });
  const { extension: _, ...rest } = options;
  return memory({ ...rest, ...given }) as unknown as Backend<never>;
}

function openFiles(url: string, query: URLSearchParams, options: OpenOptions): Backend<never> {
  const folder = url.startsWith('file://') ? fileURLToPath(url) : decode(url.slice('file:'.length), url);
  if (folder === '') throw new InvalidArgumentError(`${show(url)} names no folder; write file:./data`);
  const known = {
    extension: toText,
    layout: toText,
    durability: toText,
    temporary: toText,
    ttl: toText,
    shared: toBoolean,
    readOnly: toBoolean,
    lockTimeout: toDuration,
    visibleWithin: toText,
    checkpointEvery: toText,
    segmentSize: toNumber,
  };
  return files(folder, { ...options, ...read(url, query, known) } as FilesOptions) as unknown as Backend<never>;
}

async function openRedis(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { redis } = await import('../drivers/redis/redis.js');
  const known = { namespace: toText, cluster: toBoolean, timeout: toText, ttl: toText };
  const { namespace, ...given } = read(withoutPassword(url), query, known);
  const { extension: _, ...rest } = options;
  const within = namespace === undefined ? {} : { namespace: namespace === '' ? null : String(namespace) };
  return redis(url, { ...rest, ...given, ...within }) as unknown as Backend<never>;
}

const SQL = { table: toText, history: toBoolean, timeout: toText, ttl: toText };

async function openSqlite(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { sqlite } = await import('../drivers/sql/sqlite/sqlite.js');
  const { extension: _, ...rest } = options;
  return sqlite(decode(url, url), { ...rest, ...read(url, query, SQL) }) as unknown as Backend<never>;
}

/** What the package `pg` reads from a URL by itself. */
const POSTGRES = ['host', 'port', 'user', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'application_name', 'options'];

async function openPostgres(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { postgres } = await import('../drivers/sql/postgres/postgres.js');
  const handedOn = new URLSearchParams([...query].filter(([name]) => POSTGRES.includes(name)));
  const known = { ...SQL, max: toNumber, ...Object.fromEntries(POSTGRES.map((name) => [name, toText])) };
  const given = read(withoutPassword(url), query, known);
  const { max } = given;
  const own = Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(SQL, name)));
  const { extension: _, ...rest } = options;
  const place = handedOn.size === 0 ? url : `${url}?${handedOn}`;
  const poolOptions = max === undefined ? undefined : { max };
  return postgres(place, { ...rest, ...own, poolOptions }) as unknown as Backend<never>;
}

async function openMysql(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { mysql } = await import('../drivers/sql/mysql/mysql.js');
  const { connectionLimit, ...own } = read(withoutPassword(url), query, { ...SQL, connectionLimit: toNumber });
  const { extension: _, ...rest } = options;
  const poolOptions = connectionLimit === undefined ? undefined : { connectionLimit };
  return mysql(url, { ...rest, ...own, poolOptions }) as unknown as Backend<never>;
}

async function openMemcached(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { memcached } = await import('../drivers/memcached/memcached.js');
  const known = { namespace: toText, timeout: toText, ttl: toText };
  const { namespace, ...given } = read(withoutPassword(url), query, known);
  const { extension: _, ...rest } = options;
  const within = namespace === undefined ? {} : { namespace: namespace === '' ? null : String(namespace) };
  return memcached(url, { ...rest, ...given, ...within }) as unknown as Backend<never>;
}

async function openS3(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { s3 } = await import('../drivers/s3/s3.js');
  const known = {
    ...{ endpoint: toText, region: toText, pathStyle: toBoolean, namespace: toText, timeout: toText, ttl: toText },
    ...{ conditionalPut: toBoolean, conditionalDelete: toBoolean },
  };
  const { namespace, ...given } = read(withoutPassword(url), query, known);
  const { extension: _, ...rest } = options;
  const within = namespace === undefined ? {} : { namespace: namespace === '' ? null : String(namespace) };
  return s3(url, { ...rest, ...given, ...within }) as unknown as Backend<never>;
}

async function openMongodb(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { mongodb } = await import('../drivers/mongodb/mongodb.js');
  const { extension: _, ...rest } = options;
  const given: { [name: string]: unknown } = {};
  for (const name of ['collection', 'timeout', 'ttl']) {
    const text = query.get(name);
    if (text !== null) given[name] = text;
    query.delete(name);
  }
  // The package reads the others, and knows which there are.
  const place = query.size === 0 ? url : `${url}?${query}`;
  return mongodb(place, { ...rest, ...given }) as unknown as Backend<never>;
}

async function openDynamodb(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { dynamodb } = await import('../drivers/dynamodb/dynamodb.js');
  const known = { endpoint: toText, create: toBoolean, timeout: toText, ttl: toText };
  const { extension: _, ...rest } = options;
  return dynamodb(url, { ...rest, ...read(withoutPassword(url), query, known) }) as unknown as Backend<never>;
}

async function openHttp(url: string, query: URLSearchParams, options: OpenOptions): Promise<Backend<never>> {
  const { http } = await import('../drivers/http/http.js');
  const known = { token: toText, retries: toNumber, timeout: toText, ttl: toText };
  const { extension: _, ...rest } = options;
  return http(url, { ...rest, ...read(withoutPassword(url), query, known) }) as unknown as Backend<never>;
}

function decode(text: string, url: string): string {
  return decodePart(text, () => new InvalidArgumentError(`${show(url)}: a % in a path is written as %25`));
}

type Reader = (text: string, name: string) => unknown;

function read(
  url: string,
  query: URLSearchParams,
  known: { readonly [name: string]: Reader },
): { [name: string]: unknown } {
  const given: { [name: string]: unknown } = {};
  for (const [name, text] of query) {
    const reader = Object.hasOwn(known, name) ? known[name] : undefined;
    if (reader === undefined) {
      throw new InvalidArgumentError(
        `${show(url)}: there is no option ${show(name)}; there are ${Object.keys(known).join(', ')}`,
      );
    }
    given[name] = reader(text, name);
  }
  return given;
}

function toText(text: string): string {
  return text;
}

function toDuration(text: string): number | string {
  return /^[0-9]+$/.test(text) ? Number(text) : text;
}

function toNumber(text: string, name: string): number {
  if (/^[0-9]+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${name} must be a whole number; got ${show(text)}`);
}

function toBoolean(text: string, name: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new InvalidArgumentError(`${name} must be true or false; got ${show(text)}`);
}
