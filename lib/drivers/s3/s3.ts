import type * as Sdk from '@aws-sdk/client-s3';
import { Backend } from '../../backend/backend.js';
import { checkNamespace, checkOptions, decodePart } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';
import { type AwsCredentials, type Clients, checkEndpoint, makeClients } from '../aws/clients.js';
import { S3Driver } from './driver.js';
import { Objects } from './objects.js';

/** A client of the package `@aws-sdk/client-s3`. */
export interface S3ClientLike {
  send(...args: never[]): Promise<unknown>;
  destroy(): void;
}

/** A key of the service. */
export type S3Credentials = AwsCredentials;

/** Options of {@link s3}. */
export interface S3Options extends BackendOptions {
  /** How long each request may take, with what the SDK tries again; 15 seconds by default. A listing is many requests. */
  readonly timeout?: Duration | undefined;
  /** The bucket, which must be there; goes before that of the URL. */
  readonly bucket?: string | undefined;
  /** What the name of every object starts with, to the letter; goes before that of the URL. None by default. */
  readonly prefix?: string | undefined;
  /**
   * What every name starts with after the prefix, before a `:`. `'keepsake'` by default where there is no prefix, so that others' objects in
   * the bucket are left alone, and none where there is one. `null` for none: without a prefix `clear()` must then be told
   * `{ everything: true }`.
   */
  readonly namespace?: string | null | undefined;
  /** The URL of a server other than Amazon's, such as MinIO, Ceph or R2. */
  readonly endpoint?: string | undefined;
  /** The region; by default what the SDK finds in the environment, and with an `endpoint` `us-east-1` where it finds none. */
  readonly region?: string | undefined;
  /** Whether the bucket stands in the path of a request rather than in the host's name; `true` by default where there is an `endpoint`. */
  readonly pathStyle?: boolean | undefined;
  /** The key of the service; by default what the SDK finds in the environment, its files and the machine's role. */
  readonly credentials?: S3Credentials | undefined;
  /** Whether the server checks `If-Match` and `If-None-Match` of writes; `true` by default. With `false`, what needs it is refused. */
  readonly conditionalPut?: boolean | undefined;
  /**
   * Whether the server checks `If-Match` of deletes, as Amazon's does; by default where there is no `endpoint`. Say `true` only of a
   * server that does: one that does not deletes whatever is there. With `false`, `delete` with `if` is refused, and expired objects stay.
   */
  readonly conditionalDelete?: boolean | undefined;
  /** A client to use, in place of one made here. It is left open. Give it `maxAttempts: 1`. */
  readonly client?: S3ClientLike | undefined;
  /** What the SDK's `S3Client` takes beside, such as `requestHandler`. */
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
  /** The time in milliseconds since 1970, by which entries expire; `Date.now` by default. */
  readonly clock?: Clock | undefined;
}

const OWN = [
  ...['bucket', 'prefix', 'namespace', 'endpoint', 'region', 'pathStyle', 'credentials', 'conditionalPut'],
  ...['conditionalDelete', 'client', 'clientOptions', 'clock'],
] as const;
const OPTIONS = [...BACKEND_OPTIONS, ...OWN];
/** What makes a client, and so goes with none that was given. */
const OF_CLIENTS = ['endpoint', 'region', 'pathStyle', 'credentials', 'clientOptions'] as const;

const NAMESPACE = 'keepsake';
const TIMEOUT = 15_000;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * A backend on S3, or any server that speaks it; by the packages `@aws-sdk/client-s3` and `@aws-sdk/lib-storage`, which must be
 * installed. An entry is an object, whose name is the key and whose bytes are the value; one with a deadline has it in its metadata, and
 * ends in 16 random bytes.
 *
 * Nothing connects before the first operation. Conditions, `update`, `increment` and `touch` hold across processes by conditional writes,
 * which the server must have. Listing and counting ask the server once for each object whether it has expired.
 *
 * @param place `s3://bucket[/prefix][?endpoint=&region=&pathStyle=]`, or the options alone. A prefix in a URL ends in `/`, which is
 * added where it is missing
 * @throws InvalidArgumentError for what is no such URL, and for options that do not go together
 * @throws OutOfRangeError for a `timeout` that is not positive and finite
 *
 * @example
 * const pages = s3('s3://my-bucket/pages', { region: 'eu-central-1', ttl: '1d' });
 */
