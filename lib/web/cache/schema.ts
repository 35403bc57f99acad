import ms from 'ms';
import { Backend } from '../../backend/backend.js';
import { parseServer } from '../../drivers/memcached/place.js';
import { parsePlace } from '../../drivers/redis/place.js';
import { show } from '../../show.js';
import { CODEC_NAMES, isCodec } from './codecs.js';
import type { CacheConfiguration } from './options.js';
import { AWS_REGIONS } from './regions.js';

/** The names of backends, those included that are other words for one. */
export const BACKEND_NAMES: Readonly<Record<string, string>> = {
  inmemory: 'inmemory',
  memory: 'inmemory',
  memcached: 'memcached',
  mongodb: 'mongodb',
  dynamodb: 'dynamodb',
  redis: 'redis',
  valkey: 'valkey',
  sqlite: 'sqlite',
  files: 'files',
};

/** The shortest and the longest time to live, in seconds. */
export const SHORTEST_TTL = 1;
export const LONGEST_TTL = 3600;

/** What an option must be: `undefined` where it is, otherwise the rule, and what to write. */
type Rule = (value: unknown) => string | undefined;

/** An option: its rule, and whether its value may be shown. */
interface Field {
  readonly rule: Rule;
  /** `'secret'` is never shown; of a `'url'` the user and the password are not. */
  readonly shown?: 'secret' | 'url';
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** A rule for text that a pattern knows. */
function pattern(expression: RegExp, rule: string): Rule {
  return (value) => (isText(value) && expression.test(value) ? undefined : rule);
}

/** A rule for what a function reads without throwing. */
function readable(read: (text: string) => unknown, rule: string): Rule {
  return (value) => {
    try {
      if (!isText(value)) return rule;
      read(value);
      return undefined;
    } catch {
      return rule;
    }
  };
}

function url(schemes: RegExp, rule: string): Rule {
  return (value) => {
    if (!isText(value) || !schemes.test(value) || /\s/.test(value)) return rule;
    // Several hosts, as in a replica set, are no URL to URL.
    const one = value.replace(/^([^/]*\/\/(?:[^@/]*@)?[^,/?#]*)[^/?#]*/, '$1');
    return URL.canParse(one) && new URL(one).hostname !== '' ? undefined : rule;
  };
}

/** Both faces of a rule that other options count on too. */
function redisUrl(schemes: readonly string[]): Rule {
  const known = schemes.map((scheme) => `${scheme}:`).join(' or ');
  const rule = `must be a URL with ${known}; write ${schemes[0]}://[user:password@]host[:port][/database]`;
  const reads = readable(parsePlace, rule);
  return (value) => reads(value) ?? (schemes.some((one) => String(value).startsWith(`${one}:`)) ? undefined : rule);
}

function memcachedHosts(text: string): void {
  for (const server of text.split(',')) if (server === '' || parseServer(server).name === '') throw new TypeError();
}

function ttl(value: unknown): string | undefined {
  const fits = Number.isSafeInteger(toSeconds(value)) && Number(toSeconds(value)) >= SHORTEST_TTL;
  if (fits && Number(toSeconds(value)) <= LONGEST_TTL) return undefined;
  return `must be a whole number of seconds from ${SHORTEST_TTL} to ${LONGEST_TTL}, or text such as "5m"`;
}

/** The seconds of a time to live; `undefined` for what is none. */
export function toSeconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  // Text without a unit would be milliseconds everywhere else.
  if (!isText(value) || value.length > 100 || !/[a-z]$/i.test(value)) return undefined;
  const milliseconds = ms(value as ms.StringValue);
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

function oneOf(names: readonly string[]): string {
  return `must be one of ${names.map((name) => `"${name}"`).join(', ')}`;
}

const backendNames = oneOf(Object.keys(BACKEND_NAMES));
const codecNames = `${oneOf(CODEC_NAMES)}, or a Codec`;

/** Every option with its rule. */
export const FIELDS: { readonly [Name in keyof Required<CacheConfiguration>]: Field } = {
  backend: {
    rule: (value) =>
      value instanceof Backend || (isText(value) && Object.hasOwn(BACKEND_NAMES, value.toLowerCase()))
        ? undefined
        : `${backendNames}, or a Backend`,
  },
  codec: {
    rule: (value) =>
      isCodec(value) || (isText(value) && CODEC_NAMES.includes(value.toLowerCase())) ? undefined : codecNames,
  },
  ttl: { rule: ttl },
  namespace: {
    rule: pattern(
      /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/,
      'may hold letters, digits, "_", "-" and "." (not first), at most 100',
    ),
  },
  honourCacheControl: {
    rule: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  },
  redisUrl: { rule: redisUrl(['redis', 'rediss', 'redis+unix']), shown: 'url' },
  valkeyUrl: { rule: redisUrl(['valkey', 'valkeys', 'redis', 'rediss']), shown: 'url' },
  memcachedHost: {
    rule: readable(memcachedHosts, 'must be a host, "host:port", or several with commas'),
  },
  memcachedUsername: { rule: pattern(/^[^\s\0]+$/, 'must be text without spaces') },
  memcachedPassword: { rule: pattern(/^[^\s\0]+$/, 'must be text without spaces'), shown: 'secret' },
  mongodbUrl: {
    rule: url(
      /^mongodb(\+srv)?:\/\//,
      'must be a URL with mongodb: or mongodb+srv:; write mongodb://[user:password@]host[:port]',
    ),
    shown: 'url',
  },
  databaseName: {
    rule: (value) =>
      isText(value) && Buffer.byteLength(value) <= 63 && !/[\0/\\. "$*<>:|?]/.test(value)
        ? undefined
        : 'must be a name of 1 to 63 bytes without / \\ . " $ * < > : | ? and spaces',
  },
  // What it must be depends on the backend.
  tableName: { rule: (value) => (isText(value) ? undefined : 'must be the name of a table or collection') },
  region: {
    rule: (value) =>
      isText(value) && AWS_REGIONS.has(value)
        ? undefined
        : 'must be a region of Amazon Web Services, such as "eu-central-1"',
  },
  dynamodbUrl: {
    rule: url(/^https?:\/\/[^@/?#]+\/?$/, 'must be a URL with http: or https:, a host, and nothing more'),
    shown: 'url',
  },
  awsAccessKeyId: { rule: pattern(/^\w{16,128}$/, 'must be 16 to 128 letters, digits and "_"'), shown: 'secret' },
  awsSecretAccessKey: { rule: pattern(/^\S+$/, 'must be text without spaces'), shown: 'secret' },
  awsSessionToken: { rule: pattern(/^\S+$/, 'must be text without spaces'), shown: 'secret' },
  sqliteUrl: {
    rule: pattern(/^sqlite:[^?#]+$/, 'must be the place of a database; write sqlite:./cache.db'),
    shown: 'url',
  },
  folder: { rule: pattern(/^[^\0]+$/, 'must be the path of a folder') },
};

/** What `tableName` must be where the backend has one. */
export const TABLE_RULES: Readonly<Record<string, Rule>> = {
  dynamodb: pattern(
    /^[A-Za-z0-9_.-]{3,255}$/,
    'must be a name of 3 to 255 letters, digits, "_", "-" and "." with dynamodb',
  ),
  mongodb: (value) =>
    isText(value) && Buffer.byteLength(value) <= 120 && !/[\0$]|^system\./.test(value)
      ? undefined
      : 'must be a name of 1 to 120 bytes without "$", not starting with "system.", with mongodb',
  sqlite: pattern(
    /^[A-Za-z_][A-Za-z0-9_]{0,39}$/,
    'must be a letter or "_", then at most 39 letters, digits and "_", with sqlite',
  ),
};

/** The option that each backend cannot do without. */
export const NEEDED: Readonly<Record<string, keyof CacheConfiguration>> = {
  redis: 'redisUrl',
  valkey: 'valkeyUrl',
  memcached: 'memcachedHost',
  mongodb: 'mongodbUrl',
  sqlite: 'sqliteUrl',
  files: 'folder',
};

/** The value of an option, to be shown without passwords; `undefined` for secrets. */
export function shownValue(name: keyof CacheConfiguration, value: unknown): string | undefined {
  const { shown } = FIELDS[name];
  if (shown === 'secret') return undefined;
  return shown === 'url' ? show(isText(value) ? withoutSecrets(value) : value) : shownSafely(value);
}

/** A value of which nobody knows what it should have been. It may be a URL. */
export function shownSafely(value: unknown): string {
  return show(isText(value) && /@|:\/\//.test(value) ? withoutSecrets(value) : value);
}

/** Whatever stands before an @ may be a password, also where the rest is no URL. */
function withoutSecrets(text: string): string {
  return text.replace(/^(.*?\/\/)?.*@/s, '$1…@').replace(/\?.*$/s, '?…');
}
