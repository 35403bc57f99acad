import type { ConnectionOptions } from 'node:tls';
import { Backend } from '../../backend/backend.js';
import { checkNamespace, checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import { connect, connectForEvents, through } from './clients.js';
import { Connection } from './connection.js';
import { RedisDriver } from './driver.js';
import type { EventSource } from './events.js';
import type { ClusterClient, SingleClient } from './link.js';
import { type Place, parsePlace } from './place.js';

/** A client of the package `redis`, as `createClient`, `createClientPool` or `createCluster` gives it. */
export interface RedisClient {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  sendCommand(...args: never[]): Promise<unknown>;
}

/** Options of {@link redis}. */
export interface RedisOptions extends BackendOptions {
  /**
   * How long connecting, and each command, may take; 5 seconds by default. A `clear` or a listing is many commands. A connection to a
   * server that does not answer in time is given up, and made again when it is needed.
   */
  readonly timeout?: Duration | undefined;
  /**
   * What every key starts with on the server, before a `:`; `'keepsake'` by default, so that others' keys on the server are left alone.
   * `null` for no namespace: keys are those of the server, and `clear()` must be told `{ everything: true }`.
   */
  readonly namespace?: string | null | undefined;
  /** Whether the server is part of a cluster; its others are found by asking it. `false` by default. */
  readonly cluster?: boolean | undefined;
  /** The user; goes before that of the URL. */
  readonly username?: string | undefined;
  /** The password; goes before that of the URL. */
  readonly password?: string | undefined;
  /** The number of the database; goes before that of the URL. 0 by default; clusters have no other. */
  readonly database?: number | undefined;
  /** How TLS is spoken, such as `{ ca }`: what `tls.connect` of Node takes. Also switches TLS on. */
  readonly tls?: boolean | ConnectionOptions | undefined;
  /** The path of a unix socket, in place of host and port. */
  readonly socket?: string | undefined;
  /**
   * Whether changes can be watched, see `Backend.watch`; `false` by default. The server must tell of them: its setting
   * `notify-keyspace-events` must be `K$ge` or more. Each watch has a connection of its own. Not in clusters.
   */
  readonly watch?: boolean | undefined;
  /** A client to use, in place of one made here. It is connected if it is not yet, and left open. */
  readonly client?: RedisClient | undefined;
  /** What the package's `createClient` or `createCluster` takes beside, such as `name` or `pingInterval`. */
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
}

const OWN = [
  ...['namespace', 'cluster', 'username', 'password', 'database', 'tls', 'socket', 'client', 'clientOptions', 'watch'],
] as const;
const OPTIONS = [...BACKEND_OPTIONS, ...OWN];

const NAMESPACE = 'keepsake';
const TIMEOUT = 5000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * A backend on Redis 7.0 or newer, or Valkey; by the package `redis`, which must be installed. An entry is a string of Redis, with
 * Redis' own expiry; everything that is conditional is atomic on the server.
 *
 * Nothing connects before the first operation. A connection that broke is made again by the next operation; what was under way rejects
 * with a `ConnectionError`. Deadlines are judged by the clock of the server.
 *
 * @param place `redis://[user[:password]@]host[:port][/database]`; `rediss:` with TLS; `valkey:`, `valkeys:`;
 * `redis+unix:///path/of/socket`; several hosts of a cluster with commas; or the options alone. `redis://localhost:6379` by default
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` that is not positive and finite
 *
 * @example
 * const sessions = redis('rediss://app:secret@cache.example.com', { namespace: 'sessions', ttl: '1h' });
 */
export function redis(
  place: string | URL | RedisOptions = 'redis://localhost:6379',
  options: RedisOptions = {},
): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : options;
  checkOptions(given, OPTIONS, 'redis');
  const { namespace = NAMESPACE, timeout: limit, ...rest } = given;
  if (namespace !== null) checkNamespace(namespace);
  const timeout = Math.min(limit === undefined ? TIMEOUT : toMilliseconds(limit, 'timeout'), LONGEST);
  const { connection, where, events } =
    given.client === undefined
      ? toPlace(alone ? 'redis://localhost:6379' : String(place), given, timeout)
      : toClient(given.client, given, alone, timeout);
  const name = `redis at ${where}, ${namespace === null ? 'no namespace' : `namespace ${namespace}`}`;
  const { ttl, onCorrupt, report } = rest;
  const driver = new RedisDriver(connection, namespace === null ? '' : `${namespace}:`, name, events);
  return new Backend(driver, { ttl, onCorrupt, report });
}

interface Connected {
  readonly connection: Connection;
  readonly where: string;
  readonly events?: EventSource | undefined;
}

function toPlace(url: string, options: RedisOptions, timeout: number): Connected {
  const { cluster = false, username, password, database, tls, socket, clientOptions = {}, watch = false } = options;
  if (url.includes('?')) {
    throw new InvalidArgumentError(
      'redis: options go into the second argument; only openBackend reads them from a URL',
    );
  }
  const read = parsePlace(url);
  const path = socket ?? read.socket;
  const place: Place = {
    hosts: read.hosts,
    username: username ?? read.username,
    password: password ?? read.password,
    database: database ?? read.database,
    socket: path,
    tls: tls === undefined ? read.tls : tls !== false,
  };
  check(place, cluster);
  if (watch !== false && (watch !== true || cluster)) {
    throw new InvalidArgumentError(`redis: watch must be true or false, and false in a cluster; got ${show(watch)}`);
  }
  const where = path ?? place.hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  const more = typeof tls === 'object' ? tls : undefined;
  const named = `redis at ${where}`;
  const how = { place, cluster, tls: more, timeout, more: clientOptions, where: named };
  return {
    connection: new Connection(() => connect(how), named, timeout),
    where,
    events: watch ? { database: place.database ?? 0, connect: () => connectForEvents(how) } : undefined,
  };
}

function check({ hosts, socket, database }: Place, cluster: boolean): void {
  if (typeof cluster !== 'boolean') {
    throw new InvalidArgumentError(`redis: cluster must be true or false; got ${show(cluster)}`);
  }
  if (database !== undefined && !(Number.isSafeInteger(database) && database >= 0)) {
    throw new InvalidArgumentError(`redis: database must be a whole number from 0; got ${show(database)}`);
  }
  if (!cluster && hosts.length > 1) {
    throw new InvalidArgumentError('redis: several hosts are those of a cluster: say { cluster: true }');
  }
  if (cluster && socket !== undefined) throw new InvalidArgumentError('redis: a cluster has no unix socket');
  if (cluster && database !== undefined && database !== 0) {
    throw new InvalidArgumentError(`redis: a cluster has the database 0 alone; got ${database}`);
  }
}

function toClient(client: RedisClient, options: RedisOptions, alone: boolean, timeout: number): Connected {
  const other = OWN.find((name) => !['client', 'namespace'].includes(name) && options[name] !== undefined);
  if (!alone || other !== undefined) {
    throw new InvalidArgumentError(
      `redis: client goes without ${alone ? other : 'a URL'}: it is connected already, or knows how`,
    );
  }
  if (typeof client?.sendCommand !== 'function' || typeof client.connect !== 'function') {
    throw new InvalidArgumentError(`redis: client must be one of the package redis; got ${show(client)}`);
  }
  const given = client as unknown as SingleClient | ClusterClient;
  const where = 'the client that was given';
  return { connection: new Connection(() => through(given, timeout), `redis at ${where}`, timeout), where };
}
