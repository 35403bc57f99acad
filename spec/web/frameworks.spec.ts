import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import { expect } from 'chai';
import express from 'express';
import session from 'express-session';
import createFastify, { type FastifyInstance, type preHandlerAsyncHookHandler } from 'fastify';
import { Hono } from 'hono';
import { etag } from 'hono/etag';
import { keepsake as expressKeepsake } from 'keepsake/express';
import { keepsake as fastifyKeepsake } from 'keepsake/fastify';
import { keepsake as honoKeepsake, type KeepsakeEnv } from 'keepsake/hono';
import { rejection } from '../support/folders.js';

const text = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers });
  return `${response.status} ${response.headers.get('x-cache')} ${await response.text()}`;
};

describe('keepsake/fastify', () => {
  async function launch(prepare: (app: FastifyInstance) => unknown) {
    const app = createFastify({ forceCloseConnections: true });
    await app.register(fastifyKeepsake, { prefix: '/ignored', responses: { ttl: '5m' } } as never);
    await prepare(app);
    return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }) };
  }

  it('caches objects, responses of fetch and web streams', async () => {
    let count = 0;
    const { app, url } = await launch((one) => {
      const config = { cache: true };
      one.get('/object', { config }, async () => ({ count: ++count }));
      one.get(
        '/response',
        { config },
        async () => new Response(`made ${++count}`, { status: 201, headers: { 'x-own': 'a' } }),
      );
      one.get('/web', { config }, async (_request, reply) =>
        reply.send(Readable.toWeb(Readable.from([`made ${++count}`]))),
      );
      one.get('/nothing', { config }, async (_request, reply) => reply.code(204).send(++count && undefined));
    });
    try {
      for (const [path, expected] of [
        ['/object', '200 miss {"count":1}'],
        ['/response', '201 miss made 2'],
        ['/web', '200 miss made 3'],
        ['/nothing', '204 miss '],
      ] as const) {
        expect(await text(url + path)).to.equal(expected);
        expect(await text(url + path)).to.equal(expected.replace('miss', 'hit'));
      }
      const hit = await fetch(`${url}/object`);
      expect(hit.headers.get('content-type')).to.equal('application/json; charset=utf-8');
      expect((await fetch(`${url}/response`)).headers.get('x-own')).to.equal('a');
    } finally {
      await app.close();
    }
  });

  it('answers as ever where a handler throws, and where it takes the connection', async () => {
    let count = 0;
    const { app, url } = await launch((one) => {
      one.get('/throws', { config: { cache: true } }, async () => {
        throw new Error(`failure ${++count}`);
      });
      one.get('/takes', { config: { cache: true } }, async (_request, reply) => {
        reply.hijack();
        await setTimeout(20);
        reply.raw.end(`taken ${++count}`);
      });
    });
    try {
      expect(await text(`${url}/throws`)).to.match(/^500 miss .*failure 1/);
      expect(await text(`${url}/throws`)).to.match(/^500 miss .*failure 2/);
      const taken = await Promise.all(Array.from({ length: 5 }, () => text(`${url}/takes`)));
      expect(new Set(taken).size).to.equal(5);
    } finally {
      await app.close();
    }
  });

  it('works for routes in scopes with a prefix, and lets hooks of the application refuse', async () => {
    let count = 0;
    const { app, url } = await launch(async (one) => {
      one.addHook('preHandler', async (request, reply) => {
        if (request.headers['x-refuse'] !== undefined) return reply.code(403).send('refused');
      });
      await one.register(
        async (scope) => {
          scope.get('/a', { config: { cache: '1m' } }, async (request) => {
            await request.cache.put('a', 'b');
            return `made ${++count}`;
          });
        },
        { prefix: '/scope' },
      );
    });
    try {
      expect(await text(`${url}/scope/a`)).to.equal('200 miss made 1');
      expect(await text(`${url}/scope/a`)).to.equal('200 hit made 1');
      expect(await text(`${url}/scope/a`, { 'x-refuse': 'yes' })).to.equal('403 null refused');
      expect(await app.cache.fetch('a')).to.equal('b');
    } finally {
      await app.close();
    }
  });

  it('lets what another plugin adds to the route refuse, whichever came first', async () => {
    const { app, url } = await launch((one) => {
      one.addHook('onRoute', (route) => {
        const check: preHandlerAsyncHookHandler = async (request, reply) => {
          if (request.headers['x-key'] === undefined) return reply.code(401).send('no');
        };
        route.preHandler = [...[route.preHandler ?? []].flat(), check];
      });
      one.get('/secret', { config: { cache: true } }, async () => 'secret');
    });
    try {
      expect(await text(`${url}/secret`, { 'x-key': 'a' })).to.equal('200 miss secret');
      expect(await text(`${url}/secret`, { 'x-key': 'a' })).to.equal('200 hit secret');
      expect(await text(`${url}/secret`)).to.equal('401 null no');
    } finally {
      await app.close();
    }
  });

  it('runs handlers that send by themselves, or fail at once', async () => {
    let count = 0;
    const { app, url } = await launch((one) => {
      const config = { cache: true };
      one.get('/later', { config }, (_request, reply) => {
        global.setTimeout(() => reply.code(201).send({ count: ++count }), 5);
      });
      one.get('/now', { config }, () => ({ count: ++count }));
      one.get('/fails', { config }, () => {
        throw new Error(`failure ${++count}`);
      });
    });
    try {
      expect(await text(`${url}/later`)).to.equal('201 miss {"count":1}');
      expect(await text(`${url}/later`)).to.equal('201 hit {"count":1}');
      expect(await text(`${url}/now`)).to.equal('200 miss {"count":2}');
      expect(await text(`${url}/now`)).to.equal('200 hit {"count":2}');
      expect(await text(`${url}/fails`)).to.match(/^500 miss .*failure 3/);
    } finally {
      await app.close();
    }
  });

  it('tells routes of one URL apart by what else chooses them, and voids them together', async () => {
    const { app } = await launch((one) => {
      for (const host of ['one.test', 'two.test']) {
        one.get('/', { constraints: { host }, config: { cache: true } }, async () => `page of ${host}`);
      }
      one.get('/', { config: { cache: true } }, async () => 'page of others');
    });
    const seen = async (host: string) => {
      const { headers, body } = await app.inject({ url: '/', headers: { host } });
      return `${headers['x-cache']} ${body}`;
    };
    try {
      for (const state of ['miss', 'hit', 'miss']) {
        if (state === 'miss') await app.responseCache.delete('/');
        for (const host of ['one.test', 'two.test', 'others']) {
          expect(await seen(host)).to.equal(`${state} page of ${host}`);
        }
      }
    } finally {
      await app.close();
    }
  });

  it('makes a stale response anew as for the one who asked for it, and shows nobody how', async () => {
    const seen: string[] = [];
    const { app } = await launch((one) => {
      one.get('/', { config: { cache: { ttl: '1s', staleWhileRevalidate: '1h' } } }, async ({ ip, headers }) => {
        seen.push(`${ip} ${Object.keys(headers).filter((name) => name.startsWith('x-keepsake'))}`);
        return 'page';
      });
    });
    try {
      const remoteAddress = '192.0.2.7';
      for (let tries = 0; seen.length < 2 && tries < 300; tries++) {
        await app.inject({ url: '/', remoteAddress });
        await setTimeout(20);
      }
      expect(seen).to.deep.equal([`${remoteAddress} `, `${remoteAddress} `]);
    } finally {
      await app.close();
    }
  });

  it('gives a stored response no type that it did not have', async () => {
    const { app, url } = await launch((one) => {
      one.get('/', { config: { cache: true } }, async (_request, reply) => reply.send(Readable.from(['a'])));
    });
    try {
      for (const state of ['miss', 'hit']) {
        const { headers } = await fetch(url);
        expect([headers.get('x-cache'), headers.get('content-type')]).to.deep.equal([state, null]);
      }
    } finally {
      await app.close();
    }
  });

  it('refuses a wrong cache of a route when the route is added', async () => {
    for (const cache of [
      60,
      0,
      -1,
      1500,
      '30',
      'soon',
      Number.NaN,
      { ttl: '1s', max: 1 },
      { maxBytes: -1 },
      { cookies: 1 },
      null,
    ]) {
      const error = await rejection(
        launch((app) => {
          app.get('/', { config: { cache } as never }, async () => 'a');
        }),
      );
      expect(error.code, String(cache)).to.match(/^KEEPSAKE_(OUT_OF_RANGE|INVALID_ARGUMENT)$/);
    }
    const error = await rejection(launch((app) => app.get('/', { config: { cache: 60 } }, async () => 'a')));
    expect(error.message).to.include("in milliseconds such as 60_000 or as text such as '60s'; got 60, which is 60 ms");
  });
});

