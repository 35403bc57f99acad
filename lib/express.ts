export type { RateLimitStoreOptions } from './web/rate-limit/counters.js';
export { ExpressRateLimitStore, type RateLimitInfo, type RateLimitSettings } from './web/rate-limit/store.js';
export { ExpressSessionStore } from './web/sessions/express-session.js';
export type { SessionRecord, SessionStoreOptions } from './web/sessions/records.js';
export type { BackendSource, PlaceOptions } from './web/source.js';
