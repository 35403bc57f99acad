export type { RateLimitStoreOptions } from './web/rate-limit/counters.js';
export { HonoRateLimitStore, type RateLimitInfo, type RateLimitSettings } from './web/rate-limit/store.js';
export { HonoSessionStorage, type HonoSessionStorageOptions } from './web/sessions/hono-session.js';
export { HonoSessionStore } from './web/sessions/hono-sessions.js';
export type { SessionRecord, SessionStoreOptions } from './web/sessions/records.js';
export type { BackendSource, PlaceOptions } from './web/source.js';
