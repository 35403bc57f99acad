import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { encoded, encrypted, type KeepsakeError, memory, openBackend, provider, text } from 'keepsake';
import { http } from 'keepsake/http';
import { bearer, createServer as createStore } from 'keepsake/server';
import { peculiar } from '#lib/testing/look-alikes.js';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all } from '../../support/folders.js';
import { useStore } from '../../support/store-server.js';

describe('http', () => {
  describe('places', () => {
    const using = useStore(() => memory(), { authorize: bearer('the-token') });

    it('are URLs and options', async () => {
      const opened = [
        http(using.url, { token: 'the-token' }),
        http(`${using.url}/`, { token: 'the-token' }),
        http(new URL(using.url), { headers: { Authorization: 'Bearer the-token' } }),
        http({ url: using.url, token: 'the-token' }),
      ];
      for (const backend of opened) {
        await backend.set('key', 'value');
        expect(await backend.has('key')).to.equal(true);
        expect(backend.name).to.equal(`http at ${using.url}`);
        await backend.close();
      }
    });

    it('are opened by openBackend and the provider', async () => {
      const backend = await openBackend(`${using.url}?token=the-token&timeout=1000&retries=0&ttl=1h`);
      await backend.set('key', 'value');
      expect((await backend.getEntry('key'))?.expiresAt).to.be.greaterThan(Date.now() + 3_000_000);
      await backend.close();
      const other = await provider.create('http', `//${new URL(using.url).host}?token=the-token`);
      expect(await other.has('key')).to.equal(true);
      await other.close();
      expect(await failure(() => openBackend(`${using.url}?token=wrong`))).to.have.property(
        'code',
        'KEEPSAKE_ACCESS_DENIED',
      );
    });

    it('are refused where they are none, and never show a secret', async () => {
      const wrong = [
        '',
        'localhost',
        'ftp://localhost',
        'http://',
        'http://user:secret@host',
        'http://host?token=secret',
        'http://host#x',
      ];
      for (const place of wrong) {
        expect(() => http(place), place)
          .to.throw(TypeError)
          .and.satisfy((error: Error) => !error.message.includes('secret'));
      }
      const options = [
        { retries: -1 },
        { retries: 1.5 },
        { timeout: 0 },
        { token: '' },
        { token: 'secret word' },
        { fetch: 1 },
      ];
      const more = [
        { headers: { 'if-match': '*' } },
        { headers: { a: 'sec\nret' } },
        { headers: { 'keepsake-ttl': '1' } },
        { url: 'http://x' },
        { dispatcher: {} },
      ];
      for (const given of [...options, ...more]) {
        expect(() => http('http://localhost', given as never), JSON.stringify(given))
          .to.throw()
          .and.satisfy((error: Error) => !error.message.includes('secret'));
      }
      const refused = http(using.url, { token: 'the-wrong-secret' });
      expect(String(await failure(() => refused.get('key')))).to.not.contain('secret');
      await refused.close();
    });
  });

  describe('keys', () => {
    it('never lead to another host or path', async () => {
      const asked: string[] = [];
      const backend = http('http://127.0.0.1:1/prefix', {
        retries: 0,
        fetch: async (url) => {
          asked.push(url);
          const found = url.endsWith('/-/health') ? {} : { 'keepsake-found': 'false' };
          return new Response('', {
            status: url.endsWith('/-/health') ? 200 : 404,
            headers: { keepsake: '1', ...found },
          });
        },
      });
      const keys = [
        ...peculiar,
        '//example.com/x',
        '\\\\example.com',
        '@example.com',
        ':80',
        '%2e%2e',
        '/..',
        '?',
        '#',
      ];
      for (const key of keys) expect(await backend.get(key), key).to.equal(undefined);
      for (const url of asked) {
        const { origin, pathname } = new URL(url);
        expect(origin).to.equal('http://127.0.0.1:1');
        expect(pathname).to.match(/^\/prefix\/(-\/[a-z]+|[^/]+)$/);
      }
      expect(new Set(asked).size).to.equal(new Set(keys).size + 1);
      await backend.close();
    });
  });

  describe('many', () => {
    const using = useStore(() => memory());

    it('are read, stored and removed by one request', async () => {
      const asked: string[] = [];
      const backend = http(using.url, {
        fetch: (url, init) => {
          asked.push(new URL(url).pathname);
          return fetch(url, init);
        },
      });
      await backend.open();
      const keys = Array.from({ length: 1000 }, (_, index) => `key ${index}`);
      await backend.setMany(keys.map((key) => [key, key]));
      expect((await backend.getMany(keys)).length).to.equal(1000);
      expect(await backend.deleteMany(keys)).to.equal(1000);
      expect(asked).to.deep.equal(['/-/health', '/-/set-many', '/-/get-many', '/-/delete-many']);
      await backend.close();
    });

    it('are as large together as they like', async () => {
      let asked = 0;
      const backend = http(using.url, {
        fetch: (url, init) => {
          if (url.endsWith('/-/get-many')) asked++;
          return fetch(url, init);
        },
      });
      const values = Array.from({ length: 100 }, (_, index) => Buffer.alloc(100_000, index));
      await backend.setMany(values.map((value, index) => [`key ${index}`, value]));
      const read = await backend.getMany(values.map((_, index) => `key ${index}`));
      for (const [index, value] of values.entries())
        expect(Buffer.compare(value, read[index] as Uint8Array)).to.equal(0);
      expect(asked, 'answers are bounded').to.be.greaterThan(1);
      expect((await all(backend.entries())).length).to.equal(100);
      await backend.clear();
      await backend.close();
    });
  });

  describe('entries that cannot be read', () => {
    const key = { id: 'one', key: randomBytes(32) };
    const other = { id: 'two', key: randomBytes(32) };
    const stored = memory<Uint8Array>();
    const using = useStore(() => encoded(stored, encrypted(text(), { keys: [key] })));

    it('hide no others', async () => {
      await using.backend.set('good', 'value');
      await encoded(stored, encrypted(text(), { keys: [other] })).set('bad', 'value');
      const reported: KeepsakeError[] = [];
      const backend = http(using.url, { report: (error) => reported.push(error) });
      expect((await all(backend.entries())).map(([name]) => name)).to.deep.equal(['good']);
      expect(reported.map(({ code, key: name }) => [code, name])).to.deep.equal([['KEEPSAKE_DECRYPT', 'bad']]);
      expect(await failure(() => backend.getMany(['good', 'bad']))).to.have.property('code', 'KEEPSAKE_DECRYPT');
      expect(await failure(() => backend.get('bad'))).to.have.property('code', 'KEEPSAKE_DECRYPT');
      await backend.close();
    });
  });

  describe('what a server decides', () => {
    it('is how long an entry lives, where nobody says', async () => {
      await using(memory({ ttl: '1h' }), async (url) => {
        const backend = http(url);
        await backend.set('key', 'value');
        expect((await backend.getEntry('key'))?.expiresAt).to.be.greaterThan(Date.now());
        expect((await backend.increment('hits')).expiresAt).to.be.greaterThan(Date.now());
        await backend.close();
      });
    });

    it('is what its backend cannot do', async () => {
      await using(memory({ max: 5 }), async (url) => {
        const backend = http(url);
        expect(await failure(() => all(backend.keys({ after: 'a' })))).to.have.property('code', 'KEEPSAKE_UNSUPPORTED');
        await backend.close();
      });
    });

    it('is how long a value may be', async () => {
      await using(memory(), async (url) => {
        const backend = http(url);
        const error = await failure(() => backend.set('key', Buffer.alloc(2 ** 20 + 1)));
        expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false });
        expect(String(error)).to.contain('1048576');
        await backend.close();
      });
    });

    it('is how often somebody may ask', async () => {
      const server = createStore(memory(), { rateLimit: { max: 2, window: '1h' } });
      const backend = http(await server.listen());
      await backend.set('key', 'value');
      expect(await failure(() => backend.get('key'))).to.include({ code: 'KEEPSAKE_STORAGE', retryable: true });
      await backend.close();
      await server.close();
    });

    async function using(store: ReturnType<typeof memory>, work: (url: string) => Promise<void>): Promise<void> {
      const server = createStore(store);
      await work(await server.listen());
      await server.close();
    }
  });

  describe('what is no keepsake server', () => {
    it('is no miss, and no success', async () => {
      for (const status of [200, 204, 404]) {
        await answering(
          (_request, response) => response.writeHead(status).end(),
          async (url) => {
            const backend = http(url);
            for (const work of [
              () => backend.get('key'),
              () => backend.set('key', 'x'),
              () => backend.delete('key'),
              () => backend.count(),
            ]) {
              expect(await failure(work), String(status)).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: false });
            }
            await backend.close();
          },
        );
      }
    });

    it('is none, though it was one when we came', async () => {
      await answering(
        (request, response) => {
          const health = request.url === '/-/health';
          response.writeHead(health ? 200 : 204, health ? { keepsake: '1' } : {}).end(health ? '{}' : undefined);
        },
        async (url) => {
          const backend = await http(url).open();
          for (const work of [() => backend.set('key', 'x'), () => backend.delete('key'), () => backend.clear()]) {
            expect(await failure(work)).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: false });
          }
          await backend.close();
        },
      );
    });

    it('does not lead us elsewhere', async () => {
      let met = 0;
      await answering(
        (_request, response) => {
          met++;
          response.writeHead(200, { keepsake: '1' }).end('{}');
        },
        async (elsewhere) => {
          for (const status of [301, 302, 303, 307, 308]) {
            await answering(
              (_request, response) => response.writeHead(status, { location: `${elsewhere}/-/health` }).end(),
              async (url) => {
                const backend = http(url, { token: 'secret' });
                expect(await failure(() => backend.get('key'))).to.include({
                  code: 'KEEPSAKE_CONNECTION',
                  retryable: false,
                });
                await backend.close();
              },
            );
          }
        },
      );
      expect(met).to.equal(0);
    });

    it('is refused with what it says', async () => {
      const codes: Readonly<Record<number, readonly [string, boolean]>> = {
        400: ['KEEPSAKE_CONNECTION', false],
        401: ['KEEPSAKE_ACCESS_DENIED', false],
        403: ['KEEPSAKE_ACCESS_DENIED', false],
        408: ['KEEPSAKE_TIMEOUT', true],
        413: ['KEEPSAKE_STORAGE', false],
        429: ['KEEPSAKE_STORAGE', true],
        500: ['KEEPSAKE_STORAGE', false],
        502: ['KEEPSAKE_STORAGE', true],
        503: ['KEEPSAKE_STORAGE', true],
        504: ['KEEPSAKE_STORAGE', true],
      };
      for (const [status, [code, retryable]] of Object.entries(codes)) {
        await answering(
          (_request, response) => response.writeHead(Number(status)).end('<html>'),
          async (url) => {
            const backend = http(url);
            expect(await failure(() => backend.get('key')), status).to.include({ code, retryable });
            await backend.close();
          },
        );
      }
    });
  });

  describe('retries', () => {
    const using = useStore(() => memory());

    it('ask again what only reads, when the connection breaks', async () => {
      const proxy = await FaultProxy.before({ host: '127.0.0.1', port: using.port });
      const backend = http(`http://127.0.0.1:${proxy.port}`, { retries: 2 });
      await backend.setMany([['key', Buffer.alloc(100_000, 'x')]]);
      for (const read of [() => backend.get('key'), () => backend.getMany(['key'])]) {
        proxy.resetAfter(50_000);
        await read();
      }
      await backend.close();
      await proxy.close();
    });

    it('ask nothing again that writes and may have been sent', async () => {
      let met = 0;
      const backend = await faltering((request, response) => {
        met++;
        request.socket.destroy();
        response.destroy();
      });
      for (const work of [() => backend.set('key', 'x'), () => backend.increment('key'), () => backend.delete('key')]) {
        expect(await failure(work)).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
      }
      expect(met).to.equal(3);
      await backend.close();
    });

    it('send what writes where it could not be sent', async () => {
      const proxy = await FaultProxy.before({ host: '127.0.0.1', port: using.port });
      const backend = http(`http://127.0.0.1:${proxy.port}`, { retries: 10 });
      await backend.open();
      await proxy.refuse();
      const setting = backend.set('key', 'value');
      setTimeout(() => void proxy.accept(), 60);
      // The first attempt may have met the connection while it was cut.
      const cut = await setting.then(
        () => undefined,
        (error: KeepsakeError) => error.code,
      );
      if (cut === undefined) expect(await backend.has('key')).to.equal(true);
      else expect(cut).to.equal('KEEPSAKE_CONNECTION');
      await backend.close();
      await proxy.close();
    });

    it('ask again what only reads, while the server is not there for a moment', async () => {
      let met = 0;
      const backend = await faltering((_request, response) => {
        met++;
        if (met < 3) response.writeHead(503).end();
        else response.writeHead(404, { keepsake: '1', 'keepsake-found': 'false' }).end();
      });
      expect(await backend.get('key')).to.equal(undefined);
      expect(met).to.equal(3);
      met = 0;
      expect(await failure(() => backend.set('key', 'x'))).to.include({ code: 'KEEPSAKE_STORAGE', retryable: true });
      expect(met).to.equal(1);
      await backend.close();
    });

    /** A client, opened, of a server that answers all but that it is well in another way. */
    async function faltering(answer: (request: IncomingMessage, response: ServerResponse) => void) {
      const server = await listening((request, response) => {
        if (request.url === '/-/health') response.writeHead(200, { keepsake: '1' }).end('{}');
        else answer(request, response);
      });
      running.push(server);
      return http(urlOf(server), { retries: 3 }).open();
    }

    const running: Server[] = [];
    afterEach(() => {
      for (const server of running.splice(0)) server.closeAllConnections();
    });
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function listening(answer: Answer): Promise<Server> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** Works with a server that answers everything so. */
async function answering(answer: Answer, work: (url: string) => Promise<void>): Promise<void> {
  const server = await listening(answer);
  try {
    await work(urlOf(server));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
