import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Backend, BackendRegistry } from 'keepsake';
import type { KeepsakeOptions, RouteCache } from 'keepsake/fastify';
import { TestClock } from '../clock.js';
import { FailingDriver } from '../failing.js';
import type { App, Framework, Ground, Reply, Route } from './app.js';

/** A promise that is settled from outside. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Waits until something is so, with a generous bound. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await holds()) return;
    await setTimeout(10);
  }
  throw new Error('it never came to be so');
}

/** A request by `node:http`: `fetch` says `no-cache` by itself where it asks for a change. */
async function conditional(url: string, headers: Record<string, string>) {
  const request = httpRequest(url, { headers, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

/** What every framework's cached responses do. */
export function cachesResponses({ start }: Framework, ground: Ground): void {
  const opened: App[] = [];
  const roots: Backend<unknown>[] = [];
  let clock: TestClock;
  let reported: unknown[];

  beforeEach(() => {
    clock = new TestClock();
    reported = [];
  });

  afterEach(async () => {
    for (const app of opened.splice(0)) await app.close();
    for (const root of roots.splice(0)) await root.close();
  });

  async function launch(routes: readonly Route[], options: KeepsakeOptions = {}): Promise<App> {
    const root = ground.open();
    roots.push(root);
    const app = await start(
      {
        backends: root,
        report: (error) => reported.push(error),
        ...options,
        responses: { clock: clock.now, ...options.responses },
      },
      routes,
    );
    opened.push(app);
    return app;
  }

  /** An application with one cached route, that counts how often its handler ran. */
  async function counting(
    cache: RouteCache,
    reply: (count: number, header: (name: string) => string | undefined) => Reply | Promise<Reply> = (count) => ({
      body: `made ${count}`,
    }),
    options: KeepsakeOptions = {},
  ) {
    const state = { count: 0 };
    const handler: Route['handler'] = ({ header }) => reply(++state.count, header);
    const app = await launch([{ path: '/page', cache, handler }], options);
    const get = async (headers: Record<string, string> = {}, query = '', method = 'GET') => {
      const response = await fetch(`${app.url}/page${query}`, { headers, method });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    /** What `X-Cache` says, and the body. */
    const seen = async (headers: Record<string, string> = {}, query = '', method = 'GET') => {
      const { headers: answered, text } = await get(headers, query, method);
      return `${answered.get('x-cache')} ${text}`;
    };
    return { app, state, get, seen };
  }

  it('gives a stored response, with its status, headers and age', async () => {
    const { get } = await counting(true, (count) => ({
      body: `made ${count}`,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-own': 'mine' },
    }));
    const first = await get();
    expect([first.headers.get('x-cache'), first.text, first.headers.get('age')]).to.deep.equal([
      'miss',
      'made 1',
      null,
    ]);
    clock.advance(7000);
    const second = await get();
    expect([second.status, second.headers.get('x-cache'), second.text]).to.deep.equal([200, 'hit', 'made 1']);
    expect(second.headers.get('age')).to.equal('7');
    expect(second.headers.get('x-own')).to.equal('mine');
    expect(second.headers.get('content-type')).to.equal('text/plain; charset=utf-8');
    expect(second.headers.get('content-length')).to.equal('6');
  });

  it('leaves routes alone that do not ask for it', async () => {
    const { seen } = await counting(false);
    expect([await seen(), await seen()]).to.deep.equal(['null made 1', 'null made 2']);
  });

  it('lets a response live for a minute, for the time of its route, or for ever', async () => {
    for (const [cache, seconds] of [
      [true, 60],
      ['5m', 300],
      [2000, 2],
    ] as const) {
      const { seen } = await counting(cache);
      await seen();
      clock.advance(seconds * 1000 - 1);
      expect(await seen(), `${cache}`).to.equal('hit made 1');
      clock.advance(1);
      expect(await seen(), `${cache}`).to.equal('miss made 2');
    }
    for (const cache of ['forever', Number.POSITIVE_INFINITY] as const) {
      const { seen } = await counting(cache);
      await seen();
      clock.advance(1e12);
      expect(await seen()).to.equal('hit made 1');
    }
  });

  it('tells responses apart by path and query, whose parameters may come in any order', async () => {
    const { seen } = await counting(true);
    expect(await seen({}, '?b=2&a=1')).to.equal('miss made 1');
    expect(await seen({}, '?a=1&b=2')).to.equal('hit made 1');
    expect(await seen({}, '?a=1&b=3')).to.equal('miss made 2');
    expect(await seen({}, '?a=2&a=1')).to.equal('miss made 3');
    expect(await seen({}, '?a=1&a=2')).to.equal('miss made 4');
    expect(await seen()).to.equal('miss made 5');
    const long = `?${'x'.repeat(3000)}=1`;
    expect(await seen({}, long)).to.equal('miss made 6');
    expect(await seen({}, long)).to.equal('hit made 6');
    expect(await seen({}, `${long}2`)).to.equal('miss made 7');
  });

  it('stores 2xx, 301 and 308 alone', async () => {
    for (const [status, stored] of [
      [200, true],
      [201, true],
      [204, true],
      [206, false],
      [301, true],
      [302, false],
      [308, true],
      [404, false],
      [500, false],
    ] as const) {
      const { app, state } = await counting(true, () => ({ status, ...(status !== 204 && { body: 'x' }) }));
      for (let times = 0; times < 2; times++) {
        const response = await fetch(`${app.url}/page`, { redirect: 'manual' });
        expect(response.status).to.equal(status);
        await response.arrayBuffer();
      }
      expect(state.count, `${status}`).to.equal(stored ? 1 : 2);
    }
  });

  it('heeds what a response says', async () => {
    const dated = (offset: number) => new Date(Date.parse('2030-01-01') + offset).toUTCString();
    for (const [headers, stored] of [
      [{ 'cache-control': 'no-store' }, false],
      [{ 'cache-control': 'No-Cache' }, false],
      [{ 'cache-control': 'max-age=60, private' }, false],
      [{ 'cache-control': 'private="x-name"' }, false],
      [{ 'cache-control': 'max-age=0' }, false],
      [{ 'cache-control': 's-maxage=0, max-age=60' }, false],
      [{ 'cache-control': 'max-age=no' }, false],
      [{ 'cache-control': 'max-age="30"' }, true],
      [{ 'cache-control': 'must-revalidate, max-age=30' }, true],
      [{ expires: dated(30_000), date: dated(0) }, true],
      [{ expires: '0' }, false],
      [{ 'cache-control': 'max-age=30', expires: '0' }, true],
      [{ 'cache-control': 'max-age=30', age: '30' }, false],
      [{ 'set-cookie': 'a=b' }, false],
      [{ 'set-cookie': 'a=b', 'cache-control': 'public, max-age=60' }, false],
      [{ vary: '*' }, false],
      [{ 'content-type': 'text/event-stream' }, false],
    ] as const) {
      const { seen } = await counting('1h', (count) => ({ body: `made ${count}`, headers }));
      await seen();
      expect(await seen(), JSON.stringify(headers)).to.equal(stored ? 'hit made 1' : 'miss made 2');
      if (stored) {
        clock.advance(30_000);
        expect(await seen(), JSON.stringify(headers)).to.equal('miss made 2');
      }
    }
  });

  it('prefers s-maxage to max-age, and counts the age that a response has', async () => {
    const { seen, get } = await counting(true, (count) => ({
      body: `made ${count}`,
      headers: { 'cache-control': 'max-age=5, s-maxage=100', age: '40' },
    }));
    await seen();
    clock.advance(59_000);
    expect((await get()).headers.get('age')).to.equal('99');
    clock.advance(1000);
    expect(await seen()).to.equal('miss made 2');
  });

  it('stores a response without its cookies where it is told to', async () => {
    const { get } = await counting({ setCookie: 'strip' }, (count) => ({
      body: `made ${count}`,
      headers: { 'set-cookie': 'a=b' },
    }));
    expect((await get()).headers.get('set-cookie')).to.equal('a=b');
    const again = await get();
    expect([again.text, again.headers.get('set-cookie')]).to.deep.equal(['made 1', null]);
  });

  it('heeds what a request says', async () => {
    const { seen, get } = await counting('1m');
    await seen();
    clock.advance(20_000);
    expect(await seen({ 'cache-control': 'max-age=20' })).to.equal('hit made 1');
    expect(await seen({ 'cache-control': 'min-fresh=40' })).to.equal('hit made 1');
    expect(await seen({ 'cache-control': 'no-store' })).to.equal('bypass made 2');
    expect(await seen()).to.equal('hit made 1');
    expect(await seen({ 'cache-control': 'max-age=19' })).to.equal('miss made 3');
    expect(await seen()).to.equal('hit made 3');
    clock.advance(30_000);
    expect(await seen({ 'cache-control': 'min-fresh=31' })).to.equal('miss made 4');
    expect(await seen({ 'cache-control': 'No-Cache' })).to.equal('miss made 5');
    expect(await seen({ 'cache-control': 'max-age=0' })).to.equal('miss made 6');
    expect(await seen({ pragma: 'no-cache' })).to.equal('miss made 7');
    expect(await seen({ 'cache-control': 'only-if-cached' })).to.equal('hit made 7');
    expect((await get({ 'cache-control': 'only-if-cached' }, '?other')).status).to.equal(504);
    expect(await seen()).to.equal('hit made 7');
  });

  it('does not heed requests where it is told not to', async () => {
    const { seen } = await counting('1m', undefined, { responses: { honourRequests: false } });
    await seen();
    expect(await seen({ 'cache-control': 'no-cache' })).to.equal('hit made 1');
    expect(await seen({ 'cache-control': 'no-store' })).to.equal('hit made 1');
  });

  it('gives a stale response to a request that accepts it, as long as it is kept', async () => {
    const { seen } = await counting({ ttl: '10s', staleWhileRevalidate: '1h' });
    await seen();
    clock.advance(15_000);
    expect(await seen({ 'cache-control': 'max-stale=5' })).to.equal('stale made 1');
    expect(await seen({ 'cache-control': 'max-stale' })).to.equal('stale made 1');
  });

  it('gives a stale response while the handler makes a new one, once', async () => {
    const held = gate();
    const { seen, state } = await counting({ ttl: '10s', staleWhileRevalidate: '20s' }, async (count) => {
      if (count === 2) await held.opened;
      return { body: `made ${count}` };
    });
    await seen();
    clock.advance(10_000);
    expect([await seen(), await seen(), await seen()]).to.deep.equal(Array(3).fill('stale made 1'));
    await until(() => state.count === 2);
    held.open();
    await until(async () => (await seen()) === 'hit made 2');
    expect(state.count).to.equal(2);
    clock.advance(30_000);
    expect(await seen()).to.equal('miss made 3');
  });

  it('takes the time for stale responses from the response, and none where it must be revalidated', async () => {
    let more = '';
    const { seen, state } = await counting('1h', (count) => ({
      body: `made ${count}`,
      headers: { 'cache-control': `max-age=10, stale-while-revalidate=20${more}` },
    }));
    await seen();
    clock.advance(29_999);
    more = ', must-revalidate';
    expect(await seen()).to.equal('stale made 1');
    await until(async () => (await seen()) === 'hit made 2');
    clock.advance(10_000);
    expect(await seen({ 'cache-control': 'max-stale' })).to.equal('miss made 3');
    expect(state.count).to.equal(3);
  });

  it('tells a client that it has the response already', async () => {
    const { app, get, state } = await counting(true, (count) => ({
      body: `made ${count}`,
      headers: {
        'content-type': 'text/plain',
        'cache-control': 'max-age=60',
        'last-modified': 'Tue, 01 Jan 2030 00:00:00 GMT',
      },
    }));
    await get();
    const tag = (await get()).headers.get('etag') as string;
    expect(tag).to.match(/^(W\/)?".+"$/);
    for (const headers of [
      { 'if-none-match': tag },
      { 'if-none-match': `"other", W/${tag.replace(/^W\//, '')}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': 'Tue, 01 Jan 2030 00:00:00 GMT' },
    ]) {
      const { status, text, headers: answered } = await conditional(`${app.url}/page`, headers);
      expect([status, text], JSON.stringify(headers)).to.deep.equal([304, '']);
      expect([answered.etag, answered['x-cache']]).to.deep.equal([tag, 'hit']);
      expect(answered['content-type']).to.equal(undefined);
    }
    for (const headers of [
      { 'if-none-match': '"other"' },
      { 'if-none-match': '"other"', 'if-modified-since': 'Tue, 01 Jan 2030 00:00:00 GMT' },
      { 'if-modified-since': 'Mon, 31 Dec 2029 00:00:00 GMT' },
    ]) {
      expect((await conditional(`${app.url}/page`, headers)).status).to.equal(200);
    }
    expect(state.count).to.equal(1);
  });

  it('stores the whole response although the client has it already', async () => {
    const { app, seen, state } = await counting(true, (count) => ({
      body: `made ${count}`,
      headers: { etag: '"one"' },
    }));
    await conditional(`${app.url}/page`, { 'if-none-match': '"one"' });
    expect(await seen()).to.equal('hit made 1');
    expect(state.count).to.equal(1);
  });

  it('answers HEAD from what GET has stored, and stores nothing for it', async () => {
    const { get, seen, state } = await counting(true);
    expect((await get({}, '', 'HEAD')).headers.get('x-cache')).to.equal('miss');
    expect(await seen()).to.equal('miss made 2');
    const head = await get({}, '', 'HEAD');
    expect([head.status, head.text, head.headers.get('x-cache')]).to.deep.equal([200, '', 'hit']);
    expect(head.headers.get('content-length')).to.equal('6');
    expect(state.count).to.equal(2);
  });

  it('leaves requests for a range to the handler', async () => {
    const { seen } = await counting(true);
    await seen();
    expect(await seen({ range: 'bytes=0-1' })).to.equal('bypass made 2');
  });

  it('chooses by the headers that a response varies by', async () => {
    const { seen } = await counting(true, (_count, header) => ({
      body: `${header('accept-language') ?? 'none'}`,
      headers: { vary: 'Accept-Language' },
    }));
    const [ann, bob] = [{ 'accept-language': 'de' }, { 'accept-language': 'fr' }];
    expect([await seen(ann), await seen(bob)]).to.deep.equal(['miss de', 'miss fr']);
    expect([await seen(ann), await seen(bob)]).to.deep.equal(['hit de', 'hit fr']);
    clock.advance(60_000);
    expect(await seen(ann)).to.equal('miss de');
    expect(await seen(ann)).to.equal('hit de');
  });

  it('makes one for each language, and gives it to nobody else, however many ask at once', async () => {
    const { seen, state } = await counting(true, async (_count, header) => {
      await setTimeout(20);
      return { body: header('accept-language') ?? '', headers: { vary: 'accept-language' } };
    });
    const languages = Array.from({ length: 40 }, (_, index) => ['de', 'fr', 'it', 'es'][index % 4] as string);
    const answers = await Promise.all(languages.map((language) => seen({ 'accept-language': language })));
    expect(answers.map((answer) => answer.split(' ')[1])).to.deep.equal(languages);
    expect(state.count).to.equal(4);
  });

  it('gives a response that is being stored to those who ask meanwhile', async () => {
    const driver = new FailingDriver();
    const write = driver.write.bind(driver);
    let writes = 0;
    driver.write = async (...parameters) => {
      // The second is that of the response, after the names of the headers.
      if (++writes === 2) await setTimeout(200);
      return write(...parameters);
    };
    const { seen } = await counting(
      true,
      (count) => ({ body: `made ${count}`, headers: { vary: 'accept-language' } }),
      {
        backends: new Backend(driver),
      },
    );
    expect([await seen(), await seen()]).to.deep.equal(['miss made 1', 'hit made 1']);
  });

  it('keeps from authorised requests, and from those with cookies, what is not for everybody', async () => {
    for (const headers of [{ authorization: 'Bearer secret' }, { cookie: 'session=1' }]) {
      const { seen } = await counting(true);
      expect(await seen(headers)).to.equal('bypass made 1');
      expect(await seen()).to.equal('miss made 2');
      expect(await seen(headers)).to.equal('bypass made 3');
      expect(await seen()).to.equal('hit made 2');
    }
    for (const cacheControl of ['public', 's-maxage=60', 'must-revalidate, max-age=60']) {
      const { seen } = await counting(true, (count) => ({
        body: `made ${count}`,
        headers: { 'cache-control': cacheControl },
      }));
      await seen({ authorization: 'Bearer secret' });
      expect(await seen({ authorization: 'Bearer other' }), cacheControl).to.equal('hit made 1');
      expect(await seen(), cacheControl).to.equal('hit made 1');
    }
  });

  it('gives them the same as everybody where it is told to', async () => {
    const { seen } = await counting({ authorized: true, cookies: true });
    expect(await seen({ authorization: 'Bearer secret', cookie: 'a=b' })).to.equal('miss made 1');
    expect(await seen()).to.equal('hit made 1');
    expect(await seen({ authorization: 'Bearer other' })).to.equal('hit made 1');
  });

  it('looks up what is cached only after what refuses a request', async () => {
    let runs = 0;
    const app = await launch([
      {
        path: '/secret',
        cache: { authorized: true },
        allow: ({ header }) => header('authorization') === 'Bearer secret',
        handler: () => ({ body: `made ${++runs}` }),
      },
    ]);
    const get = async (headers: Record<string, string>) => (await fetch(`${app.url}/secret`, { headers })).text();
    expect(await get({ authorization: 'Bearer secret' })).to.equal('made 1');
    expect(await get({ authorization: 'Bearer secret' })).to.equal('made 1');
    expect(await get({})).to.equal('no');
  });

  it('runs the handler once, however many ask at once', async () => {
    const held = gate();
    const { seen, state } = await counting(true, async (count) => {
      await held.opened;
      return { body: `made ${count}` };
    });
    const asking = Array.from({ length: 30 }, () => seen());
    await until(() => state.count === 1);
    await setTimeout(50);
    held.open();
    const answers = await Promise.all(asking);
    expect(state.count).to.equal(1);
    expect(answers.filter((answer) => answer === 'miss made 1')).to.have.length(1);
    expect(answers.filter((answer) => answer === 'hit made 1')).to.have.length(29);
  });

  it('lets those who waited for a response that cannot be stored make their own at the same time', async () => {
    for (const reply of [{ headers: { 'cache-control': 'no-store' } }, { status: 500 }]) {
      let running = 0;
      let most = 0;
      const first = gate();
      const rest = gate();
      const { get, state } = await counting(true, async (count) => {
        most = Math.max(most, ++running);
        await (count === 1 ? first.opened : rest.opened);
        running--;
        return { body: `made ${count}`, ...reply };
      });
      const asking = Array.from({ length: 6 }, () => get());
      await until(() => state.count === 1);
      await setTimeout(50);
      first.open();
      // All of them, each in a run of its own: they would never get there one after another.
      await until(() => state.count === 6);
      rest.open();
      const answers = await Promise.all(asking);
      expect(new Set(answers.map(({ text }) => text)).size).to.equal(6);
      expect(most).to.be.at.least(5);
    }
  });

  it('lets nobody hang whose predecessor went away', async () => {
    const { app, state, get } = await counting(true, async (count) => {
      if (count === 1) await new Promise(() => undefined);
      return { body: `made ${count}` };
    });
    const first = httpRequest(`${app.url}/page`, { agent: false });
    first.on('error', () => undefined);
    first.end();
    await until(() => state.count === 1);
    const second = get();
    await setTimeout(20);
    first.destroy();
    expect((await second).text).to.equal('made 2');
  });

  it('waits no longer for another than it is told', async () => {
    const held = gate();
    const { seen, state } = await counting(
      true,
      async (count) => {
        if (count === 1) await held.opened;
        return { body: `made ${count}` };
      },
      { responses: { waitFor: '50ms' } },
    );
    const first = seen();
    await until(() => state.count === 1);
    expect(await seen()).to.equal('miss made 2');
    held.open();
    expect(await first).to.equal('miss made 1');
  });

  it('waits for nobody whose client is gone, also where that waited itself', async () => {
    const { app, state, get } = await counting(true, async (count) => {
      if (count <= 2) await new Promise(() => undefined);
      return { body: `made ${count}` };
    });
    const ask = () => {
      const request = httpRequest(`${app.url}/page`, { agent: false });
      request.on('error', () => undefined);
      request.end();
      return request;
    };
    const first = ask();
    await until(() => state.count === 1);
    const second = ask();
    await setTimeout(50);
    const third = get();
    await setTimeout(50);
    second.destroy();
    await setTimeout(50);
    const since = performance.now();
    first.destroy();
    expect((await third).text).to.equal('made 3');
    expect(performance.now() - since).to.be.below(5000);
  });

  it('does not let a slow response take the place of one that was begun later', async () => {
    const held = gate();
    const { seen, state } = await counting(true, async (count) => {
      if (count === 1) await held.opened;
      return { body: `made ${count}` };
    });
    const first = seen();
    await until(() => state.count === 1);
    expect(await seen({ 'cache-control': 'no-cache' })).to.equal('miss made 2');
    held.open();
    expect(await first).to.equal('miss made 1');
    expect(await seen()).to.equal('hit made 2');
  });

  it('tells parameters apart whose order means something, however their names are written', async () => {
    const { seen } = await counting(true);
    for (const [one, other] of [
      ['?a=1&%61=2', '?%61=2&a=1'],
      ['?a=1&a[]=2', '?a[]=2&a=1'],
      ['?a%5B%5D=1&a[0]=2', '?a[0]=2&a%5B%5D=1'],
      ['?a+b=1&a%20b=2', '?a%20b=2&a+b=1'],
    ] as const) {
      const made = await seen({}, one);
      expect(await seen({}, other), one)
        .to.match(/^miss/)
        .and.not.to.equal(made);
    }
  });

  it('gives each request its own of the headers that are set before the handler', async () => {
    let requests = 0;
    const app = await launch(
      [
        {
          path: '/page',
          cache: true,
          present: () => ({ 'x-request-id': `${++requests}`, vary: 'Origin', 'cache-control': 'public' }),
          handler: () => ({
            body: 'made',
            headers: { vary: 'Origin, Accept-Language', 'cache-control': 'max-age=50', link: '<a>, <b>' },
          }),
        },
      ],
      {},
    );
    for (const [state, id] of [
      ['miss', '1'],
      ['hit', '2'],
    ] as const) {
      const { headers } = await fetch(`${app.url}/page`, { headers: { 'accept-language': 'de' } });
      expect(headers.get('x-cache')).to.equal(state);
      expect(headers.get('x-request-id')).to.equal(id);
      expect(headers.get('vary')).to.equal('Origin, Accept-Language');
      expect(headers.get('cache-control')).to.equal('max-age=50');
      expect(headers.get('link')).to.equal('<a>, <b>');
    }
  });

  it('keeps bodies of bytes exact', async () => {
    const bytes = randomBytes(100_000);
    const { app, state } = await counting(true, () => ({
      body: bytes,
      headers: { 'content-type': 'application/octet-stream' },
    }));
    for (let times = 0; times < 2; times++) {
      const response = await fetch(`${app.url}/page`);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).to.equal(true);
    }
    expect(state.count).to.equal(1);
  });

  it('stores what is streamed, and passes on what is too long for that', async () => {
    async function* chunks(count: number) {
      for (let at = 0; at < count; at++) yield Buffer.alloc(1000, at);
    }
    for (const [count, stored] of [
      [10, true],
      [11, false],
    ] as const) {
      const { app, state } = await counting({ maxBytes: 10_000 }, () => ({
        body: chunks(count),
        headers: { 'content-type': 'application/octet-stream' },
      }));
      const expected = Buffer.concat(Array.from({ length: count }, (_, at) => Buffer.alloc(1000, at)));
      for (let times = 0; times < 2; times++) {
        const response = await fetch(`${app.url}/page`);
        expect(Buffer.from(await response.arrayBuffer()).equals(expected)).to.equal(true);
      }
      expect(state.count, `${count}`).to.equal(stored ? 1 : 2);
    }
  });

  it('stores nothing of a stream that breaks', async () => {
    const { app, state, seen } = await counting(true, (count) => ({
      body: (async function* () {
        yield Buffer.from('half');
        await setTimeout(10);
        if (count === 1) throw new Error('the source broke');
      })(),
    }));
    const broken = await fetch(`${app.url}/page`)
      .then((response) => response.text())
      .catch((error: Error) => error);
    expect(broken).to.be.instanceOf(Error);
    expect(await seen()).to.equal('miss half');
    expect(state.count).to.equal(2);
  });

  it('voids what is cached of a URL when a request has changed something there', async () => {
    let value = 1;
    const app = await launch([
      { path: '/value', cache: 'forever', handler: () => ({ body: `${value}`, headers: { vary: 'accept-language' } }) },
      {
        method: 'POST',
        path: '/value',
        handler: ({ header }) => {
          if (header('x-fail') !== undefined) return { status: 400, body: 'no' };
          value++;
          return { body: 'changed' };
        },
      },
    ]);
    const get = async () => (await fetch(`${app.url}/value`)).text();
    const post = async (headers: Record<string, string> = {}) =>
      (await fetch(`${app.url}/value`, { method: 'POST', headers })).text();
    expect(await get()).to.equal('1');
    value = 5;
    expect(await post({ 'x-fail': 'yes' })).to.equal('no');
    expect(await get()).to.equal('1');
    expect(await post()).to.equal('changed');
    expect(await get()).to.equal('6');
    await app.responseCache.delete('/value');
    value = 7;
    expect(await get()).to.equal('7');
    // A request may name the whole URL.
    const { host, port } = new URL(app.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`POST ${app.url}/value HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    expect(answer).to.match(/^HTTP\/1.1 200 /);
    expect(await get()).to.equal('8');
    expect(reported).to.deep.equal([]);
    await app.responseCache.clear();
    value = 9;
    expect(await get()).to.equal('9');
  });

  it('does not store what was made before its URL was voided', async () => {
    const held = gate();
    const { app, seen, state } = await counting(true, async (count) => {
      if (count === 1) await held.opened;
      return { body: `made ${count}` };
    });
    const first = seen();
    await until(() => state.count === 1);
    await app.responseCache.delete('/page');
    held.open();
    expect(await first).to.equal('miss made 1');
    expect(await seen()).to.equal('miss made 2');
  });

  it('answers by the handler when the backend fails, and reports that', async () => {
    const driver = new FailingDriver();
    driver.fate = () => 'before';
    const { seen } = await counting(true, undefined, { backends: new Backend(driver) });
    expect([await seen(), await seen()]).to.deep.equal(['bypass made 1', 'bypass made 2']);
    expect(reported.length).to.be.at.least(2);
    driver.fate = (operation) => (operation === 'write' ? 'before' : undefined);
    expect([await seen(), await seen()]).to.deep.equal(['miss made 3', 'miss made 4']);
    driver.fate = () => undefined;
    expect([await seen(), await seen()]).to.deep.equal(['miss made 5', 'hit made 5']);
  });

  it('makes a response anew in place of one that cannot be read, and reports that', async () => {
    const { app, seen } = await counting(true);
    await seen();
    const registry: BackendRegistry<unknown> = app.backends;
    for await (const key of registry.get('response_cache').keys()) {
      await registry.get('response_cache').set(key, Buffer.from('nonsense'));
    }
    expect(await seen()).to.equal('miss made 2');
    expect(await seen()).to.equal('hit made 2');
    expect(reported).to.have.length(1).and.to.have.nested.property('[0].code', 'KEEPSAKE_CORRUPT_DATA');
  });

  it('holds a bounded part of them in memory, where no backend is named', async () => {
    const big = Buffer.alloc(2 ** 20 - 1000);
    const { app, seen } = await counting(true, () => ({ body: big }), { backends: undefined });
    for (let page = 0; page < 66; page++) await seen({}, `?page=${page}`);
    expect(await app.backends.get('response_cache').count()).to.be.within(1, 64);
    expect((await seen({}, '?page=65')).slice(0, 4)).to.equal('hit ');
    expect((await seen({}, '?page=0')).slice(0, 4)).to.equal('miss');
  });

  it('lives under its name in the registry of backends, apart from the others', async () => {
    const { app, seen } = await counting(true);
    await seen();
    const stored = app.backends.get('response_cache');
    expect(await stored.count()).to.equal(1);
    expect(await app.backends.get('sessions').count()).to.equal(0);
    await stored.clear();
    expect(await seen()).to.equal('miss made 2');
  });

  it('is cleared alone, also where a registry gives one backend to every name', async () => {
    const shared = ground.open();
    roots.push(shared);
    await shared.set('sessions:ann', 'a');
    const backends = new BackendRegistry<unknown>({ defaultFactory: () => shared });
    const { app, seen } = await counting(true, undefined, { backends });
    expect([await seen(), await seen()]).to.deep.equal(['miss made 1', 'hit made 1']);
    await app.responseCache.clear();
    expect(await seen()).to.equal('miss made 2');
    expect(await shared.has('sessions:ann')).to.equal(true);
  });
}
