import type { Backend } from '../../backend/backend.js';
import type { Awaitable } from '../../backend/driver.js';
import type { Codec } from '../../codecs/codec.js';

/** The backends that a cache's configuration knows by name; `'memory'` is `'inmemory'`. Upper case does too. */
export type CacheBackendName =
  | 'inmemory'
  | 'memory'
  | 'memcached'
  | 'mongodb'
  | 'dynamodb'
  | 'redis'
  | 'valkey'
  | 'sqlite'
  | 'files';

/**
 * The codecs that a cache's configuration knows by name: `'text'` and `'vanilla'` are `text({ coerce: true })`, `'json'` and `'orjson'` are
 * `json()`, `'pickle'` and `'v8'` are `v8()`, `'feather'` and `'arrow'` are `arrow()`. Upper case does too.
 */
export type CacheCodecName =
  | 'text'
  | 'vanilla'
  | 'json'
  | 'orjson'
  | 'msgpack'
  | 'pickle'
  | 'v8'
  | 'csv'
  | 'feather'
  | 'arrow'
  | 'parquet';

/** The configuration of an application's cache (Cachette's options). All are optional, but for what a backend needs. */
export interface CacheConfiguration {
  /** Where values are kept; `'inmemory'` by default. A `Backend` of yours is left open in the end. */
  readonly backend?: CacheBackendName | Backend<unknown> | undefined;
  /**
   * How values are stored; `'text'` by default, which stores `String(value)` and gives text. A backend of yours that holds objects takes none, and
   * holds values as they are.
   */
  readonly codec?: CacheCodecName | Codec<unknown> | undefined;
  /** How long values live where `put` does not say: a whole number of **seconds** from 1 to 3600, or text such as `'5m'`; 60 by default. */
  readonly ttl?: number | string | undefined;
  /** The namespace of the backend in which the cache lives; `'cache'` by default, and none in a backend of yours. */
  readonly namespace?: string | undefined;
  /** Whether `Cache-Control` of a request counts for the cache that its handler gets; `true` by default. */
  readonly honourCacheControl?: boolean | undefined;
  /** With `redis`, needed: `redis://[user:password@]host[:port][/database]`, also `rediss:` and `redis+unix:`. */
  readonly redisUrl?: string | undefined;
  /** With `valkey`, needed: the same with `valkey:` or `valkeys:`. */
  readonly valkeyUrl?: string | undefined;
  /** With `memcached`, needed: `host[:port]`, several with commas. */
  readonly memcachedHost?: string | undefined;
  /** With `memcached`: the user; goes with the password. */
  readonly memcachedUsername?: string | undefined;
  /** With `memcached`: the password. */
  readonly memcachedPassword?: string | undefined;
  /** With `mongodb`, needed: `mongodb://[user:password@]host[:port]`, also `mongodb+srv:`. */
  readonly mongodbUrl?: string | undefined;
  /** With `mongodb`: the database, which is made where it is missing; `'cachette-db'` by default. */
  readonly databaseName?: string | undefined;
  /** With `dynamodb` and `sqlite` the table, with `mongodb` the collection, which is made where it is missing; `'cachette'` by default. */
  readonly tableName?: string | undefined;
  /** With `dynamodb`, needed unless there is a `dynamodbUrl`: a region of Amazon Web Services. */
  readonly region?: string | undefined;
  /** With `dynamodb`, needed unless there is a `region`: the URL of another server, such as `http://localhost:8000`. */
  readonly dynamodbUrl?: string | undefined;
  /** With `dynamodb`: the id of a key; goes with the secret. Without, the key is looked for where the SDK of Amazon does. */
  readonly awsAccessKeyId?: string | undefined;
  /** With `dynamodb`: the secret of the key. */
  readonly awsSecretAccessKey?: string | undefined;
  /** With `dynamodb`: the token of a temporary key. */
  readonly awsSessionToken?: string | undefined;
  /** With `sqlite`, needed: `sqlite:./cache.db`, or `sqlite::memory:`. */
  readonly sqliteUrl?: string | undefined;
  /** With `files`, needed: the folder. */
  readonly folder?: string | undefined;
}

/** A configuration as pairs. Names are taken without regard to case and `_`, so that `redis_url` is `redisUrl`; of the same name the last counts. */
export type ConfigurationPairs = Iterable<readonly [name: string, value: unknown]>;

/** A configuration: options or pairs, or a function that gives them or a promise of them. */
export type CacheSource =
  | CacheConfiguration
  | ConfigurationPairs
  | (() => Awaitable<CacheConfiguration | ConfigurationPairs>);
