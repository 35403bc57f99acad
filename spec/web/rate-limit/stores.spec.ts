import { expect } from 'chai';
import type { Options } from 'express-rate-limit';
import { type Backend, BackendRegistry, encoded, files, json, memory } from 'keepsake';
import { ExpressRateLimitStore } from 'keepsake/express';
import { type FastifyRateLimitCount, type FastifyRateLimitStore, fastifyRateLimitStore } from 'keepsake/fastify';
import { HonoRateLimitStore } from 'keepsake/hono';
import { TestClock } from '../../support/clock.js';
import { all, Folders, rejection } from '../../support/folders.js';

const MINUTE = 60_000;

for (const Store of [ExpressRateLimitStore, HonoRateLimitStore]) {
  describe(Store.name, () => {
    let clock: TestClock;
    let backend: Backend<unknown>;
    const made = (options: { prefix?: string } = {}) => {
      const store = new Store({ backend, ...options });
      store.init({ windowMs: MINUTE } as Options);
      return store;
    };
    beforeEach(() => {
      clock = new TestClock();
      backend = memory({ clock: clock.now });
    });
    afterEach(() => backend.close());

    it('counts, and gives the end of the window, which never moves', async () => {
      const store = made();
      const resetTime = new Date(clock.now() + MINUTE);
      expect(await store.increment('a')).to.deep.equal({ totalHits: 1, resetTime });
      clock.advance(MINUTE - 1);
      expect(await store.increment('a')).to.deep.equal({ totalHits: 2, resetTime });
      expect(await store.get('a')).to.deep.equal({ totalHits: 2, resetTime });
      clock.advance(1);
      expect(await store.get('a')).to.equal(undefined);
      expect((await store.increment('a')).totalHits).to.equal(1);
    });

    it('counts each of many at once', async () => {
      const store = made();
      const counted = await Promise.all(Array.from({ length: 200 }, () => store.increment('a')));
      const hits = counted.map(({ totalHits }) => totalHits);
      expect(hits.sort((one, other) => one - other)).to.deep.equal(hits.map((_, index) => index + 1));
    });

    it('takes hits back, leaves the window as it is, and never goes below none', async () => {
      const store = made();
      await store.increment('a');
      const before = await store.increment('a');
      clock.advance(10);
      await store.decrement('a');
      expect(await store.get('a')).to.deep.equal({ totalHits: 1, resetTime: before.resetTime });
      await store.decrement('a');
      await store.decrement('a');
      expect((await store.get('a'))?.totalHits).to.equal(0);
      await store.decrement('b');
      expect(await store.get('b')).to.equal(undefined);
    });

    it('lets one client begin anew, or all of its prefix', async () => {
      const login = made({ prefix: 'login:' });
      const mail = made({ prefix: 'mail:' });
      await backend.set('other', 1);
      for (const store of [login, mail]) for (const key of ['a', 'b', '~']) await store.increment(key);
      await login.resetKey('a');
      expect(await login.get('a')).to.equal(undefined);
      expect((await mail.get('a'))?.totalHits).to.equal(1);
      await login.resetAll();
      expect(await login.get('b')).to.equal(undefined);
      expect(await login.get('~')).to.equal(undefined);
      expect((await mail.get('b'))?.totalHits).to.equal(1);
      expect(await backend.get('other')).to.equal(1);
    });

    it('counts every key, whatever a client sends, each for itself', async () => {
      const store = made();
      const keys = [
        '',
        '\ud800',
        '\ud801',
        '~',
        '~~',
        'x'.repeat(256),
        'x'.repeat(257),
        'x'.repeat(5000),
        'é',
        'e\u0301',
        '::1',
        'a:b',
        '__proto__',
        '*',
      ];
      for (const key of keys) expect((await store.increment(key)).totalHits, key.slice(0, 20)).to.equal(1);
      for (const key of keys) expect((await store.increment(key)).totalHits, key.slice(0, 20)).to.equal(2);
      const folded = (await all(backend.namespace('rate_limit').keys())).filter((key) => key.startsWith('~'));
      for (const key of folded)
        expect((await store.increment(key)).totalHits, 'a key that looks like a digest').to.equal(1);
    });

    it('says what the limiters look at', async () => {
      expect(made().localKeys).to.equal(false);
      expect(made({ prefix: 'a:' }).prefix).to.equal('a:');
      expect(made().prefix).to.equal('');
      made().shutdown();
      await backend.set('still', 'open');
    });

    it('refuses to count before it knows the window', async () => {
      const error = await rejection(new Store({ backend }).increment('a'));
      expect(error.code).to.equal('KEEPSAKE_INVALID_ARGUMENT');
    });

    it('rejects for what is no counter, and leaves it as it is', async () => {
      await backend.set('rate_limit:a', 'text');
      const store = made();
      for (const failed of [store.increment('a'), store.get('a'), store.decrement('a')]) {
        expect((await rejection(failed)).code).to.equal('KEEPSAKE_NOT_AN_INTEGER');
      }
      expect(await backend.get('rate_limit:a')).to.equal('text');
    });

    it('takes the backend "rate_limit" of a registry, or another by its name, in a namespace', async () => {
      const backends = new BackendRegistry({ backends: { redis: backend } });
      const own = new Store({ backend: backends });
      const other = new Store({ backend: backends, name: 'redis' });
      for (const store of [own, other]) {
        store.init({ windowMs: MINUTE } as Options);
        await store.increment('a');
      }
      expect(await all(backends.get('rate_limit').keys())).to.deep.equal(['rate_limit:a']);
      expect(await all(backend.keys())).to.deep.equal(['rate_limit:a']);
      await backends.close();
    });

    it('refuses options that are none', () => {
      const invalid: [object, string][] = [
        [{}, 'KEEPSAKE_INVALID_ARGUMENT'],
        [{ backend, ttl: 5 }, 'KEEPSAKE_INVALID_ARGUMENT'],
        [{ backend, prefix: 5 }, 'KEEPSAKE_INVALID_ARGUMENT'],
        [{ backend, prefix: 'x'.repeat(129) }, 'KEEPSAKE_OUT_OF_RANGE'],
      ];
      for (const [options, code] of invalid) {
        expect(() => new Store(options as { backend: Backend<unknown> }))
          .to.throw(Error)
          .with.property('code', code);
      }
    });
  });
}

