// Loaded here, since it leaves globals behind, which is no fault of a spec.
import 'apache-arrow';
import { expect } from 'chai';
import { BackendRegistry, memory } from 'keepsake';
import type { CacheConfiguration, HandlerCache, KeepsakeOptions } from 'keepsake/fastify';
import { rejection } from '../folders.js';
import type { App, Ask, Framework, Route } from './app.js';

/** What the cache of an application does in every framework. */
export function givesCache({ start }: Framework, configuration: () => CacheConfiguration): void {
  const opened: App[] = [];
  let jobs: Map<string, (ask: Ask) => unknown>;

  afterEach(async () => {
    for (const app of opened.splice(0)) await app.close();
  });

  const routes: readonly Route[] = [
    {
      path: '/:job',
      handler: async (ask) => {
        const job = jobs.get(ask.url.slice(1));
        return { body: JSON.stringify((await job?.(ask)) ?? null) };
      },
    },
  ];

  async function launch(options: KeepsakeOptions = { cache: configuration() }): Promise<App> {
    jobs = new Map();
    const app = await start(options, routes);
    opened.push(app);
    return app;
  }

  /** Does something within a request. */
  async function within<T>(
    app: App,
    work: (cache: HandlerCache, ask: Ask) => T,
    headers: Record<string, string> = {},
  ): Promise<Awaited<T>> {
    const name = `job${jobs.size}`;
    let result: { readonly value: T } | undefined;
    let failure: { readonly error: unknown } | undefined;
    jobs.set(name, async (ask) => {
      try {
        result = { value: (await work(ask.cache, ask)) as T };
      } catch (error) {
        failure = { error };
      }
    });
    await (await fetch(`${app.url}/${name}`, { headers })).text();
    if (failure !== undefined) throw failure.error;
    return (result as { readonly value: T }).value as Awaited<T>;
  }

  it('puts, fetches, and clears a key or a namespace', async () => {
    const app = await launch();
    await app.cache.clearAll();
    expect(await within(app, (cache) => cache.put('user:1', 'Ann'))).to.equal(true);
    expect(await within(app, (cache) => cache.fetch('user:1'))).to.equal('Ann');
    expect(await app.cache.fetch('user:1')).to.equal('Ann');
    expect(await within(app, (cache) => cache.fetch('user:2'))).to.equal(undefined);
    await within(app, (cache) => Promise.all([cache.put('user:2', 'Bob'), cache.put('users', 'both')]));
    expect(await within(app, (cache) => cache.clear({ namespace: 'user' }))).to.equal(2);
    expect(await within(app, (cache) => cache.fetch('users'))).to.equal('both');
    expect(await within(app, (cache) => cache.clear({ key: 'users' }))).to.equal(1);
    expect(await within(app, (cache) => cache.clear({}))).to.equal(0);
  });

  it('holds text, and makes text of what is put', async () => {
    const app = await launch();
    for (const [value, text] of [
      [1, '1'],
      [null, 'null'],
      ['', ''],
      [['a', 'b'], 'a,b'],
    ]) {
      await within(app, (cache) => cache.put('key', value));
      expect(await within(app, (cache) => cache.fetch('key'))).to.equal(text);
    }
  });

  it('says how long a value has left', async () => {
    const app = await launch();
    await within(app, (cache) => cache.put('short', 'a', '30s'));
    await within(app, (cache) => cache.put('usual', 'a'));
    const [short, usual, missing] = await within(app, (cache) =>
      Promise.all(['short', 'usual', 'missing'].map((key) => cache.fetchWithTtl(key))),
    );
    expect(short).to.include({ state: 'hit', value: 'a' });
    expect(short).to.have.property('ttl').within(1, 30_000);
    expect(usual).to.have.property('ttl').within(30_001, 60_000);
    expect(missing).to.deep.equal({ state: 'missing' });
  });

  it('takes times of whole seconds from one second to one hour, for each value too', async () => {
    const app = await launch();
    for (const ttl of ['1s', 1000, '1h', 3_600_000, { ttl: '5m' }]) {
      expect(await within(app, (cache) => cache.put('key', 'a', ttl))).to.equal(true);
    }
    // 60 and 3600 would be seconds elsewhere.
    for (const ttl of [60, 3600, 0, -1, 1500, '999ms', '61m', '2h', { ttl: null }, { ttl: '2h' }]) {
      const error = await rejection(within(app, (cache) => cache.put('key', 'a', ttl as string)));
      expect(error.code, JSON.stringify(ttl)).to.equal('KEEPSAKE_OUT_OF_RANGE');
    }
    for (const options of [{ ttl: '2h' }, { ttl: 60 }]) {
      const error = await rejection(within(app, (cache) => cache.getOrSet('other', () => 'a', options)));
      expect(error.code).to.equal('KEEPSAKE_OUT_OF_RANGE');
    }
    const late = within(app, (cache) =>
      cache.getOrSet('other', (context) => {
        context.ttl = '2h';
        return 'a';
      }),
    );
    expect((await rejection(late)).code).to.equal('KEEPSAKE_OUT_OF_RANGE');
  });

  it('removes all, and what has expired', async () => {
    const app = await launch();
    await app.cache.clearAll();
    await within(app, (cache) => Promise.all([cache.put('a', '1'), cache.put('b', '2')]));
    expect(await within(app, (cache) => cache.clearExpired())).to.equal(0);
    expect(await within(app, (cache) => cache.clearAll())).to.equal(2);
    expect(await within(app, (cache) => cache.fetch('a'))).to.equal(undefined);
  });

  it('heeds the Cache-Control of a request', async () => {
    const app = await launch();
    const no = { 'cache-control': 'no-store' };
    const anew = { 'cache-control': 'no-cache' };
    await within(app, (cache) => cache.put('key', 'old', '30s'));
    for (const headers of [anew, { 'cache-control': 'max-age=0' }, { pragma: 'no-cache' }]) {
      expect(await within(app, (cache) => cache.fetch('key'), headers)).to.equal(undefined);
      expect(await within(app, (cache) => cache.fetchWithTtl('key'), headers)).to.deep.equal({ state: 'missing' });
    }
    expect(await within(app, (cache) => cache.fetch('key'), { 'cache-control': 'min-fresh=60' })).to.equal(undefined);
    expect(await within(app, (cache) => cache.fetch('key'), { 'cache-control': 'min-fresh=5' })).to.equal('old');
    expect(await within(app, (cache) => cache.put('key', 'not stored'), no)).to.equal(false);
    expect(await within(app, (cache) => cache.fetch('key'), no)).to.equal('old');
    expect(await within(app, (cache) => cache.getOrSet('other', () => 'made'), no)).to.equal('made');
    expect(await within(app, (cache) => cache.fetch('other'))).to.equal(undefined);
    expect(await within(app, (cache) => cache.getOrSet('key', () => 'new'))).to.equal('old');
    expect(await within(app, (cache) => cache.getOrSet('key', () => 'new'), anew)).to.equal('new');
    expect(await within(app, (cache) => cache.fetch('key'))).to.equal('new');
  });

  it('does not heed it where it is told not to', async () => {
    const app = await launch({ cache: { ...configuration(), honourCacheControl: false } });
    await within(app, (cache) => cache.put('key', 'old'), { 'cache-control': 'no-store' });
    expect(await within(app, (cache) => cache.fetch('key'), { 'cache-control': 'no-cache' })).to.equal('old');
  });

  it('computes a value once, however many requests ask for it', async () => {
    const app = await launch();
    await app.cache.clearAll();
    let computed = 0;
    jobs.set('value', ({ cache }) => cache.getOrSet('value', () => `made ${++computed}`));
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`${app.url}/value`)).json() as Promise<string>),
    );
    expect(new Set(answers)).to.deep.equal(new Set(['made 1']));
  });

  it('stores values by the codec that it is told', async () => {
    const value = { name: 'Ann', tags: ['a'], age: 7 };
    for (const codec of ['json', 'orjson', 'msgpack', 'pickle'] as const) {
      const app = await launch({ cache: { ...configuration(), codec, namespace: `by-${codec}` } });
      await within(app, (cache) => cache.put('key', value));
      expect(await within(app, (cache) => cache.fetch('key')), codec).to.deep.equal(value);
    }
    for (const codec of ['csv', 'feather', 'parquet'] as const) {
      const app = await launch({ cache: { ...configuration(), codec, namespace: `by-${codec}` } });
      await within(app, (cache) => cache.put('key', [{ name: 'Ann' }, { name: 'Bob' }]));
      expect(await within(app, (cache) => cache.fetch('key')), codec).to.deep.equal([{ name: 'Ann' }, { name: 'Bob' }]);
    }
  });

  it('shares nothing with another application', async () => {
    const one = await launch({ cache: { namespace: 'one', ttl: 5 } });
    const two = await start({ cache: [['ttl', 100]] }, routes);
    opened.push(two);
    await one.cache.put('key', 'of one');
    expect(await two.cache.fetch('key')).to.equal(undefined);
    await two.cache.put('key', 'of two');
    expect(await one.cache.fetchWithTtl('key'))
      .to.have.property('ttl')
      .within(1, 5000);
    expect(await two.cache.fetchWithTtl('key'))
      .to.have.property('ttl')
      .within(5001, 100_000);
  });

  it('refuses a configuration that is wrong when it starts', async () => {
    const error = await rejection(start({ cache: { backend: 'redis', ttl: 0 } }, routes));
    expect(error.code).to.equal('KEEPSAKE_CONFIGURATION');
    expect(error.message).to.match(/ttl .*\n- redisUrl is missing/);
  });

  it('takes a configuration that comes later', async () => {
    const app = await launch({ cache: async () => ({ ...configuration(), ttl: 7 }) });
    await within(app, (cache) => cache.put('key', 'a'));
    expect(await within(app, (cache) => cache.fetchWithTtl('key')))
      .to.have.property('ttl')
      .within(1, 7000);
  });

  it('closes with its application what it has opened, and leaves open what it was given', async () => {
    const own = memory();
    const app = await launch({ cache: { backend: own } });
    await app.cache.put('key', { held: 'as it is' });
    expect(await app.cache.fetch('key')).to.deep.equal({ held: 'as it is' });
    await opened.pop()?.close();
    expect((await rejection(app.cache.fetch('key'))).code).to.equal('KEEPSAKE_CLOSED');
    expect(await own.count()).to.equal(1);
    await own.close();

    const other = await launch();
    await other.cache.put('key', 'value');
    await opened.pop()?.close();
    expect((await rejection(other.cache.fetch('key'))).code).to.equal('KEEPSAKE_CLOSED');
    const unused = await launch();
    await opened.pop()?.close();
    expect((await rejection(unused.cache.fetch('key'))).code).to.equal('KEEPSAKE_CLOSED');
  });

  describe('and its backends', () => {
    it('has one for each name, apart from the others', async () => {
      const app = await launch();
      await within(app, (_cache, { backends }) => backends.get('sessions').set('key', 'a'));
      expect(await app.backends.get('rate_limit').get('key')).to.equal(undefined);
      expect(await app.backends.get('sessions').get('key')).to.equal('a');
    });

    it('has them in namespaces of one', async () => {
      const root = memory();
      const app = await launch({ backends: root });
      await app.backends.get('sessions').set('key', 'a');
      expect(await root.get('sessions:key')).to.equal('a');
      await opened.pop()?.close();
      expect(await root.count()).to.equal(1);
    });

    it('lets one use that of another name, in a namespace of it', async () => {
      const fast = memory();
      const slow = memory();
      const app = await launch({
        backends: { fast, slow },
        use: { sessions: 'slow', rate_limit: 'fast', response_cache: 'fast' },
      });
      await app.backends.get('sessions').set('key', 's');
      await app.backends.get('rate_limit').set('key', 'r');
      expect([await slow.get('sessions:key'), await fast.get('rate_limit:key')]).to.deep.equal(['s', 'r']);
      await app.backends.get('rate_limit').clear();
      expect(await app.backends.get('sessions').count()).to.equal(1);
      expect(app.backends.get('fast')).to.equal(fast);
    });

    it('takes those that have the names of the parts, and a registry as it is', async () => {
      const sessions = memory();
      const app = await launch({ backends: { sessions } });
      expect(app.backends.get('sessions')).to.equal(sessions);
      const registry = new BackendRegistry();
      const other = await launch({ backends: registry });
      expect(other.backends).to.equal(registry);
      await opened.pop()?.close();
      expect(registry.get('sessions')).to.equal(registry.get('sessions'));
      await registry.close();
    });

    it('refuses a name that is not there', async () => {
      for (const use of [{ sessions: 'redis' }, { session: 'fast' }]) {
        const error = await rejection(start({ backends: { fast: memory() }, use: use as never }, routes));
        expect(error.code).to.equal('KEEPSAKE_INVALID_ARGUMENT');
      }
    });
  });
}
