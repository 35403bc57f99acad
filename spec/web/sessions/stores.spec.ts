import { expect } from 'chai';
import expressSession from 'express-session';
import { Backend, BackendRegistry, encoded, files, json, memory, text } from 'keepsake';
import { ExpressRateLimitStore, ExpressSessionStore } from 'keepsake/express';
import { FastifySessionStore } from 'keepsake/fastify';
import { HonoSessionStorage, HonoSessionStore } from 'keepsake/hono';
import { TestClock } from '../../support/clock.js';
import { FailingDriver } from '../../support/failing.js';
import { all, Folders, rejection } from '../../support/folders.js';
import { Signal, until } from '../../support/web.js';

type Failure = Error & { code?: string };

/** What a callback is told: rejects with its error. */
function told<T>(call: (callback: (error: Error | null, answer?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

const cookie = (expires: Date | null) => ({ originalMaxAge: 60_000, expires, path: '/' });
const inAMinute = () => cookie(new Date(Date.now() + 60_000));

describe('ExpressSessionStore', () => {
  const clock = new TestClock();
  let backend: Backend<unknown>;
  let store: ExpressSessionStore;
  beforeEach(() => {
    backend = memory({ clock: clock.now });
    store = new ExpressSessionStore({ backend });
  });
  afterEach(() => backend.close());

  const set = (id: string, session: object) => told((callback) => store.set(id, session, callback));
  const get = (id: string) => told<Record<string, unknown> | null>((callback) => store.get(id, callback));
  const touch = (id: string, session: object) => told((callback) => store.touch(id, session, callback));
  const destroy = (id: string) => told((callback) => store.destroy(id, callback));

  it('is what express-session takes as a store', () => {
    const typed: expressSession.Store = store;
    expect(() => expressSession({ store: typed, secret: 's', resave: false, saveUninitialized: false })).to.not.throw();
  });

  it('gives null for a session that is not there', async () => {
    expect(await get('a')).to.equal(null);
    await destroy('a');
  });

  it('expires a session with its cookie, and after ttl where the cookie does not say', async () => {
    store = new ExpressSessionStore({ backend, ttl: '2m' });
    await set('minute', { cookie: inAMinute(), n: 1 });
    await set('open', { cookie: cookie(null), n: 2 });
    clock.advance(59_000);
    expect((await get('minute'))?.n).to.equal(1);
    clock.advance(2_000);
    expect(await get('minute')).to.equal(null);
    expect(await get('open')).to.deep.equal({ cookie: { ...cookie(null) }, n: 2 });
    clock.advance(60_000);
    expect(await get('open')).to.equal(null);
  });

  it('lives for 14 days where nobody says how long', async () => {
    await set('a', { cookie: cookie(null) });
    clock.advance(14 * 24 * 3_600_000 - 1);
    expect(await get('a')).to.not.equal(null);
    clock.advance(1);
    expect(await get('a')).to.equal(null);
  });

  it('removes a session whose cookie is over', async () => {
    await set('a', { cookie: inAMinute() });
    await set('a', { cookie: cookie(new Date(Date.now() - 1)) });
    await set('b', { cookie: inAMinute() });
    await touch('b', { cookie: cookie(new Date(0)) });
    expect(await backend.count()).to.equal(0);
  });

  it('moves the deadline at a touch, and nothing else', async () => {
    await set('a', { cookie: inAMinute(), n: 1 });
    const before = await backend.getEntry('sessions:a');
    clock.advance(30_000);
    await touch('a', { cookie: inAMinute(), n: 'of an old request' });
    const after = await backend.getEntry('sessions:a');
    expect(after?.value).to.equal(before?.value);
    expect(after?.version).to.equal(before?.version);
    clock.advance(45_000);
    expect((await get('a'))?.n).to.equal(1);
  });

  it('gives a cookie with the deadline that a touch has set', async () => {
    await set('a', { cookie: inAMinute() });
    clock.advance(30_000);
    await touch('a', { cookie: inAMinute() });
    const found = (await get('a')) as { cookie: { expires: Date } };
    expect(found.cookie.expires.getTime()).to.equal((await backend.getEntry('sessions:a'))?.expiresAt);
  });

  it('lets a session that was destroyed stay so at a touch', async () => {
    await set('a', { cookie: inAMinute() });
    await destroy('a');
    await touch('a', { cookie: inAMinute() });
    expect(await get('a')).to.equal(null);
  });

  it('lists, counts and clears its sessions, and nothing else', async () => {
    await backend.set('other', 1);
    await set('a', { cookie: inAMinute(), n: 1 });
    await set('b', { cookie: inAMinute(), n: 2 });
    const found = await told<{ [id: string]: Record<string, unknown> }>((callback) => store.all(callback));
    expect(Object.entries(found ?? {}).map(([id, { n }]) => [id, n])).to.deep.equal([
      ['a', 1],
      ['b', 2],
    ]);
    expect(await told<number>((callback) => store.length(callback))).to.equal(2);
    await told((callback) => store.clear(callback));
    expect(await all(backend.keys())).to.deep.equal(['other']);
  });

  it('knows no session by an id that none can have, and saves none', async () => {
    for (const id of ['', 'x'.repeat(257), '\ud800', 5 as unknown as string]) {
      expect(await get(id)).to.equal(null);
      await touch(id, { cookie: inAMinute() });
      await destroy(id);
      const error: Failure = await rejection(set(id, { cookie: inAMinute() }));
      expect(error.code).to.equal('KEEPSAKE_INVALID_ARGUMENT');
    }
    for (const id of ['../a', 'a:b', '*', '__proto__', 'ä'.repeat(256)]) {
      await set(id, { cookie: inAMinute(), id });
      expect((await get(id))?.id).to.equal(id);
    }
  });

  it('refuses what JSON cannot carry', async () => {
    const circle: { cookie: object; self?: unknown } = { cookie: inAMinute() };
    circle.self = circle;
    expect((await rejection(set('a', circle))).code).to.equal('KEEPSAKE_ENCODE');
    expect((await rejection(set('a', { n: 1n }))).code).to.equal('KEEPSAKE_ENCODE');
    expect((await rejection(set('a', [1]))).code).to.equal('KEEPSAKE_INVALID_ARGUMENT');
  });

  it('tells what is stored and no session from one that is missing', async () => {
    for (const stored of ['{', '[1]', 'null', '{}', 7]) {
      await backend.set('sessions:a', stored);
      const error: Failure = await rejection(get('a'));
      expect(error.code, String(stored)).to.equal('KEEPSAKE_CORRUPT_DATA');
      expect(await backend.get('sessions:a')).to.equal(stored);
    }
  });

  it('makes sessions of its own class, as express-session asks', async () => {
    expressSession({ store: store as expressSession.Store, secret: 's', resave: false, saveUninitialized: false });
    await set('a', { cookie: inAMinute(), n: 1 });
    const loaded = await told<Record<string, unknown>>((callback) => store.load('a', callback));
    expect(loaded?.n).to.equal(1);
    expect(typeof loaded?.touch).to.equal('function');
    expect(await told((callback) => store.load('b', callback))).to.equal(undefined);
    const request = { sessionID: 'a' } as { sessionID: string; session?: unknown };
    await told((callback) => store.regenerate(request, callback));
    expect(await get('a')).to.equal(null);
    expect(request.sessionID).to.not.equal('a');
  });

  it('calls back once, outside of its own promises', async () => {
    const thrown = new Promise<unknown>((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    let calls = 0;
    store.get('a', () => {
      calls++;
      throw new Error('of the application');
    });
    expect(String(await thrown)).to.include('of the application');
    expect(calls).to.equal(1);
  });

  it('says by a warning what fails where there is no callback', async () => {
    const warned = new Promise<void>((resolve) => {
      process.on('warning', function hear(warning: Failure) {
        if (warning.code !== 'KEEPSAKE_INVALID_ARGUMENT') return;
        process.off('warning', hear);
        resolve();
      });
    });
    store.set('', { cookie: inAMinute() });
    await warned;
  });
});

describe('session stores', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  it('never fail with ENOENT, which frameworks take for no session', async () => {
    const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    const backends = [
      () => Promise.reject(missing),
      Promise.reject<Backend<unknown>>(missing),
      () => {
        throw missing;
      },
    ];
    for (const backend of backends) {
      const express = new ExpressSessionStore({ backend });
      const fastify = new FastifySessionStore({ backend });
      for (const failed of [
        told((callback) => express.get('a', callback)),
        told((callback) => express.touch('a', {}, callback)),
        told((callback) => fastify.get('a', callback)),
        new HonoSessionStore({ backend }).getSessionById('a'),
        new HonoSessionStorage({ backend }).get('a'),
      ]) {
        const error: Failure = await rejection(failed);
        expect(error.code).to.equal('KEEPSAKE_STORAGE');
        expect(error.cause).to.equal(missing);
      }
    }
  });

  it('reach nothing but sessions by an id, whoever made it up', async () => {
    const root = memory<unknown>();
    const session = '{"cookie":{},"_data":{},"_expire":null}';
    for (const key of ['secret', 'rate_limit:secret', 'sessionsx:secret']) await root.set(key, session);
    const store = new HonoSessionStore({ backend: root });
    const ids = ['secret', 'rate_limit:secret', '../secret', ':secret', 'x:secret', 'sessionsx:secret', '%73ecret'];
    for (const id of ids) {
      expect(await store.getSessionById(id), id).to.equal(null);
      await store.deleteSession(id);
    }
    expect(await root.count()).to.equal(3);
  });

  it('hand on what the backend fails with', async () => {
    const driver = new FailingDriver();
    driver.fate = () => 'before';
    const backend = new Backend(driver) as Backend<unknown>;
    const store = new ExpressSessionStore({ backend });
    for (const failed of [
      told((callback) => store.get('a', callback)),
      told((callback) => store.set('a', { cookie: inAMinute() }, callback)),
      told((callback) => store.touch('a', { cookie: inAMinute() }, callback)),
      told((callback) => store.destroy('a', callback)),
      told((callback) => store.length(callback)),
      told((callback) => store.all(callback)),
      told((callback) => store.clear(callback)),
    ]) {
      expect((await rejection(failed)).code).to.equal('KEEPSAKE_STORAGE');
    }
  });

  it('find their backend when they first need it, and again where that failed', async () => {
    const backend = memory<unknown>();
    let asked = 0;
    const store = new HonoSessionStore({
      backend: () => {
        if (++asked === 1) throw new Error('not yet');
        return Promise.resolve(backend);
      },
    });
    expect(asked).to.equal(0);
    await rejection(store.getSessionById('a'));
    await Promise.all([store.createSession('a', { _expire: null }), store.createSession('b', { _expire: null })]);
    expect(asked).to.equal(2);
    expect(await backend.count({ prefix: 'sessions:' })).to.equal(2);
  });

  it('take the backend "sessions" of a registry, or another by its name, in a namespace', async () => {
    const backends = new BackendRegistry({ backends: { redis: memory<unknown>() } });
    const own = new HonoSessionStore({ backend: backends });
    const other = new HonoSessionStore({ backend: backends, name: 'redis' });
    await own.createSession('a', { _expire: null });
    await other.createSession('b', { _expire: null });
    expect(await all(backends.get('sessions').keys())).to.deep.equal(['sessions:a']);
    expect(await all(backends.get('redis').keys())).to.deep.equal(['sessions:b']);
    expect(await other.getSessionById('a')).to.equal(null);
    const whole = new HonoSessionStore({ backend: backends, name: 'redis', namespace: null });
    expect(await whole.getSessionById('sessions:b')).to.not.equal(null);
    const root = memory<unknown>();
    const tree = new BackendRegistry({ defaultFactory: (name) => root.namespace(name) });
    await new HonoSessionStore({ backend: tree }).createSession('c', { _expire: null });
    await new HonoSessionStore({ backend: tree, name: 'other' }).createSession('d', { _expire: null });
    expect((await all(root.keys())).sort()).to.deep.equal(['other:sessions:d', 'sessions:c']);
    await backends.close();
  });

  it('are apart from all others where a registry gives one backend to every name', async () => {
    const one = memory<unknown>();
    const registries = [
      new BackendRegistry({ defaultFactory: () => one }),
      new BackendRegistry({ backends: { sessions: one, rate_limit: one } }),
    ];
    for (const backend of registries) {
      const sessions = new ExpressSessionStore({ backend });
      const limit = new ExpressRateLimitStore({ backend });
      limit.init({ windowMs: 60_000 });
      await limit.increment('ann');
      await one.set('secret', JSON.stringify({ cookie: inAMinute() }));
      await told((callback) => sessions.set('a', { cookie: inAMinute() }, callback));
      for (const id of ['secret', 'rate_limit:ann']) {
        expect(await told((callback) => sessions.get(id, callback)), id).to.equal(null);
      }
      expect(await told((callback) => sessions.length(callback))).to.equal(1);
      await told((callback) => sessions.clear(callback));
      expect((await limit.get('ann'))?.totalHits).to.equal(1);
      await told((callback) => sessions.set('a', { cookie: inAMinute() }, callback));
      await limit.resetAll();
      expect(await told((callback) => sessions.length(callback))).to.equal(1);
      expect(await one.has('secret')).to.equal(true);
      await one.clear();
    }
  });

  it('keep sessions as text in backends of every kind', async () => {
    const folder = folders.make();
    const kinds: Backend<unknown>[] = [
      files(folder, { extension: '.json' }) as Backend<unknown>,
      encoded(files(folders.make()), text()) as Backend<unknown>,
      encoded(files(folders.make()), json()) as Backend<unknown>,
      memory(),
    ];
    for (const backend of kinds) {
      const store = new HonoSessionStore({ backend });
      await store.createSession('a', { _expire: null, _data: { name: 'ann' } } as object);
      expect(await store.getSessionById('a')).to.deep.equal({ _expire: null, _data: { name: 'ann' } });
      await backend.close();
    }
  });

  it('refuse options that are none', () => {
    const backend = memory<unknown>();
    const invalid: [object, string][] = [
      [{}, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend: 'redis' }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, prefix: 'a' }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, name: 'a' }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, namespace: 'a:b' }, 'KEEPSAKE_INVALID_NAMESPACE'],
      [{ backend: new BackendRegistry(), name: '' }, 'KEEPSAKE_INVALID_NAMESPACE'],
      [{ backend, ttl: 0 }, 'KEEPSAKE_OUT_OF_RANGE'],
      [{ backend, ttl: 'soon' }, 'KEEPSAKE_OUT_OF_RANGE'],
    ];
    for (const Store of [ExpressSessionStore, FastifySessionStore, HonoSessionStore, HonoSessionStorage]) {
      for (const [options, code] of invalid) {
        expect(() => new Store(options as { backend: Backend<unknown> }))
          .to.throw(Error)
          .with.property('code', code);
      }
    }
    expect(() => new HonoSessionStorage({ backend, rolling: 1 as unknown as boolean })).to.throw(/rolling/);
  });
});

