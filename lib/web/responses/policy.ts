import { type Directives, parseCacheControl, secondsOf } from '../cache-control.js';
import { type HeaderList, headerIn } from './headers.js';
import type { RoutePlan } from './options.js';
import type { ResponseHead } from './record.js';

/** How long a response may be used, as far as the response and the route say (RFC 9111, sections 3 and 4.2). */
export type Terms = Pick<ResponseHead, 'age' | 'lifetime' | 'staleFor' | 'mustRevalidate' | 'shared'> & {
  /** The names of the request's headers that it depends on, in lower case and sorted. */
  readonly vary: readonly string[];
};

/** What is told of a response that may be stored. */
export interface Candidate {
  readonly status: number;
  readonly headers: HeaderList;
  /** Whether the request was authorised, or had a cookie, where the route does not say that this does not matter. */
  readonly personal: boolean;
}

/**
 * The terms of a response; `undefined` for one that must not be stored. Stored are statuses 200 to 299 but 206, 301 and 308 (as in Litestar).
 * @param now milliseconds since 1970
 */
export function termsOf({ status, headers, personal }: Candidate, plan: RoutePlan, now: number): Terms | undefined {
  const directives = parseCacheControl(headerIn(headers, 'cache-control'));
  if (!isCacheable(status) || ['no-store', 'no-cache', 'private'].some((name) => directives.has(name)))
    return undefined;
  if (plan.setCookie === 'skip' && headerIn(headers, 'set-cookie') !== undefined) return undefined;
  // A stream of events does not end.
  if (headerIn(headers, 'content-type')?.startsWith('text/event-stream')) return undefined;
  const vary = varyOf(headers);
  if (vary === undefined) return undefined;
  const shared = ['public', 's-maxage', 'must-revalidate'].some((name) => directives.has(name));
  if (personal && !shared) return undefined;
  const mustRevalidate = ['must-revalidate', 'proxy-revalidate', 's-maxage'].some((name) => directives.has(name));
  const lifetime = lifetimeOf(directives, headers, now) ?? plan.ttl ?? null;
  const window = secondsOf(directives, 'stale-while-revalidate') ?? plan.staleWhileRevalidate;
  const staleFor = mustRevalidate || lifetime === null ? 0 : window;
  const age = ageOf(headers);
  if (lifetime !== null && lifetime + staleFor <= age) return undefined;
  return { age, lifetime, staleFor, mustRevalidate, shared, vary };
}

function isCacheable(status: number): boolean {
  return (status >= 200 && status < 300 && status !== 206) || status === 301 || status === 308;
}

/** The names in `Vary`; `undefined` for a response that depends on more than headers say. */
function varyOf(headers: HeaderList): readonly string[] | undefined {
  const names = headerIn(headers, 'vary')
    ?.toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return names?.includes('*') ? undefined : [...new Set(names)].sort();
}

/** The seconds for which a response says to be fresh. */
function lifetimeOf(directives: Directives, headers: HeaderList, now: number): number | undefined {
  const named = secondsOf(directives, 's-maxage') ?? secondsOf(directives, 'max-age');
  if (named !== undefined) return named;
  const expires = headerIn(headers, 'expires');
  if (expires === undefined) return undefined;
  const date = Date.parse(headerIn(headers, 'date') ?? '');
  const seconds = Math.floor((Date.parse(expires) - (Number.isNaN(date) ? now : date)) / 1000);
  // What is no date, such as 0, is in the past.
  return seconds > 0 ? seconds : 0;
}

function ageOf(headers: HeaderList): number {
  const text = headerIn(headers, 'age') ?? '';
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
}

/** The age of a stored response in whole seconds. */
export function ageNow({ age, storedAt }: ResponseHead, now: number): number {
  return age + Math.max(0, Math.floor((now - storedAt) / 1000));
}

/**
 * Whether a stored response answers a request (RFC 9111, section 4): as a fresh one, as a stale one that is to be made anew meanwhile, as a stale one that the
 * request accepts, or not at all.
 */
export function judge(
  response: ResponseHead,
  request: Directives,
  now: number,
): 'fresh' | 'revalidate' | 'accepted' | 'no' {
  const age = ageNow(response, now);
  const most = secondsOf(request, 'max-age');
  if (request.has('no-cache') || (most !== undefined && age > most) || most === 0) return 'no';
  const { lifetime, staleFor, mustRevalidate } = response;
  const left = lifetime === null ? Number.POSITIVE_INFINITY : lifetime - age;
  if (left <= 0) {
    if (mustRevalidate || request.has('min-fresh')) return 'no';
    if (request.has('max-stale')) {
      // Without a value, however stale it is.
      const accepted = request.get('max-stale') === '' ? Number.POSITIVE_INFINITY : secondsOf(request, 'max-stale');
      if (-left <= (accepted ?? 0)) return 'accepted';
    }
    return -left < staleFor ? 'revalidate' : 'no';
  }
  return left < (secondsOf(request, 'min-fresh') ?? 0) ? 'no' : 'fresh';
}
