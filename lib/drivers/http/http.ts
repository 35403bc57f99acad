import { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { Connection } from './connection.js';
import { HttpDriver } from './driver.js';
import { type Fetch, ownPool } from './pool.js';

/** Options of {@link http}. */
export interface HttpOptions extends BackendOptions {
  /** Where the server is, with the prefix of the backend, if it has one; in place of the first argument. */
  readonly url?: string | URL | undefined;
  /** The bearer token that lets us in; none by default. */
  readonly token?: string | undefined;
  /** Headers for every request, such as another `authorization`; none by default. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long each request may take, connecting and trying again included; 5 seconds by default. A `clear` is one, a listing many. */
  readonly timeout?: Duration | undefined;
  /**
   * How often a request is sent again: one that only reads, after a connection that broke and after 502, 503 and 504; one that writes, only where no
   * connection came about. A whole number from 0 to 10; 1 by default.
   */
  readonly retries?: number | undefined;
  /** What is called in place of the global `fetch`, for a proxy or a client certificate. Its connections are its own affair. */
  readonly fetch?: Fetch | undefined;
}

const OPTIONS = [...BACKEND_OPTIONS, 'url', 'token', 'headers', 'retries', 'fetch'];
const TIMEOUT = 5000;
const RETRIES = 1;
/** The longest time that a timer takes. */
const LONGEST = 2 ** 31 - 1;
/** Headers that the driver decides about. */
const RESERVED = [
  'if-match',
  'if-none-match',
  'content-type',
  'content-length',
  'host',
  'connection',
  'transfer-encoding',
];

/**
 * A backend that a keepsake server holds, see `createServer` and `backendRoutes` of `keepsake/server`; by the global `fetch`. What is conditional is decided
 * by the server.
 *
 * Nothing connects before the first operation. What was under way when a connection broke rejects with a `ConnectionError`, unless it only reads and is
 * sent again, see `retries`. Redirects are not followed, and no key leads to another host.
 *
 * @param place `http://host[:port][/prefix]` or `https:`, or the options alone
 * @throws InvalidArgumentError for what is no such URL, and for wrong options
 * @throws OutOfRangeError for `timeout` and `retries` out of their range
 *
 * @example
 * const notes = http('https://store.example.com/notes', { token: process.env.NOTES_TOKEN });
 */
export function http(place: string | URL | HttpOptions, options: HttpOptions = {}): Backend {
  const alone = typeof place === 'object' && !(place instanceof URL);
  const given = alone ? place : options;
  checkOptions(given, OPTIONS, 'http');
  if (!alone && given.url !== undefined) throw new InvalidArgumentError('http: the URL is there twice');
  const { timeout, retries = RETRIES, token, headers = {}, ttl, onCorrupt, report, fetch } = given;
  if (!Number.isInteger(retries) || retries < 0 || retries > 10) {
    throw new OutOfRangeError(`http: retries must be a whole number from 0 to 10; got ${show(retries)}`);
  }
  if (fetch !== undefined && typeof fetch !== 'function') {
    throw new InvalidArgumentError(`http: fetch must be a function; got ${show(fetch)}`);
  }
  const { base, where } = toPlace(alone ? given.url : place);
  const connection = new Connection(
    {
      base,
      where,
      headers: { ...toHeaders(headers), ...authorization(token), 'accept-encoding': 'identity' },
      timeout: Math.min(timeout === undefined ? TIMEOUT : toMilliseconds(timeout, 'timeout'), LONGEST),
      retries,
    },
    () => (fetch === undefined ? ownPool() : { fetch, close: async () => undefined }),
  );
  return new Backend(new HttpDriver(connection), { ttl, onCorrupt, report });
}

function toPlace(place: unknown): { readonly base: string; readonly where: string } {
  const text = String(place ?? '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidArgumentError(
      `http: a URL such as http://localhost:8080/notes is expected; got ${show(withoutSecrets(text))}`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError(`http: ${url.host} with user or password: give token, or the header authorization`);
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InvalidArgumentError('http: options go into the second argument; only openBackend reads them from a URL');
  }
  const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  return { base, where: `http at ${base}` };
}

function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^@/]*@/, '//…@').replace(/\?.*/s, '');
}

function authorization(token: string | undefined): Readonly<Record<string, string>> {
  if (token === undefined) return {};
  if (typeof token === 'string' && /^[A-Za-z0-9._~+/-]+=*$/.test(token)) return { authorization: `Bearer ${token}` };
  throw new InvalidArgumentError(
    'http: a token is made of letters, digits and - . _ ~ + / (= at its end), and is not empty',
  );
}

function toHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const checked: Record<string, string> = {};
  let read: Headers;
  try {
    read = new Headers(headers);
  } catch {
    throw new InvalidArgumentError('http: headers must be an object of names and texts that HTTP can carry');
  }
  for (const [name, value] of read) {
    if (RESERVED.includes(name) || name.startsWith('keepsake')) {
      throw new InvalidArgumentError(`http: the header ${show(name)} is decided by each request`);
    }
    checked[name] = value;
  }
  return checked;
}
