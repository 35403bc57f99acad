import { checkOptions } from '../backend/checks.js';
import { InvalidArgumentError } from '../errors.js';
import type { BackendRegistry } from '../registry/registry.js';
import { show } from '../show.js';
import { type BackendsOption, backendsOf, type UseOption } from './backends.js';
import type { HandlerCache } from './cache/handler-cache.js';
import { ApplicationCache } from './cache/open.js';
import type { CacheSource } from './cache/options.js';
import {
  type ResponseCacheOptions,
  type RouteCache,
  type RoutePlan,
  responseSettings,
  routePlan,
} from './responses/options.js';
import { ResponseCache } from './responses/response-cache.js';
import { ownOf } from './source.js';

/** What an application gets: the same for Fastify, Express and Hono. All is optional. */
export interface KeepsakeOptions {
  /** The configuration of the cache that handlers get; in memory by default. See {@link CacheConfiguration}. */
  readonly cache?: CacheSource | undefined;
  /** The backends by name, of which sessions, rate limits and cached responses have one each; in memory by default. */
  readonly backends?: BackendsOption | undefined;
  /** Which part uses the backend of another name. */
  readonly use?: UseOption | undefined;
  /** How responses are cached, of routes that ask for it. */
  readonly responses?: ResponseCacheOptions | undefined;
  /** Told of what no caller is told of, such as a backend that fails while a response is cached. Emits a process warning by default. */
  readonly report?: ((error: unknown) => void) | undefined;
}

const OPTIONS = ['cache', 'backends', 'use', 'responses', 'report'];

/** What one application has of keepsake; bindings to frameworks hand it out. Nothing of it is shared with another application. */
export class KeepsakeApplication implements AsyncDisposable {
  /** The backends by name. */
  readonly backends: BackendRegistry<unknown>;
  /** The cached responses. */
  readonly responses: ResponseCache;
  readonly #cache: ApplicationCache;
  readonly #close: () => Promise<void>;
  #closing: Promise<void> | undefined;

  /**
   * @throws ConfigurationError for a cache's configuration that is there at once, and wrong
   * @throws InvalidArgumentError, OutOfRangeError for other options that are wrong
   */
  constructor(options: KeepsakeOptions = {}) {
    checkOptions(options, OPTIONS, 'keepsake');
    const { report: given = warn } = options;
    if (typeof given !== 'function') {
      throw new InvalidArgumentError(`keepsake: report must be a function; got ${show(given)}`);
    }
    const report = guarded(given);
    const settings = responseSettings(options.responses);
    this.#cache = new ApplicationCache(options.cache, report);
    const { registry, close } = backendsOf(options.backends, options.use);
    this.backends = registry;
    this.#close = close;
    this.responses = new ResponseCache(() => ownOf(registry.get('response_cache'), 'response_cache'), settings, report);
  }

  /** The cache, for use outside of requests. */
  get cache(): HandlerCache {
    return this.#cache.cache;
  }

  /** The cache for a request with these headers. */
  cacheFor(cacheControl: string | undefined, pragma: string | undefined): HandlerCache {
    return this.#cache.of(cacheControl, pragma);
  }

  /** What a route asks for; `undefined` for one that is not cached. */
  plan(asked: RouteCache | undefined): RoutePlan | undefined {
    return routePlan(asked, this.responses.settings.usual);
  }

  /**
   * Waits for a configuration that a function promised; `undefined` where there is nothing to wait for.
   * @throws ConfigurationError for one that is wrong
   */
  ready(): Promise<unknown> | undefined {
    return this.#cache.ready();
  }

  /** Waits for what is under way, and closes what was opened here: not the backends and the registry that were given. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeAll(): Promise<void> {
    await this.responses.settle();
    const closed = await Promise.allSettled([this.#cache.close(), this.#close()]);
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** What `report` throws must not break what it is told of. */
function guarded(report: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    try {
      report(error);
    } catch (failure) {
      warn(failure);
    }
  };
}

function warn(error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  process.emitWarning(`keepsake: ${why}`, { type: 'KeepsakeWarning', ...(code !== undefined && { code }) });
}
