import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { BackendRegistry } from '../../registry/registry.js';
import { KeepsakeApplication, type KeepsakeOptions } from '../application.js';
import type { HandlerCache } from '../cache/handler-cache.js';
import type { RouteCache } from '../responses/options.js';
import type { CachedResponses } from '../responses/response-cache.js';
import { cacheResponses } from './responses.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The application's cache. */
    cache: HandlerCache;
    /** The application's backends by name. */
    backends: BackendRegistry<unknown>;
    /** The application's cached responses. */
    responseCache: CachedResponses;
  }
  interface FastifyRequest {
    /** The application's cache, heeding the `Cache-Control` of this request. */
    readonly cache: HandlerCache;
  }
  interface FastifyContextConfig {
    /** Whether and how the responses of this route are cached. */
    cache?: RouteCache;
  }
}

/** What `register` of Fastify takes for itself. */
const OF_REGISTER = ['prefix', 'logLevel', 'logSerializers', 'encapsulate'];

async function register(app: FastifyInstance, given: KeepsakeOptions): Promise<void> {
  const own = Object.entries(given).filter(([name]) => !OF_REGISTER.includes(name));
  const application = new KeepsakeApplication(Object.fromEntries(own) as KeepsakeOptions);
  await application.ready();
  app.decorate('cache', application.cache);
  app.decorate('backends', application.backends);
  app.decorate('responseCache', application.responses);
  app.decorateRequest('cache', {
    getter(this: FastifyRequest): HandlerCache {
      const { headers } = this.raw;
      return application.cacheFor(headers['cache-control'], headers.pragma);
    },
  });
  app.addHook('onClose', () => application.close());
  cacheResponses(app, application);
}

/**
 * A plugin for Fastify 5: `app.cache` and `request.cache`, the cache of the application; `app.backends`, its backends by name; and responses cached for routes that say
 * `config: { cache: … }`. Register it before the routes. What it opened is closed with the application.
 *
 * Registering rejects with a `ConfigurationError` for a cache's configuration that is wrong, with all its mistakes.
 *
 * @example
 * await app.register(keepsake, { cache: { backend: 'redis', redisUrl: 'redis://localhost:6379' } });
 * app.get('/users/:id', { config: { cache: '5m' } }, (request) => database.user(request.params.id));
 */
export const keepsake: FastifyPluginAsync<KeepsakeOptions> = Object.assign(register, {
  // What the package fastify-plugin says too: decorators and hooks are those of the application, not of a scope within.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'keepsake',
  [Symbol.for('plugin-meta')]: { name: 'keepsake', fastify: '5.x' },
});
