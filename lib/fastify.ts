export type { RateLimitStoreOptions } from './web/rate-limit/counters.js';
export {
  type FastifyRateLimitCount,
  type FastifyRateLimitRoute,
  type FastifyRateLimitSettings,
  type FastifyRateLimitStore,
  type FastifyRouteInfo,
  fastifyRateLimitStore,
} from './web/rate-limit/fastify-rate-limit.js';
export { FastifySessionStore } from './web/sessions/fastify-session.js';
export type { SessionRecord, SessionStoreOptions } from './web/sessions/records.js';
export type { BackendSource, PlaceOptions } from './web/source.js';
