export { type BearerTokens, bearer } from './server/bearer.js';
export type { Access, Authorize, RateLimit, RestOptions } from './server/options.js';
export { type BackendRoutesOptions, backendRoutes } from './server/routes.js';
export { createServer, type ListenOptions, type RestServer, type ServerOptions } from './server/server.js';
