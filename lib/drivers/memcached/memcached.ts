import { Backend } from '../../backend/backend.js';
import { checkNamespace, checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { MemcachedDriver } from './driver.js';
import { type Place, parsePlace, parseServer } from './place.js';
import { Server } from './server.js';

/** Options of {@link memcached}. */
export interface MemcachedOptions extends BackendOptions {
  /**
   * How long connecting, and each command, may take; 5 seconds by default. A `clear` or a listing is many commands. A connection to a
   * server that does not answer in time is given up, and made again when it is needed.
   */
  readonly timeout?: Duration | undefined;
  /**
   * What every key starts with on the servers, before a `:`, of at most 100 characters; `'keepsake'` by default, so that others' keys are left alone.
   * `null` for no namespace: keys are those of the servers, and `clear()` must be told `{ everything: true }`.
   */
  readonly namespace?: string | null | undefined;
  /**
   * The servers, each as `'host'`, `'host:port'` or the path of a unix socket; in place of those of a URL. Keys are spread over them by their names: a
   * server that is written otherwise is another one.
   */
  readonly servers?: readonly string[] | undefined;
  /** The user, where the servers ask for one (`memcached -Y`); goes before that of the URL. May hold no space. */
  readonly username?: string | undefined;
  /** The password; goes before that of the URL. */
  readonly password?: string | undefined;
}

const OWN = ['namespace', 'servers', 'username', 'password'] as const;
const OPTIONS = [...BACKEND_OPTIONS, ...OWN];

const NAMESPACE = 'keepsake';
/** So that a digest fits beside it into a key of the server. */
const LONGEST_NAMESPACE = 100;
const TIMEOUT = 5000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * A backend on memcached 1.6 or newer, one server or several. An entry is an item of memcached; what is conditional is decided by its
 * compare-and-set tokens, on the server.
 *
 * Memcached keeps everything in its memory: entries are gone when it ends, and it evicts some when it is full.
 *
 * Nothing connects before the first operation. A connection that broke is made again by a later operation; what was under way rejects with a
 * `ConnectionError`. Of several servers, one that is down fails its own keys. Deadlines are judged by the clock of this process.
 *
 * @param place `memcached://[user:password@]host[:port][,host[:port]…]`, `memcached:///path/of/socket`, or the options alone.
 * `memcached://localhost:11211` by default
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` that is not positive and finite, and a `namespace` that is too long
 *
 * @example
 * const pages = memcached('memcached://one.example.com,two.example.com', { namespace: 'pages', ttl: '1h' });
 */
export function memcached(
  place: string | URL | MemcachedOptions = 'memcached://localhost:11211',
  options: MemcachedOptions = {},
): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : options;
  checkOptions(given, OPTIONS, 'memcached');
  const { namespace = NAMESPACE, timeout: limit, ttl, onCorrupt, report } = given;
  const prefix = toPrefix(namespace);
  const timeout = Math.min(limit === undefined ? TIMEOUT : toMilliseconds(limit, 'timeout'), LONGEST);
  const { servers, username, password } = toPlace(alone ? undefined : String(place), given);
  const found = new Map(servers.map(parseServer).map((server) => [server.name, server.place]));
  if (found.size < servers.length) {
    throw new InvalidArgumentError(`memcached: a server is there twice in ${servers.join(', ')}`);
  }
  const made = [...found].map(
    ([name, where]) => new Server(name, { place: where, where: `memcached at ${name}`, username, password }, timeout),
  );
  const within = namespace === null ? 'no namespace' : `namespace ${namespace}`;
  const driver = new MemcachedDriver(made, prefix, `memcached at ${[...found.keys()].join(',')}, ${within}`);
  return new Backend(driver, { ttl, onCorrupt, report });
}

function toPrefix(namespace: string | null): string {
  if (namespace === null) return '';
  checkNamespace(namespace);
  if (namespace.length <= LONGEST_NAMESPACE) return `${namespace}:`;
  throw new OutOfRangeError(
    `memcached: a namespace may have ${LONGEST_NAMESPACE} characters here; ${show(namespace)} has ${namespace.length}`,
  );
}

function toPlace(url: string | undefined, options: MemcachedOptions): Place {
  const { servers, username, password } = options;
  if (url?.includes('?')) {
    throw new InvalidArgumentError(
      'memcached: options go into the second argument; only openBackend reads them from a URL',
    );
  }
  if (url !== undefined && servers !== undefined) {
    throw new InvalidArgumentError('memcached: servers stand in the URL or in the options, not in both');
  }
  if (servers !== undefined && !(Array.isArray(servers) && servers.length > 0)) {
    throw new InvalidArgumentError(`memcached: servers must be an array of at least one; got ${show(servers)}`);
  }
  const place: Place = servers === undefined ? parsePlace(url ?? 'memcached://localhost') : { servers };
  const user = username ?? place.username;
  const secret = password ?? place.password;
  for (const [name, text] of Object.entries({ username: user, password: secret })) {
    if (text !== undefined && (typeof text !== 'string' || text === '' || /[\s\0]/.test(text))) {
      throw new InvalidArgumentError(`memcached: ${name} must be text without spaces, and not empty`);
    }
  }
  if ((user === undefined) !== (secret === undefined)) {
    throw new InvalidArgumentError('memcached: username and password go together');
  }
  return { servers: place.servers, username: user, password: secret };
}
