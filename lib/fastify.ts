export type { KeepsakeOptions } from './web/application.js';
export type { BackendsOption, Part, UseOption } from './web/backends.js';
export { fromEnvironment } from './web/cache/environment.js';
export type { HandlerCache } from './web/cache/handler-cache.js';
export type {
  CacheBackendName,
  CacheCodecName,
  CacheConfiguration,
  CacheSource,
  ConfigurationPairs,
} from './web/cache/options.js';
export { keepsake } from './web/fastify/plugin.js';
export type { RateLimitStoreOptions } from './web/rate-limit/counters.js';
export {
  type FastifyRateLimitCount,
  type FastifyRateLimitRoute,
  type FastifyRateLimitSettings,
  type FastifyRateLimitStore,
  type FastifyRouteInfo,
  fastifyRateLimitStore,
} from './web/rate-limit/fastify-rate-limit.js';
export type { Lifetime, ResponseCacheOptions, RouteCache, RouteCacheOptions } from './web/responses/options.js';
export type { CachedResponses } from './web/responses/response-cache.js';
export { FastifySessionStore } from './web/sessions/fastify-session.js';
export type { SessionRecord, SessionStoreOptions } from './web/sessions/records.js';
export type { BackendSource, PlaceOptions } from './web/source.js';
