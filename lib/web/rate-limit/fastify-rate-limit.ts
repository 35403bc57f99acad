import { toMilliseconds } from '../../backend/duration.js';
import { answer, type Callback } from '../callback.js';
import { Counters, type RateLimitStoreOptions } from './counters.js';

/** What a limit is told of a client. */
export interface FastifyRateLimitCount {
  /** How often the client came within the window, this time included. */
  current: number;
  /** The milliseconds that are left of the window. */
  ttl: number;
}

/** What `@fastify/rate-limit` says of a limit, of which the store reads this. */
export interface FastifyRateLimitSettings {
  readonly continueExceeding?: boolean | undefined;
  readonly exponentialBackoff?: boolean | undefined;
}

/** What a route is known by. */
export interface FastifyRouteInfo {
  readonly method?: string | readonly string[] | undefined;
  readonly url?: string | undefined;
}

/** What `@fastify/rate-limit` says of the limit of a route: its settings with the route in `routeInfo`. Its types say the route alone. */
export interface FastifyRateLimitRoute extends FastifyRateLimitSettings, FastifyRouteInfo {
  readonly routeInfo?: FastifyRouteInfo | undefined;
}

/** A store as `@fastify/rate-limit` wants it. */
export interface FastifyRateLimitStore {
  /** Counts a request, in one atomic operation. The first one begins a window of so many milliseconds. */
  incr(key: string, callback: Callback<FastifyRateLimitCount>, window: number, limit: number): void;
  /** What was counted so far. */
  read(key: string, callback: Callback<FastifyRateLimitCount>): void;
  /** The store of a route with a limit of its own, which counts for itself; all limits that name no route count together. */
  child(route: FastifyRateLimitRoute): FastifyRateLimitStore;
}

/**
 * A store of `@fastify/rate-limit` over any backend that can `increment`: a class, since the plugin makes the objects. Where `increment` is atomic
 * across processes, as on Redis or an SQL database, they share the limit.
 *
 * `continueExceeding` and `exponentialBackoff` move the window's end once the limit is exceeded, by one operation more.
 *
 * @example
 * app.register(fastifyRateLimit, { max: 100, timeWindow: '1 minute', store: fastifyRateLimitStore({ backend: redis('redis://localhost') }) });
 * @throws InvalidArgumentError for options that are none
 */
export function fastifyRateLimitStore(
  options: RateLimitStoreOptions,
): new (
  settings: FastifyRateLimitSettings,
) => FastifyRateLimitStore {
  const counters = Counters.of(options, 'fastifyRateLimitStore');
  return class extends RouteStore {
    constructor(settings: FastifyRateLimitSettings) {
      super(counters, settings);
    }
  };
}

class RouteStore implements FastifyRateLimitStore {
  readonly #counters: Counters;
  readonly #settings: FastifyRateLimitSettings;

  constructor(counters: Counters, settings: FastifyRateLimitSettings) {
    this.#counters = counters;
    this.#settings = settings;
  }

  incr(key: string, callback: Callback<FastifyRateLimitCount>, window: number, limit: number): void {
    answer(this.#count(key, window, limit), callback);
  }

  async #count(key: string, window: number, limit: number): Promise<FastifyRateLimitCount> {
    // The plugin allows a window of no length: every request begins another.
    if (window === 0) return { current: 1, ttl: 0 };
    // What a function of the application gave as `timeWindow` comes unchecked: no limit must not come of a mistake in it.
    const length = toMilliseconds(window, 'timeWindow');
    const { hits: current, left } = await this.#counters.hit(key, length);
    const longer = current > limit ? this.#longer(length, current - limit) : undefined;
    if (longer === undefined) return { current, ttl: left };
    await this.#counters.extend(key, longer);
    return { current, ttl: longer };
  }

  /** How long the window is from now on for one who goes on: as the plugin's own stores have it. */
  #longer(window: number, exceeded: number): number | undefined {
    if (this.#settings.continueExceeding === true) return window;
    if (this.#settings.exponentialBackoff === true) return Math.min(window * 2 ** (exceeded - 1), LONGEST);
    return undefined;
  }

  read(key: string, callback: Callback<FastifyRateLimitCount>): void {
    const reading = this.#counters.read(key).then((found) => ({ current: found?.hits ?? 0, ttl: found?.left ?? 0 }));
    answer(reading, callback);
  }

  child(route: FastifyRateLimitRoute): FastifyRateLimitStore {
    const { method = '', url = '' } = route.routeInfo ?? route;
    return new RouteStore(this.#counters.within(`${String(method)} ${url}`), route);
  }
}

/** The longest that a client is kept out by `exponentialBackoff`: a year. */
const LONGEST = 365 * 24 * 3_600_000;
