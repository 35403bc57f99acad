import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type KeepsakeEnv, keepsake } from 'keepsake/hono';
import type { Framework } from './app.js';

/** An application of Hono. */
export const honoApp: Framework = {
  name: 'Hono',
  start: async (options, routes) => {
    const app = new Hono<KeepsakeEnv>();
    const made = keepsake(app, options);
    for (const { method = 'GET', path, cache, allow, present, handler } of routes) {
      app.on(
        method,
        path,
        async (c, next) => {
          for (const [name, value] of Object.entries(present?.() ?? {})) c.header(name, value);
          if (allow?.({ header: (name) => c.req.header(name) }) === false) return c.text('no', 401);
          await next();
          return undefined;
        },
        made.cached(cache ?? false),
        async (c) => {
          const {
            status = 200,
            headers = {},
            body,
          } = await handler({
            url: c.req.url.slice(c.req.url.indexOf('/', 8)),
            header: (name) => c.req.header(name),
            cache: c.var.cache,
            backends: c.var.backends,
          });
          const sent =
            body === undefined || typeof body === 'string' || body instanceof Uint8Array
              ? body
              : Readable.toWeb(Readable.from(body));
          return c.newResponse((sent ?? null) as string | null, status as 200, {
            ...(typeof body === 'string' && { 'content-type': 'text/plain' }),
            ...headers,
          });
        },
      );
    }
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
    if (!server.listening) await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { cache, backends, responseCache } = made;
    return {
      ...{ cache, backends, responseCache },
      url: `http://127.0.0.1:${port}`,
      close: async () => {
        const closed = once(server, 'close');
        server.close();
        if ('closeAllConnections' in server) server.closeAllConnections();
        await closed;
        await made.close();
      },
    };
  },
};