export function s3(place: string | URL | S3Options, options: S3Options = {}): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : { ...parsePlace(String(place)), ...defined(options) };
  checkOptions(given, OPTIONS, 's3');
  const { bucket, prefix = '', timeout: limit, clock = Date.now, endpoint, client } = given;
  if (typeof bucket !== 'string' || !/^[a-z0-9A-Z][a-z0-9A-Z._:/-]{1,253}$/.test(bucket)) {
    throw new InvalidArgumentError(`s3: bucket must be the name of a bucket; got ${show(bucket)}`);
  }
  if (
    typeof prefix !== 'string' ||
    !prefix.isWellFormed() ||
    prefix.includes('\0') ||
    Buffer.byteLength(prefix) > 512
  ) {
    throw new InvalidArgumentError(`s3: prefix must be text of at most 512 bytes without NUL; got ${show(prefix)}`);
  }
  for (const name of ['pathStyle', 'conditionalPut', 'conditionalDelete'] as const) checkFlag(given[name], name);
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`s3: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  const { namespace = prefix === '' ? NAMESPACE : null } = given;
  if (namespace !== null) checkNamespace(namespace);
  checkEndpoint(endpoint, 's3');
  const timeout = Math.min(limit === undefined ? TIMEOUT : toMilliseconds(limit, 'timeout'), LONGEST);
  const connect = client === undefined ? connecting(given, timeout) : through(client, given);
  const where = `s3 bucket ${bucket}${endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`}`;
  const whole = prefix + (namespace === null ? '' : `${namespace}:`);
  const name = `${where}, ${whole === '' ? 'no namespace' : `names that start with ${whole}`}`;
  const { conditionalPut = true, conditionalDelete = endpoint === undefined && client === undefined } = given;
  const { ttl, onCorrupt, report } = given;
  const objects = new Objects(bucket, connect, where, timeout);
  return new Backend(new S3Driver(objects, whole, { conditionalPut, conditionalDelete }, clock, name), {
    ttl,
    onCorrupt,
    report,
  });
}

function parsePlace(url: string): S3Options {
  const match = /^s3:\/\/([^/?#@:]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (match === null) throw invalid(url);
  const [, bucket, path = '', query = ''] = match;
  const given: { -readonly [Name in keyof S3Options]: S3Options[Name] } = { bucket };
  if (path !== '') given.prefix = `${decodePart(path, () => invalid(url)).replace(/\/$/, '')}/`;
  for (const [name, text] of new URLSearchParams(query)) {
    if (name === 'endpoint' || name === 'region') given[name] = text;
    else if (name === 'pathStyle' && /^(true|false)$/.test(text)) given.pathStyle = text === 'true';
    else {
      throw new InvalidArgumentError(
        `s3: a URL takes endpoint, region and pathStyle (true or false); got ${show(`${name}=${text}`)}`,
      );
    }
  }
  return given;
}

function invalid(url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `s3: ${show(withoutPassword(url))} is no URL of S3: write s3://bucket/prefix, and credentials as options`,
  );
}

function defined(options: S3Options): S3Options {
  checkOptions(options, OPTIONS, 's3');
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function checkFlag(value: unknown, name: string): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new InvalidArgumentError(`s3: ${name} must be true or false; got ${show(value)}`);
}

type Connect = (sdk: typeof Sdk) => Clients<Sdk.S3Client>;

function connecting(options: S3Options, timeout: number): Connect {
  const { endpoint, pathStyle = endpoint !== undefined } = options;
  const more = {
    forcePathStyle: pathStyle,
    // Other servers need not know the newer checksums.
    ...(endpoint === undefined
      ? {}
      : { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' }),
  };
  return (sdk) => makeClients((given) => new sdk.S3Client(given as Sdk.S3ClientConfig), options, more, timeout);
}

function through(client: S3ClientLike, options: S3Options): Connect {
  const other = OF_CLIENTS.find((name) => options[name] !== undefined);
  if (other !== undefined) {
    throw new InvalidArgumentError(`s3: client goes without ${other}: it knows where it asks, and as whom`);
  }
  if (typeof client?.send !== 'function' || typeof client.destroy !== 'function') {
    throw new InvalidArgumentError(`s3: client must be one of the package @aws-sdk/client-s3; got ${show(client)}`);
  }
  const given = client as unknown as Sdk.S3Client;
  return () => ({ patient: given, once: given, own: false });
}
