import { toMilliseconds } from '../../backend/duration.js';
import { InvalidArgumentError } from '../../errors.js';
import { Counters, type Hits, type RateLimitStoreOptions } from './counters.js';

/** What a limiter is told of a client. */
export interface RateLimitInfo {
  /** How often the client came within the window, this time included. */
  totalHits: number;
  /** When the window ends. */
  resetTime: Date;
}

/** What a limiter tells its store. */
export interface RateLimitSettings {
  /** The window's length in milliseconds. */
  readonly windowMs: number;
}

/** The stores of `express-rate-limit` and `hono-rate-limiter`, which have one interface. */
export class RateLimitStore {
  /** What the keys start with, for the limiters, which warn where two count the same. */
  readonly prefix: string;
  /** What is counted here is counted for all who share the backend. */
  readonly localKeys: boolean = false;
  readonly #what: string;
  readonly #counters: Counters;
  #window: number | undefined;

  /** @param what the class's name, for messages */
  protected constructor(options: RateLimitStoreOptions, what: string) {
    this.#what = what;
    this.#counters = Counters.of(options, what);
    this.prefix = options.prefix ?? '';
  }

  /** Takes the window's length from the limiter, which calls this. */
  init(settings: RateLimitSettings): void {
    this.#window = toMilliseconds(settings.windowMs, 'windowMs');
  }

  /** Counts a request, in one atomic operation. The first one begins the window, and none moves its end. */
  async increment(key: string): Promise<RateLimitInfo> {
    if (this.#window === undefined) {
      throw new InvalidArgumentError(`${this.#what}: it counts for a limiter, which calls init({ windowMs }) first`);
    }
    return this.#info(await this.#counters.hit(key, this.#window));
  }

  /** Takes a request back: for `skipFailedRequests` and `skipSuccessfulRequests`. */
  async decrement(key: string): Promise<void> {
    await this.#counters.takeBack(key);
  }

  /** What was counted so far; `undefined` outside of a window. */
  async get(key: string): Promise<RateLimitInfo | undefined> {
    const found = await this.#counters.read(key);
    return found && this.#info(found);
  }

  /** Lets a client begin anew. */
  async resetKey(key: string): Promise<void> {
    await this.#counters.reset(key);
  }

  /** Lets all clients begin anew: removes the keys with this store's prefix, and no others. */
  async resetAll(): Promise<void> {
    await this.#counters.clear();
  }

  /** Does nothing: the backend belongs to whoever made it. */
  shutdown(): void {}

  #info({ hits, expiresAt }: Hits): RateLimitInfo {
    // Only a counter that somebody else has made has no end.
    return { totalHits: hits, resetTime: new Date(expiresAt ?? Date.now() + (this.#window ?? 0)) };
  }
}

/**
 * A store of `express-rate-limit` over any backend that can `increment`. Where that is atomic across processes, as on Redis or an SQL database,
 * they share the limit.
 *
 * Each limiter needs a store of its own, with a `prefix` of its own where they share a place.
 *
 * @example
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, store: new ExpressRateLimitStore({ backend: redis('redis://localhost') }) }));
 */
export class ExpressRateLimitStore extends RateLimitStore {
  /** @throws InvalidArgumentError for options that are none */
  constructor(options: RateLimitStoreOptions) {
    super(options, 'ExpressRateLimitStore');
  }
}

/**
 * A store of `hono-rate-limiter` over any backend that can `increment`. Where that is atomic across processes, as on Redis or an SQL database,
 * they share the limit.
 *
 * Each limiter needs a store of its own, with a `prefix` of its own where they share a place.
 *
 * @example
 * app.use(rateLimiter({ windowMs: 60_000, limit: 100, keyGenerator, store: new HonoRateLimitStore({ backend: redis('redis://localhost') }) }));
 */
export class HonoRateLimitStore extends RateLimitStore {
  /** @throws InvalidArgumentError for options that are none */
  constructor(options: RateLimitStoreOptions) {
    super(options, 'HonoRateLimitStore');
  }
}
