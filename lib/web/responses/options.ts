import { checkOptions } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { InvalidArgumentError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';

/** How long something lives: milliseconds or text such as `'5m'`, in whole seconds, as HTTP counts; `'forever'` and `Infinity` are for ever. */
export type Lifetime = Duration | 'forever';

/** How the responses of a route are cached. */
export interface RouteCacheOptions {
  /** How long a response is fresh that does not say; what the application's options say by default. */
  readonly ttl?: Lifetime | undefined;
  /**
   * So long after that, a response is given at once, while the handler makes a new one in the background; not at all by default. What a response
   * says itself goes before.
   */
  readonly staleWhileRevalidate?: Duration | undefined;
  /**
   * Whether requests with `Authorization` are answered from the cache, and their responses stored; `false` by default, when only responses are that
   * say `public`, `s-maxage` or `must-revalidate`. `true` is for routes that answer everybody the same.
   */
  readonly authorized?: boolean | undefined;
  /** The same for requests with `Cookie`; `false` by default. */
  readonly cookies?: boolean | undefined;
  /** What to do with a response that has `Set-Cookie`: not store it (`'skip'`, the default), or store it without that header (`'strip'`). */
  readonly setCookie?: 'skip' | 'strip' | undefined;
  /** The longest body that is stored, in bytes; longer ones are passed on as they are. What the application's options say by default. */
  readonly maxBytes?: number | undefined;
}

/** Whether and how a route's responses are cached: `true` for the default time, a time, or options. */
export type RouteCache = boolean | Lifetime | RouteCacheOptions;

/** How the responses of an application are cached. */
export interface ResponseCacheOptions extends RouteCacheOptions {
  /** How long a response is fresh that does not say; a minute by default. */
  readonly ttl?: Lifetime | undefined;
  /** The longest body that is stored, in bytes; 1,048,576 by default. */
  readonly maxBytes?: number | undefined;
  /** Whether the `Cache-Control` of requests counts; `true` by default. With `false`, no client makes a handler run whose response is cached. */
  readonly honourRequests?: boolean | undefined;
  /**
   * Whether a request that changes something (`POST`, `PUT` and so on), and succeeds, voids the cached response of its URL (RFC 9111, section 4.4); `true` by
   * default.
   */
  readonly invalidate?: boolean | undefined;
  /** How long a request waits for the response that another one is making, before it makes its own; 10 seconds by default. */
  readonly waitFor?: Duration | undefined;
  /** The time; `Date.now` by default. */
  readonly clock?: Clock | undefined;
}

const ROUTE_OPTIONS = ['ttl', 'staleWhileRevalidate', 'authorized', 'cookies', 'setCookie', 'maxBytes'];
const OPTIONS = [...ROUTE_OPTIONS, 'honourRequests', 'invalidate', 'waitFor', 'clock'];

/** A route's options, checked. */
export interface RoutePlan {
  /** Seconds; `undefined` for ever. */
  readonly ttl: number | undefined;
  /** Seconds. */
  readonly staleWhileRevalidate: number;
  readonly authorized: boolean;
  readonly cookies: boolean;
  readonly setCookie: 'skip' | 'strip';
  readonly maxBytes: number;
  /** What chooses the route besides its URL; `''` where that is nothing. */
  readonly scope: string;
}

/** An application's options, checked. */
export interface ResponseSettings {
  readonly usual: RoutePlan;
  readonly honourRequests: boolean;
  readonly invalidate: boolean;
  readonly waitFor: number;
  readonly clock: Clock;
}

const USUAL: RoutePlan = {
  ttl: 60,
  staleWhileRevalidate: 0,
  authorized: false,
  cookies: false,
  setCookie: 'skip',
  maxBytes: 2 ** 20,
  scope: '',
};

/** Checks the options of an application. */
export function responseSettings(options: ResponseCacheOptions = {}): ResponseSettings {
  checkOptions(options, OPTIONS, 'responses');
  const { honourRequests = true, invalidate = true, waitFor = '10s', clock = Date.now } = options;
  checkBooleans({ honourRequests, invalidate });
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`responses: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  const usual = merge(options, USUAL);
  return { usual, honourRequests, invalidate, waitFor: toMilliseconds(waitFor, 'waitFor'), clock };
}

/**
 * What a route asks for; `undefined` for a route that is not cached.
 * @throws InvalidArgumentError for what is none of the choices
 * @throws OutOfRangeError for a time that is no whole number of seconds from one on
 */
export function routePlan(asked: RouteCache | undefined, usual: RoutePlan): RoutePlan | undefined {
  if (asked === undefined || asked === false) return undefined;
  if (asked === true) return usual;
  if (typeof asked !== 'object') return merge({ ttl: asked }, usual);
  checkOptions(asked, ROUTE_OPTIONS, 'cache');
  return merge(asked, usual);
}

function merge(options: RouteCacheOptions, usual: RoutePlan): RoutePlan {
  const { authorized = usual.authorized, cookies = usual.cookies, setCookie = usual.setCookie } = options;
  const { ttl, staleWhileRevalidate, maxBytes = usual.maxBytes } = options;
  checkBooleans({ authorized, cookies });
  if (setCookie !== 'skip' && setCookie !== 'strip') {
    throw new InvalidArgumentError(`cache: setCookie must be 'skip' or 'strip'; got ${show(setCookie)}`);
  }
  if (!(Number.isSafeInteger(maxBytes) && maxBytes >= 0)) {
    throw new OutOfRangeError(`cache: maxBytes must be a whole number of bytes; got ${show(maxBytes)}`);
  }
  return {
    ttl: ttl === undefined ? usual.ttl : lifetime(ttl),
    staleWhileRevalidate:
      staleWhileRevalidate === undefined
        ? usual.staleWhileRevalidate
        : seconds(staleWhileRevalidate, 'staleWhileRevalidate'),
    ...{ authorized, cookies, setCookie, maxBytes, scope: usual.scope },
  };
}

function lifetime(ttl: Lifetime): number | undefined {
  return ttl === 'forever' || ttl === Number.POSITIVE_INFINITY ? undefined : seconds(ttl, 'ttl');
}

function seconds(duration: Duration, name: string): number {
  const milliseconds = toMilliseconds(duration, `cache: ${name}`);
  if (Number.isInteger(milliseconds / 1000)) return milliseconds / 1000;
  throw new OutOfRangeError(
    `cache: ${name} must be whole seconds, in milliseconds such as 60_000 or as text such as '60s'; got ${show(duration)}, which is ${milliseconds} ms`,
  );
}

function checkBooleans(options: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(options)) {
    if (typeof value !== 'boolean') {
      throw new InvalidArgumentError(`cache: ${name} must be true or false; got ${show(value)}`);
    }
  }
}