describe('HonoSessionStore', () => {
  it('drops what is saved of a session that was destroyed', async () => {
    const store = new HonoSessionStore({ backend: memory<unknown>() });
    await store.createSession('a', { _expire: null });
    await store.deleteSession('a');
    await store.persistSessionData('a', { _expire: null });
    expect(await store.getSessionById('a')).to.equal(null);
  });

  it('expires a session as it says', async () => {
    const clock = new TestClock();
    const backend = memory<unknown>({ clock: clock.now });
    const store = new HonoSessionStore({ backend });
    const session = { _expire: new Date(Date.now() + 60_000).toISOString(), _data: {} };
    await store.createSession('a', session);
    clock.advance(30_000);
    const read = await store.getSessionById<typeof session>('a');
    expect(Date.parse(read?._expire ?? '')).to.equal((await backend.getEntry('sessions:a'))?.expiresAt);
    await store.persistSessionData('a', { ...session, _data: { n: 1 } } as object);
    clock.advance(45_000);
    expect((await store.getSessionById<typeof session>('a'))?._data).to.deep.equal({ n: 1 });
    clock.advance(30_000);
    expect(await store.getSessionById('a')).to.equal(null);
  });

  it('stores what a request has changed beside what others have stored meanwhile', async () => {
    type Saved = { _expire: null; _data: Record<string, unknown> };
    const store = new HonoSessionStore({ backend: memory<unknown>() });
    const _data = JSON.parse('{ "both": 0, "gone": 0, "same": 0, "__proto__": 0 }');
    await store.createSession('a', { _expire: null, _data });
    const one = (await store.getSessionById<Saved>('a')) as Saved;
    const other = (await store.getSessionById<Saved>('a')) as Saved;
    Object.assign(one._data, { both: 1, one: 1 });
    delete one._data.gone;
    Object.assign(other._data, { both: 2, other: 2, gone: 0 });
    await store.persistSessionData('a', one);
    await store.persistSessionData('a', other);
    const expected = JSON.parse('{ "both": 2, "same": 0, "__proto__": 0, "one": 1, "other": 2 }');
    expect((await store.getSessionById<Saved>('a'))?._data).to.deep.equal(expected);
    // What it has stored already is not its change any more.
    await store.deleteSession('a');
    await store.createSession('a', { _expire: null, _data: { both: 3 } });
    other._data.other = 4;
    await store.persistSessionData('a', other);
    expect((await store.getSessionById<Saved>('a'))?._data).to.deep.equal({ both: 3, other: 4 });
  });

  it('refuses what JSON cannot carry, of a session that was read too', async () => {
    const store = new HonoSessionStore({ backend: memory<unknown>() });
    await store.createSession('a', { _expire: null, _data: {} });
    const session = (await store.getSessionById<{ _data: object }>('a')) as { _data: object };
    session._data = { n: 1n };
    expect((await rejection(store.persistSessionData('a', session))).code).to.equal('KEEPSAKE_ENCODE');
  });

  it('moves only the deadline of a session that is saved as it was read', async () => {
    const clock = new TestClock();
    const backend = memory<unknown>({ clock: clock.now });
    const store = new HonoSessionStore({ backend, ttl: '1m' });
    type Saved = { _expire: null; _accessed?: string; _data: { n: number } };
    await store.createSession('a', { _expire: null, _data: { n: 1 } } as object);
    const reader = (await store.getSessionById<Saved>('a')) as Saved;
    const writer = (await store.getSessionById<Saved>('a')) as Saved;
    writer._data.n = 2;
    await store.persistSessionData('a', writer);
    clock.advance(45_000);
    reader._accessed = 'now';
    await store.persistSessionData('a', reader);
    clock.advance(45_000);
    expect((await store.getSessionById<Saved>('a'))?._data.n).to.equal(2);
    // Back to what it was when it was read is a change.
    writer._data.n = 1;
    await store.persistSessionData('a', writer);
    expect((await store.getSessionById<Saved>('a'))?._data.n).to.equal(1);
  });
});

