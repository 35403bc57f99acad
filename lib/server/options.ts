import type { FastifyRequest } from 'fastify';
import { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';

/** What a request is about to do: `'read'` changes nothing. */
export type Access = 'read' | 'write';

/**
 * Says whether a request may do that. Only `true` lets it pass: otherwise it is answered with 401. What it throws is answered with 500.
 * It is asked before the body is read.
 */
export type Authorize = (request: FastifyRequest, access: Access) => boolean | Promise<boolean>;

/** How many requests a client may make. */
export interface RateLimit {
  /** How many, in each `window`: a whole number from 1. Those beyond are answered with 429. */
  readonly max: number;
  /** How long a window is, from the first request of it on; a minute by default. */
  readonly window?: Duration | undefined;
  /**
   * Where it is counted, such as a namespace of a backend that several servers share; memory of this process, for at most 100,000 clients,
   * by default.
   */
  readonly backend?: Backend<Uint8Array> | Backend<number> | Backend<unknown> | undefined;
}

/** Options of the REST interface. */
export interface RestOptions {
  /**
   * Who may do what, such as `bearer(token)`. Without, everybody on this machine may do everything, and nobody else anything: requests
   * that come to another address than a loopback one, or under another name, or through a proxy, are answered with 403.
   */
  readonly authorize?: Authorize | undefined;
  /** The longest body of a request, in bytes; 1 MiB by default. What is longer is answered with 413, as soon as it is. */
  readonly bodyLimit?: number | undefined;
  /** How many requests each client may make, by its address; no limit by default. Of IPv6 the first 64 bits count. */
  readonly rateLimit?: RateLimit | undefined;
  /**
   * Origins of web pages that may use the interface, such as `'https://app.example.com'`; none but its own by default. What a browser sends
   * for another page is answered with 403.
   */
  readonly origins?: readonly string[] | undefined;
}

/** The names of {@link RestOptions}. */
export const REST_OPTIONS = ['authorize', 'bodyLimit', 'rateLimit', 'origins'] as const;

/** The longest body, unless an option says otherwise. */
export const BODY_LIMIT = 2 ** 20;
const WINDOW = 60_000;

/** The options with their defaults. */
export interface CheckedOptions {
  readonly authorize: Authorize | undefined;
  readonly bodyLimit: number;
  readonly rateLimit:
    | { readonly max: number; readonly window: number; readonly backend: Backend<unknown> | undefined }
    | undefined;
  readonly origins: ReadonlySet<string>;
}

/**
 * Checks the options of the REST interface.
 * @throws InvalidArgumentError, OutOfRangeError
 */
export function checkRestOptions(options: RestOptions, what: string): CheckedOptions {
  const { authorize, bodyLimit = BODY_LIMIT, rateLimit, origins = [] } = options;
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw new InvalidArgumentError(
      `${what}: authorize must be a function, such as bearer(token); got ${show(authorize)}`,
    );
  }
  if (!Number.isSafeInteger(bodyLimit) || bodyLimit < 1) {
    throw new OutOfRangeError(`${what}: bodyLimit must be a whole number of bytes from 1; got ${show(bodyLimit)}`);
  }
  return {
    authorize,
    bodyLimit,
    rateLimit: rateLimit && checkRateLimit(rateLimit, what),
    origins: toOrigins(origins, what),
  };
}

/** Checks that it is a backend. */
export function checkBackend(backend: unknown, what: string): asserts backend is Backend {
  if (backend instanceof Backend) return;
  throw new InvalidArgumentError(`${what}: backend must be a Backend; got ${show(backend)}`);
}

function checkRateLimit(rateLimit: RateLimit, what: string): CheckedOptions['rateLimit'] {
  checkOptions(rateLimit, ['max', 'window', 'backend'], `${what}: rateLimit`);
  const { max, window = WINDOW, backend } = rateLimit;
  if (!Number.isSafeInteger(max) || max < 1) {
    throw new OutOfRangeError(`${what}: rateLimit.max must be a whole number from 1; got ${show(max)}`);
  }
  if (backend !== undefined) {
    checkBackend(backend, `${what}: rateLimit`);
    if (backend.capabilities.increment === 'none') {
      throw new InvalidArgumentError(`${what}: rateLimit.backend cannot count: ${backend.name} has no increment`);
    }
  }
  return { max, window: toMilliseconds(window, 'rateLimit.window'), backend: backend as Backend<unknown> | undefined };
}

function toOrigins(origins: readonly string[], what: string): ReadonlySet<string> {
  if (!Array.isArray(origins))
    throw new InvalidArgumentError(`${what}: origins must be an array; got ${show(origins)}`);
  for (const origin of origins) {
    if (typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin) continue;
    throw new InvalidArgumentError(
      `${what}: an origin is scheme, host and port alone, such as 'https://app.example.com'; got ${show(origin)}`,
    );
  }
  return new Set(origins);
}
