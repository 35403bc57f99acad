import { Readable } from 'node:stream';
import createFastify from 'fastify';
import { keepsake } from 'keepsake/fastify';
import type { Framework } from './app.js';

/** An application of Fastify. */
export const fastifyApp: Framework = {
  name: 'Fastify',
  start: async (options, routes) => {
    const app = createFastify({ forceCloseConnections: true });
    await app.register(keepsake, options);
    for (const { method = 'GET', path, cache, allow, present, handler } of routes) {
      app.route({
        method,
        url: path,
        config: cache === undefined ? {} : { cache },
        preHandler: async (request, reply) => {
          reply.headers(present?.() ?? {});
          const header = (name: string) => request.headers[name] as string | undefined;
          if (allow?.({ header }) === false) return reply.code(401).send('no');
        },
        handler: async (request, reply) => {
          const {
            status = 200,
            headers = {},
            body,
          } = await handler({
            url: request.url,
            header: (name) => request.headers[name] as string | undefined,
            cache: request.cache,
            backends: app.backends,
          });
          reply.code(status).headers(headers);
          if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return reply.send(body);
          return reply.send(Readable.from(body));
        },
      });
    }
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const { cache, backends, responseCache } = app;
    return { url, cache, backends, responseCache, close: () => app.close() };
  },
};