describe('FastifySessionStore', () => {
  it('stores only the cookie and the deadline of a session that the request has not changed', async () => {
    const clock = new TestClock();
    const backend = memory<unknown>({ clock: clock.now });
    const store = new FastifySessionStore({ backend });
    const set = (session: object) => told((callback) => store.set('a', session, callback));
    const get = () => told<Record<string, unknown> | null>((callback) => store.get('a', callback));
    const unchanged = { cookie: inAMinute(), n: 'new', isModified: () => false };
    await set(unchanged);
    expect((await get())?.n, 'one that was not there').to.equal('new');
    await set({ cookie: inAMinute(), n: 'changed', isModified: () => true });
    clock.advance(45_000);
    await set({ ...unchanged, cookie: { ...inAMinute(), path: '/shop' } });
    clock.advance(45_000);
    expect(await get()).to.deep.include({ n: 'changed' });
    expect((await get())?.cookie).to.include({ path: '/shop' });
    await set({ ...unchanged, cookie: cookie(new Date(0)) });
    expect(await get()).to.equal(null);
  });

  it('leaves a session destroyed that was read, and knows the last 10,000 of these', async () => {
    const store = new FastifySessionStore({ backend: memory<unknown>() });
    const set = (id: string, modified: boolean) =>
      told((callback) => store.set(id, { cookie: inAMinute(), isModified: () => modified }, callback));
    const get = (id: string) => told((callback) => store.get(id, callback));
    const ids = Array.from({ length: 10_001 }, (_, index) => String(index));
    for (const id of ids) await set(id, false);
    for (const id of ids) expect(await get(id)).to.not.equal(null);
    for (const id of ids) await told((callback) => store.destroy(id, callback));
    for (const id of ids) await set(id, false);
    expect(await get('0')).to.not.equal(null);
    for (const id of ids.slice(1)) expect(await get(id)).to.equal(null);
    await set('1', true);
    expect(await get('1')).to.not.equal(null);
  });
});

