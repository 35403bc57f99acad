import fastifyRateLimit from '@fastify/rate-limit';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import fastify from 'fastify';
import { Hono } from 'hono';
import { rateLimiter } from 'hono-rate-limiter';
import { type BackendSource, ExpressRateLimitStore } from 'keepsake/express';
import { fastifyRateLimitStore } from 'keepsake/fastify';
import { HonoRateLimitStore } from 'keepsake/hono';
import { type Site, serve } from './web.js';

/** How an application is limited. */
export interface Limits {
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  /** Whether a store that fails lets requests through; not all can. */
  readonly passOnError?: boolean;
  /** Whether requests that fail count not; not all can. */
  readonly skipFailed?: boolean;
}

/** An application that lets so many requests through: `/` answers 200, `/fail` 400. Clients are told apart by the header `client`. */
export interface LimitedApp {
  readonly name: string;
  start(backend: BackendSource<unknown>, limits: Limits): Promise<Site>;
}

/** Every framework's own application. */
export const limitedApps: readonly LimitedApp[] = [
  {
    name: 'express-rate-limit',
    start: (backend, { limit, window, passOnError = false, skipFailed = false }) => {
      const app = express();
      app.use(
        rateLimit({
          windowMs: window,
          limit,
          store: new ExpressRateLimitStore({ backend }),
          keyGenerator: (request) => request.get('client') ?? 'nobody',
          passOnStoreError: passOnError,
          skipFailedRequests: skipFailed,
          standardHeaders: 'draft-6',
          // It says each error that it passes on.
          ...(passOnError ? { logger: { error: () => undefined, warn: console.warn } } : {}),
        }),
      );
      app.get('/', (_request, response) => {
        response.send('ok');
      });
      app.get('/fail', (_request, response) => {
        response.status(400).send('no');
      });
      app.use((_error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
        response.status(500).send('failed');
      });
      return serve(app);
    },
  },
  {
    name: '@fastify/rate-limit',
    start: async (backend, { limit, window, passOnError = false }) => {
      const app = fastify();
      await app.register(fastifyRateLimit, {
        max: limit,
        timeWindow: window,
        store: fastifyRateLimitStore({ backend }),
        keyGenerator: (request) => String(request.headers.client ?? 'nobody'),
        skipOnError: passOnError,
      });
      app.get('/', () => 'ok');
      app.get('/fail', (_request, reply) => reply.code(400).send('no'));
      const url = await app.listen({ host: '127.0.0.1', port: 0 });
      return { url, close: () => app.close() };
    },
  },
  {
    name: 'hono-rate-limiter',
    start: (backend, { limit, window, skipFailed = false }) => {
      const app = new Hono();
      app.use(
        rateLimiter({
          windowMs: window,
          limit,
          store: new HonoRateLimitStore({ backend }),
          keyGenerator: (context) => context.req.header('client') ?? 'nobody',
          skipFailedRequests: skipFailed,
        }),
      );
      app.get('/', (context) => context.text('ok'));
      app.get('/fail', (context) => context.text('no', 400));
      app.onError((_error, context) => context.text('failed', 500));
      return serve(getRequestListener(app.fetch));
    },
  },
];
