import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { fastify } from 'fastify';
import { Backend, capabilities, type Driver, files, memory, readOnly } from 'keepsake';
import { backendRoutes, createServer } from 'keepsake/server';
import { ask, type Told } from '../support/asking.js';
import { TestClock } from '../support/clock.js';
import { all, Folders } from '../support/folders.js';
import { until } from '../support/generations.js';
import { useStore } from '../support/store-server.js';

describe('the REST interface', () => {
  const clock = new TestClock();
  const using = useStore(() => memory({ clock: clock.now }));
  const get = (path: string, headers = {}): Promise<Told> => ask(using.url, 'GET', path, { headers });
  const put = (path: string, body: string | Uint8Array, headers = {}): Promise<Told> =>
    ask(using.url, 'PUT', path, { body, headers });
  const post = (path: string, headers = {}, body: string | Uint8Array = ''): Promise<Told> =>
    ask(using.url, 'POST', path, { body, headers });

  beforeEach(() => using.backend.clear());

  describe('of an entry', () => {
    it('stores by PUT, POST and PATCH, and gives the bytes back', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const method of ['PUT', 'POST', 'PATCH']) {
        const stored = await ask(using.url, method, '/key', { body: bytes });
        expect([stored.status, stored.text]).to.deep.equal([204, '']);
        const read = await get('/key');
        expect(read.status).to.equal(200);
        expect([...read.body]).to.deep.equal([...bytes]);
        await using.backend.clear();
      }
    });

    it('stores no bytes where there is no body', async () => {
      await ask(using.url, 'PUT', '/key');
      expect((await get('/key')).status).to.equal(200);
      expect((await get('/key')).body.length).to.equal(0);
    });

    it('stores whatever the bytes are called', async () => {
      for (const type of [
        'application/x-www-form-urlencoded',
        'application/json',
        'text/html',
        'a',
        ';;;',
        'x/y; z="',
      ]) {
        const body = '{"a": <b>& c=d';
        expect((await post('/key', { 'content-type': type }, body)).status, type).to.equal(204);
        expect((await get('/key')).text, type).to.equal(body);
        await using.backend.clear();
      }
    });

    it('gives bytes as nothing but bytes', async () => {
      await put('/page', '<script>alert(1)</script>', { 'content-type': 'text/html' });
      const { headers } = await get('/page');
      expect(headers['content-type']).to.equal('application/octet-stream');
      expect(headers['x-content-type-options']).to.equal('nosniff');
      expect(headers['content-security-policy']).to.contain("default-src 'none'").and.contain('sandbox');
      expect(headers['cross-origin-resource-policy']).to.equal('same-origin');
      expect(headers['cache-control']).to.equal('private, no-cache');
    });

    it('says with 404 that there is none', async () => {
      const { status, headers } = await get('/missing');
      expect([status, headers['keepsake-found']]).to.deep.equal([404, 'false']);
    });

    it('deletes with 204, whether it was there or not, and says which', async () => {
      await put('/key', 'value');
      const first = await ask(using.url, 'DELETE', '/key');
      const second = await ask(using.url, 'DELETE', '/key');
      expect([first.status, first.headers['keepsake-found']]).to.deep.equal([204, 'true']);
      expect([second.status, second.headers['keepsake-found']]).to.deep.equal([204, 'false']);
      expect(await using.backend.count()).to.equal(0);
    });

    it('answers HEAD as GET, without the bytes', async () => {
      await put('/key', 'value');
      const { status, headers, body } = await ask(using.url, 'HEAD', '/key');
      expect([status, headers['content-length'], body.length]).to.deep.equal([200, '5', 0]);
      expect(headers.etag).to.equal((await get('/key')).headers.etag);
      expect((await ask(using.url, 'HEAD', '/missing')).status).to.equal(404);
    });

    it('refuses other methods, and says which there are', async () => {
      const methods = 'GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS';
      for (const method of ['TRACE', 'PROPFIND', 'LOCK']) {
        const { status, headers } = await ask(using.url, method, '/key');
        expect([status, headers.allow]).to.deep.equal([405, methods]);
      }
      for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
        const { status, headers } = await ask(using.url, method, '/', { body: 'x' });
        expect([status, headers.allow]).to.deep.equal([405, 'GET, HEAD, OPTIONS']);
      }
      const { status, headers } = await ask(using.url, 'OPTIONS', '/key');
      expect([status, headers.allow]).to.deep.equal([204, methods]);
      expect(headers['access-control-allow-origin']).to.equal(undefined);
    });

    it('refuses parts of values, and values that are encoded', async () => {
      expect((await put('/key', 'x', { 'content-range': 'bytes 0-0/5' })).status).to.equal(400);
      expect((await put('/key', 'x', { 'content-encoding': 'gzip' })).status).to.equal(415);
      expect(await using.backend.count()).to.equal(0);
    });

    it('gives a counter of a backend of objects as its decimal text', async () => {
      await using.backend.increment('hits', 41);
      await post('/-/increment?key=hits');
      expect((await get('/hits')).text).to.equal('42');
    });

    it('says that it cannot give what is no bytes', async () => {
      await using.backend.set('object', { some: 'object' });
      expect((await get('/object')).status).to.equal(501);
    });
  });

  describe('of keys', () => {
    const keys = [
      'a b',
      'a/b',
      'a%2Fb',
      'a?b',
      'a#b',
      '%',
      '%%',
      '..',
      '.',
      '...',
      '-',
      '/',
      '//',
      '+',
      '&',
      'é',
      '😀',
      '\0',
      '"',
    ];
    keys.push('http://example.com/x', '__proto__', '-/health', 'x'.repeat(1024));

    it('takes one percent-encoded segment for one key', async () => {
      for (const key of keys.filter((one) => !/^\.\.?$/.test(one))) {
        expect((await put(`/${encodeURIComponent(key)}`, key)).status, key).to.equal(204);
        expect(Buffer.from((await using.backend.get(key)) as Uint8Array).toString(), key).to.equal(key);
        expect((await get(`/${encodeURIComponent(key)}`)).text, key).to.equal(key);
      }
      expect(await using.backend.count()).to.equal(keys.length - 2);
    });

    it('takes every key in a query', async () => {
      for (const key of keys) {
        const path = `/-/entry?key=${encodeURIComponent(key)}`;
        expect((await put(path, key)).status, key).to.equal(204);
        expect((await get(path)).text, key).to.equal(key);
      }
      expect(new Set(await all(using.backend.keys()))).to.deep.equal(new Set(keys));
      for (const key of keys)
        expect((await ask(using.url, 'DELETE', `/-/entry?key=${encodeURIComponent(key)}`)).status).to.equal(204);
      expect(await using.backend.count()).to.equal(0);
    });

    it('knows segments of dots, where a client sends them', async () => {
      expect((await put('/..', 'two')).status).to.equal(204);
      expect((await put('/%2E', 'one')).status).to.equal(204);
      expect((await get('/%2e%2e')).text).to.equal('two');
      expect((await get('/.')).text).to.equal('one');
    });

    it('refuses keys that are none', async () => {
      for (const path of [
        '/%',
        '/%zz',
        '/%C3%28',
        '/%ED%A0%80',
        '/%FF',
        '/-/entry?key=%C3%28',
        `/${'x'.repeat(1025)}`,
      ]) {
        expect((await put(path, 'x')).status, path).to.equal(400);
      }
      for (const path of [
        '/-/entry',
        '/-/entry?key=',
        '/-/entry?key=a&key=b',
        '/-/entry?name=a',
        '/key?query',
        '/key?',
      ]) {
        expect((await put(path, 'x')).status, path).to.equal(400);
      }
      expect(await using.backend.count()).to.equal(0);
    });

    it('finds nothing below a key', async () => {
      await put('/a', 'x');
      for (const path of ['/a/', '/a/b', '//a', '/./a', '/x/../a', '/-/', '/-/entry/a', '/-/unknown']) {
        expect((await get(path)).status, path).to.equal(404);
      }
    });
  });

  describe('of conditions', () => {
    it('names a value by an entity tag', async () => {
      await put('/key', 'one');
      const { etag } = (await get('/key')).headers;
      expect(etag).to.match(/^"[\x21\x23-\x7e]+"$/);
      expect((await get('/key')).headers.etag).to.equal(etag);
      await put('/key', 'two');
      expect((await get('/key')).headers.etag).to.not.equal(etag);
    });

    it('does not give again what the caller has', async () => {
      await put('/key', 'one');
      const { etag = '' } = (await get('/key')).headers;
      for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const { status, body, headers } = await get('/key', { 'if-none-match': tags });
        expect([status, body.length, headers.etag], tags).to.deep.equal([304, 0, etag]);
      }
      expect((await get('/key', { 'if-none-match': '"other"' })).status).to.equal(200);
      expect((await get('/key', { 'if-match': '"other"' })).status).to.equal(412);
      expect((await get('/missing', { 'if-none-match': '*' })).status).to.equal(404);
    });

    it('stores only what is absent, present, or of a version', async () => {
      expect((await put('/key', 'one', { 'if-match': '*' })).status).to.equal(412);
      expect((await put('/key', 'one', { 'if-none-match': '*' })).status).to.equal(204);
      expect((await put('/key', 'two', { 'if-none-match': '*' })).status).to.equal(412);
      const { etag = '' } = (await get('/key')).headers;
      expect((await put('/key', 'two', { 'if-match': '"other"' })).status).to.equal(412);
      expect((await put('/key', 'two', { 'if-match': `W/${etag}` })).status, 'a weak tag').to.equal(412);
      expect((await put('/key', 'two', { 'if-none-match': etag })).status).to.equal(412);
      expect((await get('/key')).text).to.equal('one');
      expect((await put('/key', 'two', { 'if-match': `"other", ${etag}` })).status).to.equal(204);
      expect((await put('/key', 'three', { 'if-match': etag })).status).to.equal(412);
      expect((await put('/key', 'three', { 'if-none-match': etag })).status).to.equal(204);
      expect((await get('/key')).text).to.equal('three');
    });

    it('deletes only what is of a version', async () => {
      await put('/key', 'one');
      const { etag = '' } = (await get('/key')).headers;
      const remove = (headers: Record<string, string>) => ask(using.url, 'DELETE', '/key', { headers });
      expect((await remove({ 'if-match': '"other"' })).status).to.equal(412);
      expect((await remove({ 'if-none-match': etag })).status).to.equal(412);
      expect((await remove({ 'if-none-match': '*' })).status).to.equal(412);
      expect((await remove({ 'if-match': etag })).status).to.equal(204);
      expect((await remove({ 'if-match': '*' })).status).to.equal(412);
      expect((await remove({ 'if-none-match': '*' })).status).to.equal(204);
    });

    it('lets one of many writers through', async () => {
      await put('/key', 'first');
      const { etag = '' } = (await get('/key')).headers;
      const told = await Promise.all(
        Array.from({ length: 30 }, (_, index) => put('/key', `${index}`, { 'if-match': etag })),
      );
      expect(told.map(({ status }) => status).sort()).to.deep.equal([204, ...new Array(29).fill(412)]);
      const winner = told.findIndex(({ status }) => status === 204);
      expect((await get('/key')).text).to.equal(String(winner));
    });

    it('refuses what is no entity tag', async () => {
      for (const tags of ['key', '"open', '"a" "b"', "'a'", 'W/', '*, "a"']) {
        expect((await put('/key', 'x', { 'if-match': tags })).status, tags).to.equal(400);
      }
      expect(await using.backend.count()).to.equal(0);
    });

    it('knows the versions of another process not, where these have gone with it', async () => {
      await put('/key', 'one');
      const { etag = '' } = (await get('/key')).headers;
      const app = fastify();
      await app.register(backendRoutes, { backend: using.backend });
      const { headers } = await app.inject({ url: '/key' });
      expect(headers.etag).to.not.equal(etag);
      const { statusCode } = await app.inject({
        method: 'PUT',
        url: '/key',
        payload: 'x',
        headers: { 'if-match': etag },
      });
      expect(statusCode).to.equal(412);
      await app.close();
    });
  });

  describe('of deadlines', () => {
    it('lets an entry live for so long, and tells how long', async () => {
      await put('/key', 'value', { 'keepsake-ttl': '5000' });
      clock.advance(2000);
      const { headers } = await get('/key');
      expect(headers['keepsake-ttl']).to.equal('3000');
      expect(headers['keepsake-expires-at']).to.equal(String(clock.now() + 3000));
      clock.advance(3000);
      expect((await get('/key')).status).to.equal(404);
    });

    it('takes a deadline, and no deadline', async () => {
      await put('/key', 'value', { 'keepsake-expires-at': String(clock.now() + 10) });
      expect((await get('/key')).headers['keepsake-ttl']).to.equal('10');
      await put('/key', 'value', { 'keepsake-ttl': 'never' });
      expect((await get('/key')).headers['keepsake-ttl']).to.equal(undefined);
    });

    it('refuses what is no time', async () => {
      for (const ttl of ['0', '-1', '1.5', '1e3', '5s', '', 'Never', '99999999999999999', '5, 5']) {
        expect((await put('/key', 'x', { 'keepsake-ttl': ttl })).status, ttl).to.equal(400);
      }
      expect((await put('/key', 'x', { 'keepsake-ttl': '5', 'keepsake-expires-at': '5' })).status).to.equal(400);
      expect(await using.backend.count()).to.equal(0);
    });

    it('moves a deadline, and gives the entry with it', async () => {
      await put('/key', 'value', { 'keepsake-ttl': '5000' });
      expect((await post('/-/touch?key=key', { 'keepsake-ttl': '9000' })).status).to.equal(204);
      expect((await get('/key')).headers['keepsake-ttl']).to.equal('9000');
      const renewed = await post('/-/renew?key=key', { 'keepsake-ttl': '7000' });
      expect([renewed.status, renewed.text, renewed.headers['keepsake-ttl']]).to.deep.equal([200, 'value', '7000']);
      expect((await post('/-/touch?key=key', { 'keepsake-ttl': 'never' })).status).to.equal(204);
      expect((await get('/key')).headers['keepsake-ttl']).to.equal(undefined);
      expect((await post('/-/touch?key=missing', { 'keepsake-ttl': '1' })).status).to.equal(404);
      expect((await post('/-/renew?key=missing', { 'keepsake-ttl': '1' })).status).to.equal(404);
      expect((await post('/-/touch?key=key')).status).to.equal(400);
    });
  });

  describe('of the listing', () => {
    const stored = Array.from({ length: 1_234 }, (_, index) => `key ${index} "é"`);

    it('gives the keys as JSON', async () => {
      await using.backend.setMany(stored.map((key) => [key, 'x']));
      const { headers, text } = await get('/');
      expect(headers['content-type']).to.equal('application/json; charset=utf-8');
      expect(headers['x-content-type-options']).to.equal('nosniff');
      expect(JSON.parse(text)).to.deep.equal({ keys: stored });
      expect(JSON.parse((await get('/?prefix=key+12')).text).keys).to.deep.equal(
        stored.filter((key) => key.startsWith('key 12')),
      );
      expect(JSON.parse((await get('/-/count')).text)).to.deep.equal({ count: stored.length });
      expect((await ask(using.url, 'HEAD', '/')).status).to.equal(200);
    });

    it('gives them page by page', async () => {
      await using.backend.setMany(stored.map((key) => [key, 'x']));
      const met: string[] = [];
      let cursor: string | undefined;
      do {
        const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const page = JSON.parse((await get(`/?limit=100${query}`)).text);
        expect(page.keys.length).to.be.at.most(100);
        met.push(...page.keys);
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(met).to.deep.equal(stored);
    });

    it('gives none of an empty store', async () => {
      expect((await get('/')).text).to.equal('{"keys":[]}');
      expect((await get('/?limit=5')).text).to.equal('{"keys":[]}');
    });

    it('is given up when nobody listens any more', async () => {
      let given = 0;
      let released = false;
      const endless: Driver = {
        name: 'endless',
        capabilities: capabilities({ enumerable: true }),
        read: () => undefined,
        write: () => true,
        remove: () => false,
        scan: () => ({ entries: [] }),
        async *stream() {
          try {
            for (;;) yield Array.from({ length: 1000 }, () => ({ key: `key ${given++}` }));
          } finally {
            released = true;
          }
        },
      };
      await using server = createServer(new Backend(endless));
      const socket = connect(Number(new URL(await server.listen()).port), '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'data');
      socket.pause();
      // Nobody reads, so that nothing more is listed, after a while.
      let before = -1;
      while (before !== given) {
        before = given;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(released).to.equal(false);
      socket.destroy();
      await until(() => released, 'the listing is given up');
    });

    it('refuses what it does not know', async () => {
      for (const query of [
        'limit=0',
        'limit=10001',
        'limit=x',
        'cursor=5',
        'pages=1',
        'prefix=a&prefix=b',
        'prefix=%zz',
      ]) {
        expect((await get(`/?${query}`)).status, query).to.equal(400);
      }
      expect((await get('/?after=a')).status, 'keys without an order').to.equal(501);
    });
  });

  describe('of operations', () => {
    it('counts', async () => {
      const { status, text } = await post('/-/increment?key=hits&by=5', { 'keepsake-ttl': '1000' });
      expect([status, JSON.parse(text)]).to.deep.equal([200, { value: 5, expiresAt: clock.now() + 1000 }]);
      expect(JSON.parse((await post('/-/increment?key=hits&by=-2')).text).value).to.equal(3);
      await put('/text', 'x');
      expect((await post('/-/increment?key=text')).status).to.equal(409);
      expect((await post('/-/increment?key=hits&by=x')).status).to.equal(400);
      const told = await Promise.all(Array.from({ length: 50 }, () => post('/-/increment?key=parallel')));
      expect(new Set(told.map(({ text: one }) => JSON.parse(one).value)).size).to.equal(50);
    });

    it('reads, stores and removes many', async () => {
      const records = [
        { key: 'a', size: 1 },
        { key: 'b/c', size: 2 },
      ];
      expect((await post('/-/set-many', {}, `${JSON.stringify({ records })}\n123`)).status).to.equal(204);
      const { body } = await post('/-/get-many', {}, '{"keys": ["b/c", "missing", "a"]}');
      const end = body.indexOf('\n');
      const told = JSON.parse(body.subarray(0, end).toString()).records;
      expect(told.map((record: { size: number } | null) => record?.size)).to.deep.equal([2, undefined, 1]);
      expect(body.subarray(end + 1).toString()).to.equal('231');
      const { text } = await post('/-/delete-many', {}, '{"keys": ["a", "b/c", "missing"]}');
      expect(JSON.parse(text)).to.deep.equal({ deleted: 2 });
    });

    it('refuses many that are none', async () => {
      for (const body of [
        '',
        '{}',
        '[]',
        '{"keys": 1}',
        '{"keys": [1]}',
        '{"keys": [""]}',
        '{"keys": ["\\ud800"]}',
        '\xff',
      ]) {
        expect((await post('/-/get-many', {}, Buffer.from(body, 'latin1'))).status, body).to.equal(400);
        expect((await post('/-/delete-many', {}, Buffer.from(body, 'latin1'))).status, body).to.equal(400);
      }
      const line = (...records: unknown[]) => `${JSON.stringify({ records })}\n`;
      const wrong = [
        '',
        '{}\n',
        '{"records":[]}',
        line({ key: 'a', size: 2 }),
        line({ key: 'a', size: -1 }),
        line(null),
        line(1),
      ];
      for (const body of [
        ...wrong,
        line({ key: 'a', size: 0 }, { key: '', size: 0 }),
        line({ size: 0 }),
        `${line()}x`,
      ]) {
        expect((await post('/-/set-many', {}, body)).status, body).to.equal(400);
      }
      expect(await using.backend.count()).to.equal(0);
      const many = JSON.stringify({ keys: new Array(10_001).fill('a') });
      expect((await post('/-/get-many', {}, many)).status).to.equal(400);
    });

    it('clears', async () => {
      await using.backend.setMany(['a1', 'a2', 'b'].map((key) => [key, 'x']));
      expect((await post('/-/clear?prefix=a')).status).to.equal(204);
      expect(JSON.parse((await get('/')).text).keys).to.deep.equal(['b']);
      expect((await get('/-/clear')).status, 'by GET').to.equal(405);
      expect((await post('/-/clear')).status).to.equal(204);
      expect(await using.backend.count()).to.equal(0);
    });

    it('says how it is', async () => {
      const { status, text } = await get('/-/health');
      expect([status, JSON.parse(text).status]).to.deep.equal([200, 'ok']);
      expect(JSON.parse(text).capabilities).to.deep.equal({ ...using.backend.capabilities });
    });
  });

  describe('as a plugin', () => {
    const folders = new Folders();
    after(() => folders.clearAway());

    /** The interface over backends by their prefixes, in one application. */
    async function application(backends: Readonly<Record<string, Backend>>) {
      const app = fastify();
      app.post('/json', async ({ body }) => body);
      for (const [prefix, backend] of Object.entries(backends)) await app.register(backendRoutes, { prefix, backend });
      return app;
    }

    it('serves several backends under their prefixes, isolated from each other', async () => {
      const root = folders.open(folders.make());
      const app = await application({ '/one': root.namespace('one'), '/deep/two': root.namespace('two') });
      const store = (url: string) => app.inject({ method: 'PUT', url, payload: url });
      for (const url of ['/one/a', '/deep/two/a', '/one/two%3Aa', '/one/..%2Ftwo%2Fb']) await store(url);
      const keysOf = async (url: string) => (await app.inject({ url })).json<{ keys: string[] }>().keys.sort();
      expect(await keysOf('/one')).to.deep.equal(['../two/b', 'a', 'two:a']);
      expect(await keysOf('/one/')).to.deep.equal(await keysOf('/one'));
      expect(await keysOf('/deep/two/')).to.deep.equal(['a']);
      expect((await app.inject({ url: '/one/a' })).body).to.equal('/one/a');
      expect((await app.inject({ url: '/deep/two/a' })).body).to.equal('/deep/two/a');
      await app.inject({ method: 'POST', url: '/one/-/clear' });
      expect(await keysOf('/deep/two/')).to.deep.equal(['a']);
      await app.close();
    });

    it('leaves the bodies, headers and keys of the other routes alone', async () => {
      const app = await application({ '/kv': folders.open(folders.make()) });
      const { body, headers } = await app.inject({ method: 'POST', url: '/json', payload: { a: 1 } });
      expect(JSON.parse(body)).to.deep.equal({ a: 1 });
      expect(headers['content-security-policy']).to.equal(undefined);
      expect((await app.inject({ url: '/other' })).statusCode).to.equal(404);
      await app.close();
    });

    it('takes keys of any length, whatever the length of parameters is elsewhere', async () => {
      const app = await application({ '/kv': folders.open(folders.make()) });
      const url = `/kv/${encodeURIComponent('é'.repeat(512))}`;
      expect((await app.inject({ method: 'PUT', url, payload: 'x' })).statusCode).to.equal(204);
      expect((await app.inject({ url })).body).to.equal('x');
      await app.close();
    });

    it('serves a backend that only reads as one', async () => {
      const backend = folders.open(folders.make());
      await backend.set('key', 'value');
      const app = await application({ '/kv': readOnly(backend) });
      expect((await app.inject({ url: '/kv/key' })).body).to.equal('value');
      for (const method of ['PUT', 'DELETE'] as const) {
        const { statusCode, headers } = await app.inject({ method, url: '/kv/key', payload: 'x' });
        expect([statusCode, headers.allow]).to.deep.equal([405, 'GET, HEAD, OPTIONS']);
      }
      expect((await app.inject({ method: 'POST', url: '/kv/-/clear' })).statusCode).to.equal(405);
      expect(
        (await app.inject({ method: 'POST', url: '/kv/-/get-many', payload: { keys: ['key'] } })).statusCode,
      ).to.equal(200);
      await app.close();
    });

    it('says that the store failed, and not why', async () => {
      const folder = folders.make();
      const backend = files(folder);
      await backend.close();
      const app = await application({ '/kv': backend });
      for (const url of ['/kv/key', '/kv/', '/kv/-/health', '/kv/-/count']) {
        const { statusCode, body } = await app.inject({ url });
        expect(statusCode, url).to.equal(503);
        expect(body).to.not.contain(folder);
        expect(JSON.parse(body).code).to.equal('KEEPSAKE_CLOSED');
      }
      await app.close();
    });

    it('refuses options that it does not know', async () => {
      const backend = folders.open(folders.make());
      const wrong = [
        {},
        { backend: {} },
        { backend, bodyLimit: 0 },
        { backend, authorize: 'me' },
        { backend, cors: true },
      ];
      for (const options of [...wrong, { backend, origins: ['example.com'] }, { backend, rateLimit: { max: 0 } }]) {
        const app = fastify();
        const refused = await app.register(backendRoutes, options as never).then(
          () => undefined,
          (error: Error & { code?: string }) => error.code,
        );
        expect(refused, JSON.stringify(Object.keys(options))).to.match(/^KEEPSAKE_(INVALID_ARGUMENT|OUT_OF_RANGE)$/);
      }
    });
  });
});
