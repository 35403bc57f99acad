import { Backend } from '../../backend/backend.js';
import type { Codec } from '../../codecs/codec.js';
import { ConfigurationError, type ConfigurationMistake, InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import type { CacheConfiguration, CacheSource } from './options.js';
import { BACKEND_NAMES, FIELDS, NEEDED, shownSafely, shownValue, TABLE_RULES, toSeconds } from './schema.js';

type Name = keyof CacheConfiguration;

/** A configuration that was checked, with the defaults filled in and the names as we write them. It does not change any more. */
export interface CheckedConfiguration extends Readonly<Omit<CacheConfiguration, 'backend' | 'codec' | 'ttl'>> {
  readonly backend: string | Backend<unknown>;
  readonly codec: string | Codec<unknown> | undefined;
  /** Seconds. */
  readonly ttl: number;
  readonly honourCacheControl: boolean;
  readonly databaseName: string;
  readonly tableName: string;
}

const NAMES = new Map(Object.keys(FIELDS).map((name) => [plain(name), name as Name]));

/**
 * Reads and checks a configuration. Answers a promise only where a function gave one.
 * @throws ConfigurationError that holds all mistakes
 * @throws InvalidArgumentError for what is neither options nor pairs
 */
export function configure(source: CacheSource = {}): CheckedConfiguration | Promise<CheckedConfiguration> {
  const given = typeof source === 'function' ? source() : source;
  return isPromise(given) ? Promise.resolve(given).then(check) : check(given);
}

function isPromise(given: unknown): given is PromiseLike<unknown> {
  return typeof given === 'object' && given !== null && 'then' in given && typeof given.then === 'function';
}

function check(given: unknown): CheckedConfiguration {
  const mistakes: ConfigurationMistake[] = [];
  const options: { [name: string]: unknown } = {};
  for (const [name, value] of pairsOf(given)) {
    const known = typeof name === 'string' ? NAMES.get(plain(name)) : undefined;
    // What is not known may be a secret whose name is mistyped.
    if (known === undefined) {
      mistakes.push({ option: String(name), rule: `is no option; there are ${[...NAMES.values()].join(', ')}` });
    } else if (value !== undefined) options[known] = value;
  }
  for (const [name, value] of Object.entries(options) as [Name, unknown][]) {
    const rule = FIELDS[name].rule(value);
    if (rule === undefined) continue;
    mistakes.push({ option: name, rule, shown: shownValue(name, value) });
    // A backend that is none needs nothing.
    if (name !== 'backend') delete options[name];
  }
  const wrong = new Set(mistakes.map(({ option }) => option));
  checkTogether(options, wrong, mistakes);
  if (mistakes.length > 0) {
    const lines = mistakes.map(
      ({ option, rule, shown }) => `${option} ${rule}${shown === undefined ? '' : `; got ${shown}`}`,
    );
    throw new ConfigurationError(`the cache cannot be configured so:\n- ${lines.join('\n- ')}`, { mistakes });
  }
  const { backend = 'inmemory', codec, ttl = 60 } = options as CacheConfiguration;
  return Object.freeze({
    ...(options as CacheConfiguration),
    backend: typeof backend === 'string' ? (BACKEND_NAMES[backend.toLowerCase()] as string) : backend,
    codec: typeof codec === 'string' ? codec.toLowerCase() : (codec ?? (holdsObjects(backend) ? undefined : 'text')),
    ttl: toSeconds(ttl) as number,
    honourCacheControl: (options.honourCacheControl as boolean | undefined) ?? true,
    databaseName: (options.databaseName as string | undefined) ?? 'cachette-db',
    tableName: (options.tableName as string | undefined) ?? 'cachette',
  });
}

/** What options say together. Those that are wrong by themselves are not told of twice. */
function checkTogether(
  options: { readonly [name: string]: unknown },
  wrong: ReadonlySet<string>,
  mistakes: ConfigurationMistake[],
): void {
  const add = (option: Name, rule: string) => mistakes.push({ option, rule });
  const missing = (option: Name) => options[option] === undefined && !wrong.has(option);
  if (holdsObjects(options.backend) && options.codec !== undefined) {
    add('codec', 'goes with a backend of bytes; leave it out, since the backend given holds objects as they are');
  }
  const pair = (one: Name, other: Name) => {
    if ((options[one] !== undefined && missing(other)) || (options[other] !== undefined && missing(one))) {
      add(missing(one) ? one : other, `is missing: ${one} and ${other} go together`);
    }
  };
  pair('memcachedUsername', 'memcachedPassword');
  pair('awsAccessKeyId', 'awsSecretAccessKey');
  if (options.awsSessionToken !== undefined && missing('awsAccessKeyId')) {
    add('awsSessionToken', 'goes with awsAccessKeyId and awsSecretAccessKey');
  }
  if (wrong.has('backend') || options.backend instanceof Backend) return;
  const backend = BACKEND_NAMES[String(options.backend ?? 'inmemory').toLowerCase()] as string;
  const needed = NEEDED[backend];
  if (needed !== undefined && missing(needed)) add(needed, `is missing: the backend ${show(backend)} needs it`);
  if (backend === 'dynamodb' && missing('region') && missing('dynamodbUrl')) {
    add('region', 'is missing: the backend "dynamodb" needs a region, or a dynamodbUrl for a server of your own');
  }
  const table = options.tableName;
  const rule = table === undefined ? undefined : TABLE_RULES[backend]?.(table);
  if (rule !== undefined) mistakes.push({ option: 'tableName', rule, shown: shownValue('tableName', table) });
}

function holdsObjects(backend: unknown): boolean {
  return backend instanceof Backend && backend.capabilities.values === 'objects';
}

function pairsOf(given: unknown): Iterable<readonly [unknown, unknown]> {
  if (typeof given === 'object' && given !== null) {
    if (!(Symbol.iterator in given)) {
      if (given instanceof Backend) throw shape(given);
      return Object.entries(given);
    }
    const pairs = [...(given as Iterable<unknown>)];
    if (pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) return pairs as [unknown, unknown][];
  }
  throw shape(given);
}

function shape(given: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `the configuration of a cache must be an object of options or a list of pairs [name, value], or a function that gives one; got ${shownSafely(given)}`,
  );
}

/** A name without what differs between `redisUrl`, `redis_url` and `REDIS_URL`. */
function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}
