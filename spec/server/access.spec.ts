import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import { fastify } from 'fastify';
import { memory } from 'keepsake';
import { backendRoutes, bearer, createServer, type RestOptions } from 'keepsake/server';
import { ask } from '../support/asking.js';
import { failure } from '../support/failure.js';
import { useStore } from '../support/store-server.js';

/** An address of this machine that others may reach, if there is one. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

describe('access to a server', () => {
  describe('without authorisation', () => {
    const using = useStore(() => memory());
    const get = (headers: Record<string, string>, method = 'GET') =>
      ask(using.url, method, '/key', { headers, ...(method === 'PUT' ? { body: 'x' } : {}) });

    it('listens on loopback addresses alone', async () => {
      for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com', '']) {
        const error = await failure(() => createServer(memory()).listen({ host }));
        expect(error, host).to.have.property('code', 'KEEPSAKE_INVALID_ARGUMENT');
      }
      for (const host of ['127.0.0.1', '127.0.0.2', 'localhost']) {
        await using.backend.clear();
        const server = createServer(memory());
        expect(await server.listen({ host })).to.equal(server.address);
        await server.close();
      }
    });

    it('is refused by the plugin on any other address, also where the application listens there', async () => {
      if (outside === undefined) return console.log('      not tried: this machine has loopback addresses alone');
      const app = fastify();
      const backend = memory();
      await app.register(backendRoutes, { backend });
      await app.listen({ host: '0.0.0.0', port: 0 });
      const { port } = app.server.address() as { port: number };
      for (const host of [`${outside}:${port}`, 'localhost']) {
        const { status } = await ask(`http://${outside}:${port}`, 'PUT', '/key', { body: 'x', headers: { host } });
        expect(status, host).to.equal(403);
      }
      expect((await ask(`http://127.0.0.1:${port}`, 'PUT', '/key', { body: 'x' })).status).to.equal(204);
      expect(await backend.count()).to.equal(1);
      await app.close();
    });

    it('answers to names of this machine alone, so that no page rebinds its own', async () => {
      for (const host of [
        'example.com',
        'localhost.example.com',
        'example.com:80',
        '127.0.0.1.example.com',
        '10.0.0.1',
        '[::2]',
      ]) {
        const status = (await get({ host }, 'PUT')).status;
        expect(status, host).to.equal(403);
      }
      for (const host of ['localhost', 'LOCALHOST:80', 'app.localhost', '127.0.0.1', '127.8.8.8:1', '[::1]:80']) {
        expect((await get({ host })).status, host).to.equal(404);
      }
      expect(await using.backend.count()).to.equal(0);
    });

    it('answers nobody behind a proxy', async () => {
      for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']) {
        expect((await get({ [name]: '10.0.0.1' }, 'PUT')).status, name).to.equal(403);
      }
    });

    it('answers no page of another origin', async () => {
      const own = new URL(using.url).host;
      const refused: Record<string, string>[] = [
        { origin: 'https://example.com' },
        { origin: 'null' },
        { origin: 'nonsense' },
        { origin: `http://${own}`, 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ];
      for (const headers of refused) {
        expect((await get({ host: own, ...headers }, 'PUT')).status, JSON.stringify(headers)).to.equal(403);
        expect((await get({ host: own, ...headers })).status, JSON.stringify(headers)).to.equal(403);
      }
      expect(await using.backend.count()).to.equal(0);
      const allowed: Record<string, string>[] = [
        { origin: `http://${own}`, 'sec-fetch-site': 'same-origin' },
        { 'sec-fetch-site': 'none' },
      ];
      for (const headers of allowed) expect((await get({ host: own, ...headers })).status).to.equal(404);
    });
  });

  describe('with a token', () => {
    const using = useStore(() => memory(), { authorize: bearer({ write: ['w-1', 'w-2'], read: 'r-1' }) });
    const call = (method: string, path: string, authorization?: string) =>
      ask(using.url, method, path, {
        headers: authorization === undefined ? {} : { authorization },
        ...(method === 'GET' ? {} : { body: '{"keys":[]}' }),
      });

    it('is for those who have it', async () => {
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'Bearer w-',
        'Bearer w-1x',
        'Bearer r-1, w-1',
        'Basic dy0xOg==',
        'w-1',
      ]) {
        for (const [method, path] of [
          ['PUT', '/key'],
          ['GET', '/'],
          ['GET', '/-/health'],
          ['POST', '/-/clear'],
          ['GET', '/-/nothing'],
        ] as const) {
          const { status, headers } = await call(method, path, authorization);
          expect(status, `${method} ${path} with ${authorization}`).to.equal(401);
          expect(headers['www-authenticate']).to.match(/^Bearer/);
        }
      }
      expect(await using.backend.count()).to.equal(0);
      for (const token of ['w-1', 'w-2']) expect((await call('PUT', '/key', `Bearer ${token}`)).status).to.equal(204);
      expect((await call('GET', '/key', 'bearer  w-1')).status).to.equal(200);
    });

    it('may be for reading alone', async () => {
      const answers = [
        ['GET', '/key'],
        ['GET', '/'],
        ['GET', '/-/health'],
        ['GET', '/-/count'],
        ['POST', '/-/get-many'],
      ] as const;
      for (const [method, path] of answers) expect((await call(method, path, 'Bearer r-1')).status, path).to.equal(200);
      const operations = [
        'set-many',
        'delete-many',
        'increment?key=a',
        'touch?key=key',
        'renew?key=key',
        'clear',
        'entry?key=a',
        'other',
      ];
      for (const path of operations)
        expect((await call('POST', `/-/${path}`, 'Bearer r-1')).status, path).to.equal(401);
      for (const method of ['PUT', 'POST', 'PATCH', 'DELETE'])
        expect((await call(method, '/key', 'Bearer r-1')).status).to.equal(401);
    });

    it('is asked for before the body is read', async () => {
      const { status } = await ask(using.url, 'PUT', '/key', { body: 'x'.repeat(2 ** 20 + 1) });
      expect(status).to.equal(401);
    });

    it('is a token that headers can carry', () => {
      for (const tokens of ['', 'a b', 'ä', [], [''], {}, { read: [] }, { admin: 'x' }, 5, null]) {
        expect(() => bearer(tokens as never), JSON.stringify(tokens)).to.throw(TypeError);
      }
      expect(() => bearer('secret word'))
        .to.throw(TypeError)
        .and.satisfy((error: Error) => !error.message.includes('secret'));
    });
  });

  describe('by a function', () => {
    it('is for those of whom it says true', async () => {
      const answers: unknown[] = [true, Promise.resolve(true), false, undefined, 'yes', 1, Promise.resolve('yes')];
      const app = fastify();
      await app.register(backendRoutes, { backend: memory(), authorize: () => answers.shift() as boolean });
      const statuses: number[] = [];
      while (answers.length > 0) statuses.push((await app.inject({ url: '/-/health' })).statusCode);
      expect(statuses).to.deep.equal([200, 200, 401, 401, 401, 401, 401]);
      await app.close();
    });

    it('is for nobody where it fails', async () => {
      for (const authorize of [
        () => Promise.reject(new Error('secret')),
        () => {
          throw new Error('secret');
        },
      ]) {
        const app = fastify();
        await app.register(backendRoutes, { backend: memory(), authorize });
        const { statusCode, body } = await app.inject({ method: 'PUT', url: '/key', payload: 'x' });
        expect(statusCode).to.equal(500);
        expect(body).to.not.contain('secret');
        await app.close();
      }
    });
  });

  describe('from pages', () => {
    const using = useStore(() => memory(), { origins: ['https://app.example.com'] });

    it('is for those that are named', async () => {
      const headers = { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' };
      const stored = await ask(using.url, 'PUT', '/key', { headers, body: 'x' });
      expect([stored.status, stored.headers['access-control-allow-origin'], stored.headers.vary]).to.deep.equal([
        204,
        headers.origin,
        'Origin',
      ]);
      const asked = { ...headers, 'access-control-request-method': 'PUT' };
      const preflight = await ask(using.url, 'OPTIONS', '/key', { headers: asked });
      expect(preflight.status).to.equal(204);
      expect(preflight.headers['access-control-allow-methods']).to.contain('PUT');
      expect(preflight.headers['access-control-allow-headers']).to.contain('authorization');
      const other = await ask(using.url, 'OPTIONS', '/key', { headers: { ...asked, origin: 'https://example.com' } });
      expect([other.status, other.headers['access-control-allow-origin']]).to.deep.equal([403, undefined]);
    });
  });

  describe('of one client', () => {
    /** How many of requests at once are answered, and the others. */
    async function count(options: RestOptions, requests: number): Promise<Map<number, number>> {
      const app = fastify();
      await app.register(backendRoutes, { backend: memory(), ...options });
      const told = await Promise.all(Array.from({ length: requests }, () => app.inject({ url: '/-/health' })));
      const counted = new Map<number, number>();
      for (const { statusCode, headers } of told) {
        counted.set(statusCode, (counted.get(statusCode) ?? 0) + 1);
        if (statusCode === 429) expect(Number(headers['retry-after'])).to.be.within(1, 3600);
      }
      await app.close();
      return counted;
    }

    it('is limited, where that is asked for', async () => {
      expect(await count({ rateLimit: { max: 10, window: '1h' } }, 50)).to.deep.equal(
        new Map([
          [200, 10],
          [429, 40],
        ]),
      );
    });

    it('is counted where it is told to, and before tokens are looked at', async () => {
      const backend = memory();
      const options = { rateLimit: { max: 10, window: '1h', backend }, authorize: bearer('token') };
      expect(await count(options, 15)).to.deep.equal(
        new Map([
          [401, 10],
          [429, 5],
        ]),
      );
      expect(await count(options, 5)).to.deep.equal(new Map([[429, 5]]));
      expect(await backend.count()).to.equal(1);
    });

    it('is that of a whole network of IPv6', async () => {
      const app = fastify({ trustProxy: true });
      await app.register(backendRoutes, { backend: memory(), authorize: () => true, rateLimit: { max: 1 } });
      const from = (address: string) => app.inject({ url: '/-/health', headers: { 'x-forwarded-for': address } });
      const addresses = [
        '2001:db8::1',
        '2001:db8::2',
        '2001:db8:0:0:1::',
        '2001:db8:0:1::1',
        '10.0.0.1',
        '::ffff:10.0.0.1',
        '::1',
      ];
      const told: number[] = [];
      for (const address of addresses) told.push((await from(address)).statusCode);
      expect(told).to.deep.equal([200, 429, 429, 200, 200, 429, 200]);
      await app.close();
    });
  });
});
