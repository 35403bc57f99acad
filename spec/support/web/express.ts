import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import { keepsake } from 'keepsake/express';
import type { Framework } from './app.js';

/** An application of Express. */
export const expressApp: Framework = {
  name: 'Express',
  start: async (options, routes) => {
    const app = express();
    const made = keepsake(app, options);
    for (const { method = 'GET', path, cache, allow, present, handler } of routes) {
      const { cached } = made;
      const register = method === 'GET' ? app.get.bind(app) : app.post.bind(app);
      register(
        path,
        (request, response, next) => {
          response.set(present?.() ?? {});
          if (allow?.({ header: (name) => request.get(name) }) === false) response.status(401).send('no');
          else next();
        },
        cached(cache ?? false),
        async (request, response) => {
          const {
            status = 200,
            headers = {},
            body,
          } = await handler({
            url: request.originalUrl,
            header: (name) => request.get(name),
            cache: request.cache,
            backends: made.backends,
          });
          response.status(status).set(headers);
          if (body === undefined) response.end();
          else if (typeof body === 'string') response.send(body);
          else if (body instanceof Uint8Array) response.send(Buffer.from(body));
          else await pipeline(Readable.from(body), response).catch(() => undefined);
        },
      );
    }
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { cache, backends, responseCache } = made;
    return {
      ...{ cache, backends, responseCache },
      url: `http://127.0.0.1:${port}`,
      close: async () => {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
        await made.close();
      },
    };
  },
};
