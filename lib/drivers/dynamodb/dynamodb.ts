import type * as Sdk from '@aws-sdk/client-dynamodb';
import { Backend } from '../../backend/backend.js';
import { checkOptions, decodePart } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';
import { type AwsCredentials, type Clients, checkEndpoint, makeClients } from '../aws/clients.js';
import { DynamodbDriver } from './driver.js';
import { Table } from './table.js';

/** A client of the package `@aws-sdk/client-dynamodb`. */
export interface DynamodbClientLike {
  send(...args: never[]): Promise<unknown>;
  destroy(): void;
}

/** A key of the service. */
export type DynamodbCredentials = AwsCredentials;

/** Options of {@link dynamodb}. */
export interface DynamodbOptions extends BackendOptions {
  /** How long each request may take, with what the SDK tries again; 10 seconds by default. A listing is many requests. */
  readonly timeout?: Duration | undefined;
  /** The table; goes before that of the URL. `'keepsake'` by default. Have one for keepsake alone. */
  readonly table?: string | undefined;
  /** Whether a table that is missing is made, and paid by the request; `true` by default. That may take a minute. */
  readonly create?: boolean | undefined;
  /** The region; goes before that of the URL. By default what the SDK finds in the environment. */
  readonly region?: string | undefined;
  /** The URL of a server other than Amazon's. */
  readonly endpoint?: string | undefined;
  /** The key of the service; by default what the SDK finds in the environment, its files and the machine's role. */
  readonly credentials?: DynamodbCredentials | undefined;
  /** A client to use, in place of one made here. It is left open. Give it `maxAttempts: 1`. */
  readonly client?: DynamodbClientLike | undefined;
  /** What the SDK's `DynamoDBClient` takes beside, such as `requestHandler`. */
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
  /** The time in milliseconds since 1970, by which entries expire; `Date.now` by default. DynamoDB removes them by its own. */
  readonly clock?: Clock | undefined;
}

/** What makes a client, and so goes with none that was given. */
const OF_CLIENTS = ['region', 'endpoint', 'credentials', 'clientOptions'] as const;
const OPTIONS = [...BACKEND_OPTIONS, ...OF_CLIENTS, 'table', 'create', 'client', 'clock'];
const NAME = 'keepsake';
const TIMEOUT = 10_000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * A backend on DynamoDB; by the package `@aws-sdk/client-dynamodb`, which must be installed. An entry is an item of at most 400 KB, whose
 * partition key is the key; DynamoDB removes it some days after its deadline, from which on nobody sees it. Everything that is
 * conditional is atomic on the server.
 *
 * Nothing connects before the first operation, which also makes the table where it is missing. Listing, counting and clearing read the
 * whole table, also for a prefix.
 *
 * @param place `dynamodb://region/table[?endpoint=]`, or the options alone
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` that is not positive and finite
 *
 * @example
 * const sessions = dynamodb('dynamodb://eu-central-1/sessions', { ttl: '1h' });
 */
export function dynamodb(place: string | URL | DynamodbOptions = {}, options: DynamodbOptions = {}): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : { ...parsePlace(String(place)), ...defined(options) };
  checkOptions(given, OPTIONS, 'dynamodb');
  const { table = NAME, create = true, timeout: limit, clock = Date.now, endpoint, client } = given;
  if (typeof table !== 'string' || !/^[A-Za-z0-9_.:/-]{3,1024}$/.test(table)) {
    throw new InvalidArgumentError(`dynamodb: table must be the name of a table; got ${show(table)}`);
  }
  if (typeof create !== 'boolean') {
    throw new InvalidArgumentError(`dynamodb: create must be true or false; got ${show(create)}`);
  }
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`dynamodb: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  checkEndpoint(endpoint, 'dynamodb');
  const timeout = Math.min(limit === undefined ? TIMEOUT : toMilliseconds(limit, 'timeout'), LONGEST);
  const connect = client === undefined ? connecting(given, timeout) : through(client, given);
  const where = `dynamodb table ${table}${endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`}`;
  const { ttl, onCorrupt, report } = given;
  return new Backend(new DynamodbDriver(new Table(table, create, connect, where, timeout), clock, where), {
    ttl,
    onCorrupt,
    report,
  });
}

function parsePlace(url: string): DynamodbOptions {
  const match = /^dynamodb:\/\/([a-z0-9-]*)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (match === null) throw invalid(url);
  const [, region = '', table = '', query = ''] = match;
  const given: { -readonly [Name in keyof DynamodbOptions]: DynamodbOptions[Name] } = {};
  if (region !== '') given.region = region;
  if (table !== '') given.table = decodePart(table, () => invalid(url));
  for (const [name, text] of new URLSearchParams(query)) {
    if (name !== 'endpoint') {
      throw new InvalidArgumentError(`dynamodb: a URL takes endpoint alone; got ${show(`${name}=${text}`)}`);
    }
    given.endpoint = text;
  }
  return given;
}

function invalid(url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `dynamodb: ${show(withoutPassword(url))} is no URL of DynamoDB: write dynamodb://region/table, and credentials as options`,
  );
}

function defined(options: DynamodbOptions): DynamodbOptions {
  checkOptions(options, OPTIONS, 'dynamodb');
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

type Connect = (sdk: typeof Sdk) => Clients<Sdk.DynamoDBClient>;

function connecting(options: DynamodbOptions, timeout: number): Connect {
  return (sdk) =>
    makeClients((given) => new sdk.DynamoDBClient(given as Sdk.DynamoDBClientConfig), options, {}, timeout);
}

function through(client: DynamodbClientLike, options: DynamodbOptions): Connect {
  const other = OF_CLIENTS.find((name) => options[name] !== undefined);
  if (other !== undefined) {
    throw new InvalidArgumentError(`dynamodb: client goes without ${other}: it knows where it asks, and as whom`);
  }
  if (typeof client?.send !== 'function' || typeof client.destroy !== 'function') {
    throw new InvalidArgumentError(
      `dynamodb: client must be one of the package @aws-sdk/client-dynamodb; got ${show(client)}`,
    );
  }
  const given = client as unknown as Sdk.DynamoDBClient;
  return () => ({ patient: given, once: given, own: false });
}