describe('HonoSessionStorage', () => {
  it('gives what was saved before it is stored, and makes changes in their order', async () => {
    const opened = new Signal();
    const backend = memory<unknown>();
    const storage = new HonoSessionStorage({ backend: () => opened.given.then(() => backend) });
    const session = { n: 1 };
    storage.set('a', session);
    session.n = 2;
    const first = storage.get('a');
    storage.delete('a');
    storage.set('a', { n: 3 });
    const last = storage.get('a');
    opened.give();
    expect(await last).to.deep.equal({ n: 3 });
    await first;
    storage.set('b', { n: 4 });
    await storage.settled();
    expect(await all(backend.keys())).to.deep.equal(['sessions:a', 'sessions:b']);
  });

  it('reports what it could not save', async () => {
    const driver = new FailingDriver();
    driver.fate = (operation) => (operation === 'write' ? 'before' : undefined);
    const reported: [Failure, string][] = [];
    const storage = new HonoSessionStorage({
      backend: new Backend(driver) as Backend<unknown>,
      report: (error, id) => reported.push([error as Failure, id]),
    });
    storage.set('a', { n: 1 });
    expect(await storage.get('a')).to.equal(null);
    expect(reported.map(([error, id]) => [error.code, id])).to.deep.equal([['KEEPSAKE_STORAGE', 'a']]);
  });

  it('renews a session that is read only if it is told to', async () => {
    for (const rolling of [false, true]) {
      const clock = new TestClock();
      const backend = memory<unknown>({ clock: clock.now });
      const storage = new HonoSessionStorage({ backend, ttl: '1m', rolling });
      storage.set('a', { n: 1 });
      await until(() => backend.has('sessions:a'));
      clock.advance(45_000);
      expect(await storage.get('a')).to.deep.equal({ n: 1 });
      clock.advance(45_000);
      expect(await storage.get('a')).to.deep.equal(rolling ? { n: 1 } : null);
    }
  });
});