describe('rate-limit stores', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  it('count and take back in backends of every kind', async () => {
    const kinds: Backend<unknown>[] = [
      memory(),
      files(folders.make()) as Backend<unknown>,
      encoded(files(folders.make()), json()) as Backend<unknown>,
    ];
    for (const backend of kinds) {
      const store = new ExpressRateLimitStore({ backend });
      store.init({ windowMs: MINUTE });
      for (let hit = 1; hit <= 3; hit++) expect((await store.increment('a')).totalHits).to.equal(hit);
      await store.decrement('a');
      expect((await store.increment('a')).totalHits).to.equal(3);
      await backend.close();
    }
  });
});

describe('fastifyRateLimitStore', () => {
  let clock: TestClock;
  let backend: Backend<unknown>;
  beforeEach(() => {
    clock = new TestClock();
    backend = memory({ clock: clock.now });
  });
  afterEach(() => backend.close());

  const made = (settings = {}) => new (fastifyRateLimitStore({ backend }))(settings);
  const count = (store: FastifyRateLimitStore, key: string, limit = 2) =>
    new Promise<FastifyRateLimitCount | undefined>((resolve, reject) => {
      store.incr(key, (error, counted) => (error === null ? resolve(counted) : reject(error)), MINUTE, limit);
    });
  const read = (store: FastifyRateLimitStore, key: string) =>
    new Promise<FastifyRateLimitCount | undefined>((resolve, reject) => {
      store.read(key, (error, counted) => (error === null ? resolve(counted) : reject(error)));
    });

  it('counts, and gives what is left of the window, which never gets longer', async () => {
    const store = made();
    expect(await count(store, 'a')).to.deep.equal({ current: 1, ttl: MINUTE });
    clock.advance(50_000);
    expect(await count(store, 'a')).to.deep.equal({ current: 2, ttl: 10_000 });
    expect(await count(store, 'a')).to.deep.equal({ current: 3, ttl: 10_000 });
    expect(await read(store, 'a')).to.deep.equal({ current: 3, ttl: 10_000 });
    clock.advance(10_000);
    expect(await read(store, 'a')).to.deep.equal({ current: 0, ttl: 0 });
    expect(await count(store, 'a')).to.deep.equal({ current: 1, ttl: MINUTE });
  });

  it('counts each route with a limit of its own for itself', async () => {
    const store = made();
    const users = store.child({ routeInfo: { method: 'GET', url: '/users' } });
    const mails = store.child({ routeInfo: { method: 'GET', url: '/mails' } });
    for (const one of [store, users, mails, store.child({ method: 'POST', url: '/users' })]) {
      expect((await count(one, 'a'))?.current).to.equal(1);
    }
    expect((await count(users, 'a'))?.current).to.equal(2);
    const long = store.child({ routeInfo: { method: 'GET', url: `/${'x'.repeat(3000)}` } });
    expect((await count(long, 'a'))?.current).to.equal(1);
    expect((await count(long, 'a'))?.current).to.equal(2);
  });

  it('moves the end of the window for one who goes on, with continueExceeding', async () => {
    const store = made({ continueExceeding: true });
    await count(store, 'a');
    clock.advance(50_000);
    expect(await count(store, 'a')).to.deep.equal({ current: 2, ttl: 10_000 });
    expect(await count(store, 'a')).to.deep.equal({ current: 3, ttl: MINUTE });
    clock.advance(50_000);
    expect((await count(store, 'a'))?.current).to.equal(4);
  });

  it('doubles the wait of one who goes on, with exponentialBackoff', async () => {
    const store = made({ exponentialBackoff: true });
    await count(store, 'a');
    await count(store, 'a');
    for (const minutes of [1, 2, 4, 8]) expect((await count(store, 'a'))?.ttl).to.equal(minutes * MINUTE);
    clock.advance(8 * MINUTE - 1);
    expect((await count(store, 'a'))?.ttl).to.equal(16 * MINUTE);
    for (let more = 0; more < 100; more++) await count(store, 'a');
    expect((await count(store, 'a'))?.ttl).to.equal(365 * 24 * 3_600_000);
  });

  it('counts nothing in a window of no length', async () => {
    const store = made();
    for (let hit = 0; hit < 3; hit++) {
      const counted = await new Promise((resolve) => {
        store.incr('a', (_error, answer) => resolve(answer), 0, 1);
      });
      expect(counted).to.deep.equal({ current: 1, ttl: 0 });
    }
  });

  it('lets nobody through by a window that is none', async () => {
    const store = made();
    for (const [window, code] of [
      [undefined, 'KEEPSAKE_INVALID_ARGUMENT'],
      [Number.NaN, 'KEEPSAKE_OUT_OF_RANGE'],
      [-1, 'KEEPSAKE_OUT_OF_RANGE'],
    ] as const) {
      const error = await new Promise<(Error & { code?: string }) | null>((resolve) => {
        store.incr('a', resolve, window as number, 1);
      });
      expect(error?.code, String(window)).to.equal(code);
      expect(error?.message).to.include('timeWindow');
    }
  });

  it('gives errors to the callback', async () => {
    await backend.close();
    const error: Error & { code?: string } = await rejection(count(made(), 'a'));
    expect(error.code).to.equal('KEEPSAKE_CLOSED');
  });
});
