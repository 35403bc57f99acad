import type * as Mongo from 'mongodb';
import { Backend } from '../../backend/backend.js';
import { checkOptions, decodePart } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';
import { Collection, type Connecting } from './collection.js';
import { MongodbDriver } from './driver.js';

/** A client of the package `mongodb`. */
export interface MongoClientLike {
  connect(): Promise<unknown>;
  db(name?: string): unknown;
  close(): Promise<void>;
}

/** Options of {@link mongodb}. */
export interface MongodbOptions extends BackendOptions {
  /** How long connecting, and each request, may take; 5 seconds by default. A listing is many requests. */
  readonly timeout?: Duration | undefined;
  /** The database; goes before that of the URL. `'keepsake'` by default. */
  readonly database?: string | undefined;
  /** The collection, which is made where it is missing; goes before that of the URL. `'keepsake'` by default. Have one for keepsake alone. */
  readonly collection?: string | undefined;
  /** A client to use, in place of one made here. It is connected if it is not yet, and left open. */
  readonly client?: MongoClientLike | undefined;
  /** What the package's `MongoClient` takes beside, such as `auth`, `tls` or `maxPoolSize`. */
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
  /** The time in milliseconds since 1970, by which entries expire; `Date.now` by default. MongoDB removes them by its own. */
  readonly clock?: Clock | undefined;
}

const OPTIONS = [...BACKEND_OPTIONS, 'database', 'collection', 'client', 'clientOptions', 'clock'];
const NAME = 'keepsake';
const TIMEOUT = 5000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;
const URL_FORM = 'mongodb://[user:password@]host[:port][,host…][/database][?collection=name&…]';

/**
 * A backend on MongoDB 4.4 or newer; by the package `mongodb`, which must be installed. An entry is a document, whose `_id` is the key;
 * MongoDB removes it by a TTL index some time after its deadline, from which on nobody sees it. Everything that is conditional is atomic
 * on the server.
 *
 * Nothing connects before the first operation, which also makes the index.
 *
 * @param place `mongodb://` or `mongodb+srv://`, as the package takes it, with `collection` beside; or the options alone.
 * `mongodb://localhost:27017` by default
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` that is not positive and finite
 *
 * @example
 * const sessions = mongodb('mongodb://db.example.com/app?collection=sessions', { ttl: '1h' });
 */
export function mongodb(
  place: string | URL | MongodbOptions = 'mongodb://localhost:27017',
  options: MongodbOptions = {},
): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : options;
  checkOptions(given, OPTIONS, 'mongodb');
  const { timeout: limit, client, clock = Date.now, clientOptions, ttl, onCorrupt, report } = given;
  if (client !== undefined && (!alone || clientOptions !== undefined)) {
    throw new InvalidArgumentError(
      `mongodb: client goes without ${alone ? 'clientOptions' : 'a URL'}: it knows where the server is; name database and collection`,
    );
  }
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`mongodb: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  const timeout = Math.min(limit === undefined ? TIMEOUT : toMilliseconds(limit, 'timeout'), LONGEST);
  const read = parsePlace(alone ? 'mongodb://localhost:27017' : String(place));
  const database = checkName(given.database ?? read.database ?? NAME, 'database');
  const collection = checkName(given.collection ?? read.collection ?? NAME, 'collection');
  const place_ = { database, collection };
  const connecting: Connecting =
    client === undefined
      ? {
          ...place_,
          own: true,
          make: (library) => new library.MongoClient(read.url, configure(timeout, clientOptions)),
        }
      : { ...place_, own: false, make: () => checkClient(client) };
  if (client !== undefined) checkClient(client);
  const where = `mongodb at ${client === undefined ? read.hosts : 'the client that was given'}`;
  const name = `${where}, ${database}.${collection}`;
  return new Backend(new MongodbDriver(new Collection(connecting, where, timeout), clock, name), {
    ttl,
    onCorrupt,
    report,
  });
}

/** The package has timers of its own, for what nobody waits for any more. */
function configure(timeout: number, more: Readonly<Record<string, unknown>> = {}): Mongo.MongoClientOptions {
  // Sooner than ours, since it knows why no server was found.
  const sooner = Math.ceil(timeout * 0.75);
  return {
    serverSelectionTimeoutMS: sooner,
    connectTimeoutMS: sooner,
    waitQueueTimeoutMS: sooner,
    socketTimeoutMS: timeout,
    ...more,
  };
}

interface Place {
  /** What the package takes. */
  readonly url: string;
  readonly hosts: string;
  readonly database: string | undefined;
  readonly collection: string | undefined;
}

function parsePlace(url: string): Place {
  const match = /^(mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^@/?#]+))(?:\/([^/?#@]*))?(?:\?([^#]*))?$/.exec(url);
  if (match === null) throw invalid(url);
  const [, servers = '', hosts = '', path = '', query = ''] = match;
  if (!hosts.split(',').every((host) => /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(:[0-9]{1,5})?$/.test(host))) {
    // Not shown: what should be a port may be a password that was cut off at a character of its own.
    throw new InvalidArgumentError(
      `mongodb: the URL names hosts that are none: write ${URL_FORM}, with user and password percent-encoded`,
    );
  }
  const parameters = new URLSearchParams(query);
  const collection = parameters.get('collection') ?? undefined;
  parameters.delete('collection');
  return {
    url: `${servers}/${path}${parameters.size === 0 ? '' : `?${parameters}`}`,
    hosts,
    database: path === '' ? undefined : decodePart(path, () => invalid(url)),
    collection,
  };
}

function invalid(url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `mongodb: ${show(withoutPassword(url))} is no URL of MongoDB: write ${URL_FORM}, with user and password percent-encoded`,
  );
}

function checkName(name: unknown, what: string): string {
  const fits =
    typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 120 && !/[\0$]|^system\./.test(name);
  if (fits && (what !== 'database' || !/[/\\. "*<>:|?]/.test(name))) return name;
  throw new InvalidArgumentError(`mongodb: ${what} must be a name that MongoDB takes; got ${show(name)}`);
}

function checkClient(client: MongoClientLike): Mongo.MongoClient {
  if (typeof client?.connect === 'function' && typeof client.db === 'function') {
    return client as unknown as Mongo.MongoClient;
  }
  throw new InvalidArgumentError(`mongodb: client must be one of the package mongodb; got ${show(client)}`);
}