describe('keepsake/express', () => {
  async function launch(prepare: (app: express.Application, made: ReturnType<typeof expressKeepsake>) => unknown) {
    const app = express();
    const made = expressKeepsake(app);
    await prepare(app, made);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = async () => {
      server.closeAllConnections();
      server.close();
      await made.close();
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
  }

  it('caches what is written head and chunk by chunk', async () => {
    let count = 0;
    const { url, close } = await launch((app, { cached }) => {
      app.get('/head', cached(), (_request, response) => {
        response.writeHead(200, 'Fine', { 'x-own': 'a' });
        response.write('made ');
        response.write(Buffer.from(String(++count)));
        response.end('!', 'utf8');
      });
      app.get('/list', cached(), (_request, response) => {
        response.writeHead(201, ['x-own', 'b', 'content-type', 'text/plain']);
        response.end(Buffer.from(`made ${++count}`), () => undefined);
      });
      app.get('/hex', cached(), (_request, response) => {
        response.end('68656c6c6f', 'hex');
      });
    });
    try {
      expect(await text(`${url}/head`)).to.equal('200 miss made 1!');
      expect(await text(`${url}/head`)).to.equal('200 hit made 1!');
      expect((await fetch(`${url}/head`)).headers.get('x-own')).to.equal('a');
      expect(await text(`${url}/list`)).to.equal('201 miss made 2');
      expect(await text(`${url}/list`)).to.equal('201 hit made 2');
      expect((await fetch(`${url}/list`)).headers.get('x-own')).to.equal('b');
      expect([await text(`${url}/hex`), await text(`${url}/hex`)]).to.deep.equal(['200 miss hello', '200 hit hello']);
    } finally {
      await close();
    }
  });

  it('stores nothing that a session further out gives its cookie with', async () => {
    const { url, close } = await launch((app, { cached }) => {
      app.use(session({ secret: 'secret', resave: false, saveUninitialized: true }));
      app.get('/whole', cached(), (request, response) => response.send(request.sessionID));
      app.get('/chunks', cached(), (request, response) => {
        response.write(request.sessionID);
        response.end();
      });
      app.get('/nothing', cached(), (request, response) => response.set('x-session', request.sessionID).end());
    });
    try {
      for (const path of ['/whole', '/chunks', '/nothing']) {
        const get = async () => {
          const response = await fetch(url + path);
          expect(response.headers.get('set-cookie')).to.be.a('string');
          return (await response.text()) || response.headers.get('x-session');
        };
        const given = [...(await Promise.all([get(), get(), get()])), await get(), await get()];
        expect(new Set(given).size, path).to.equal(5);
      }
    } finally {
      await close();
    }
  });

  it('stores nothing that is shorter than it says, and keeps headers that stand there twice', async () => {
    let count = 0;
    const { url, close } = await launch((app, { cached }) => {
      app.get('/short', cached(), (_request, response) => {
        response.set({ 'content-length': '100', connection: 'close' });
        response.write(`made ${++count}`);
        response.end();
      });
      app.get('/twice', cached(), (_request, response) => {
        response.writeHead(200, ['link', '<a>', 'link', '<b>']);
        response.end();
      });
    });
    try {
      for (const expected of [1, 2]) {
        await rejection(text(`${url}/short`));
        expect(count).to.equal(expected);
      }
      for (const state of ['miss', 'hit']) {
        const { headers } = await fetch(`${url}/twice`);
        expect([headers.get('x-cache'), headers.get('link')]).to.deep.equal([state, '<a>, <b>']);
      }
    } finally {
      await close();
    }
  });

  it('does not wait for itself where it is given twice', async () => {
    let count = 0;
    const { url, close } = await launch((app, { cached }) => {
      app.use(cached('1m'));
      app.get('/', cached('5m'), (_request, response) => response.send(`made ${++count}`));
    });
    try {
      const since = performance.now();
      expect([await text(url), await text(url)]).to.deep.equal(['200 miss made 1', '200 hit made 1']);
      expect(performance.now() - since).to.be.below(5000);
    } finally {
      await close();
    }
  });

  it('works in routers and applications that are mounted, and passes errors on', async () => {
    let count = 0;
    let answered = 0;
    const { url, close } = await launch((app, { cached }) => {
      const router = express.Router();
      router.get('/a', cached({ ttl: '1s', staleWhileRevalidate: '1h' }), async (request, response) => {
        await request.cache.put('a', 'b');
        response.json({ count: ++count, ip: request.ip, path: request.originalUrl });
      });
      app.use('/router', router);
      const inner = express();
      inner.get('/a', cached({ ttl: '1s', staleWhileRevalidate: '1h' }), (request, response) => {
        request.setTimeout(1000);
        response.setTimeout(1000);
        request.socket.setNoDelay().setKeepAlive().ref();
        answered++;
        response.send(`${++count} ${typeof request.cache.fetch}`);
      });
      app.use('/inner', inner);
      app.get('/fails', cached(), () => {
        throw new Error('failure');
      });
      app.use((_error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
        response.status(500).send(`handled ${++count}`);
      });
    });
    try {
      expect(await text(`${url}/router/a`)).to.equal('200 miss {"count":1,"ip":"127.0.0.1","path":"/router/a"}');
      expect(await text(`${url}/router/a`)).to.equal('200 hit {"count":1,"ip":"127.0.0.1","path":"/router/a"}');
      expect(await text(`${url}/inner/a`)).to.equal('200 miss 2 function');
      expect(await text(`${url}/fails`)).to.equal('500 miss handled 3');
      expect(await text(`${url}/fails`)).to.equal('500 miss handled 4');
      // Made anew by a request that no connection carries.
      for (const path of ['/router/a', '/inner/a']) {
        const before = count;
        for (let tries = 0; count === before && tries < 300; tries++) {
          expect(await text(url + path)).to.match(/^200 (hit|stale)/);
          await setTimeout(20);
        }
        expect(count).to.equal(before + 1);
      }
      expect(answered).to.equal(2);
    } finally {
      await close();
    }
  });
});

describe('keepsake/hono', () => {
  it('works below a path, beside a validator of its own, and without a server', async () => {
    let count = 0;
    const app = new Hono<KeepsakeEnv & { Variables: { user: string }; Bindings: { secret: string } }>();
    const { cached, close } = honoKeepsake(app);
    app.use(async (c, next) => {
      c.set('user', 'Ann');
      await next();
    });
    const api = new Hono<KeepsakeEnv>();
    api.get('/json', cached('5m'), (c) => c.json({ count: ++count }));
    api.get('/tagged', cached('5m'), etag(), (c) => c.text(`made ${++count}`));
    api.get('/throws', cached('5m'), () => {
      throw new Error(`failure ${++count}`);
    });
    app.onError((error, c) => c.text(error.message, 500));
    app.route('/api', api);
    const get = async (path: string, headers = {}) => {
      const response = await app.request(`http://localhost${path}`, { headers });
      return {
        tag: response.headers.get('etag'),
        seen: `${response.status} ${response.headers.get('x-cache')} ${await response.text()}`,
      };
    };
    expect((await get('/api/json')).seen).to.equal('200 miss {"count":1}');
    expect((await get('/api/json')).seen).to.equal('200 hit {"count":1}');
    const { tag, seen } = await get('/api/tagged');
    expect(seen).to.equal('200 miss made 2');
    expect((await get('/api/tagged', { 'if-none-match': tag })).seen).to.equal('304 hit ');
    expect((await get('/api/throws')).seen).to.equal('500 miss failure 3');
    expect((await get('/api/throws')).seen).to.equal('500 miss failure 4');
    await close();
  });

  it('stores nothing that a session further out gives its cookie with', async () => {
    let sessions = 0;
    const app = new Hono<KeepsakeEnv & { Variables: { session: number } }>();
    const { cached, close } = honoKeepsake(app);
    app.use(async (c, next) => {
      c.set('session', ++sessions);
      await next();
      c.header('set-cookie', `session=${c.var.session}`);
    });
    app.use('/tagged/*', etag());
    for (const path of ['/text', '/tagged/text']) app.get(path, cached(), (c) => c.text(`${c.var.session}`));
    app.get('/nothing', cached(), (c) => c.body(null, 200, { 'x-session': `${c.var.session}` }));
    for (const path of ['/text', '/tagged/text', '/nothing']) {
      const get = async () => {
        const response = await app.request(path);
        return (await response.text()) || response.headers.get('x-session');
      };
      const given = [...(await Promise.all([get(), get(), get()])), await get(), await get()];
      expect(new Set(given).size, path).to.equal(5);
    }
    await close();
  });

  it('does not wait for itself where it is given twice', async () => {
    let count = 0;
    const app = new Hono<KeepsakeEnv>();
    const { cached, close } = honoKeepsake(app);
    app.use('/twice', cached('1m'));
    app.get('/twice', cached('5m'), (c) => c.text(`made ${++count}`));
    const since = performance.now();
    for (const state of ['miss', 'hit']) {
      const response = await app.request('/twice');
      expect([response.headers.get('x-cache'), await response.text()]).to.deep.equal([state, 'made 1']);
    }
    expect(performance.now() - since).to.be.below(5000);
    await close();
  });

  it('renews a stale response on a server', async () => {
    let count = 0;
    const app = new Hono<KeepsakeEnv>();
    const { cached, close } = honoKeepsake(app);
    app.get('/', cached({ ttl: '1s', staleWhileRevalidate: '1h' }), (c) => c.text(`made ${++count}`));
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
    if (!server.listening) await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect(await text(url)).to.equal('200 miss made 1');
    for (let tries = 0; count < 2 && tries < 300; tries++) {
      expect(await text(url)).to.match(/made [12]$/);
      await setTimeout(20);
    }
    expect(count).to.equal(2);
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await close();
  });
});
