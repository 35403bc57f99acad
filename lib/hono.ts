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
export { type HonoKeepsake, type KeepsakeEnv, keepsake } from './web/hono/middleware.js';
export type { RateLimitStoreOptions } from './web/rate-limit/counters.js';
export { HonoRateLimitStore, type RateLimitInfo, type RateLimitSettings } from './web/rate-limit/store.js';
export type { Lifetime, ResponseCacheOptions, RouteCache, RouteCacheOptions } from './web/responses/options.js';
export type { CachedResponses } from './web/responses/response-cache.js';
export { HonoSessionStorage, type HonoSessionStorageOptions } from './web/sessions/hono-session.js';
export { HonoSessionStore } from './web/sessions/hono-sessions.js';
export type { SessionRecord, SessionStoreOptions } from './web/sessions/records.js';
export type { BackendSource, PlaceOptions } from './web/source.js';
