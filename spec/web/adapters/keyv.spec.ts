import { createServer } from 'node:http';
import { createCache } from 'cache-manager';
import { Cacheable } from 'cacheable';
import { expect } from 'chai';
import got from 'got';
import { Backend, memory } from 'keepsake';
import { KeyvAdapter } from 'keepsake/keyv';
import { Keyv as Keyv5 } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { TestClock } from '../../support/clock.js';
import { FailingDriver } from '../../support/failing.js';
import { all, rejection } from '../../support/folders.js';
import { listening, onEveryEngine, until } from '../../support/web.js';

/** What Keyv 5 and 6 have in common. */
interface AnyKeyv {
  get(key: string): Promise<unknown>;
  getMany(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<unknown>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean | boolean[]>;
  has(key: string): Promise<boolean>;
  hasMany(keys: string[]): Promise<boolean[]>;
  clear(): Promise<void>;
  disconnect(): Promise<void>;
  iterator?: (() => AsyncGenerator<unknown, void>) | ((argument: unknown) => AsyncGenerator<unknown, void>) | undefined;
}

interface Options {
  readonly namespace?: string;
  readonly ttl?: number;
  readonly serialize?: (value: unknown) => string;
  readonly deserialize?: (text: string) => unknown;
}

const versions: readonly { readonly version: number; make(store: KeyvAdapter, options: Options): AnyKeyv }[] = [
  { version: 5, make: (store, options) => new Keyv5({ store, ...options } as never) as AnyKeyv },
  { version: 6, make: (store, options) => new Keyv6({ store, ...options } as never) as unknown as AnyKeyv },
];

/*
 * What @keyv/test-suite 2.1.2 asks of every adapter, case by case; it is written for another test runner.
 */
for (const { version, make } of versions) {
  describe(`Keyv ${version} over an adapter`, () => {
    onEveryEngine((backend) => {
      const keyv = (options: Options = {}) => make(new KeyvAdapter({ backend: backend() }), options);
      const pairs = async (one: AnyKeyv) =>
        ((await all((one.iterator as () => AsyncGenerator<[string, unknown]>)())) as [string, unknown][]).sort();

      it('sets and gets values of every kind', async () => {
        const one = keyv();
        const values = [
          'bar',
          false,
          null,
          0,
          { fizz: 'buzz' },
          [1, 2],
          '"',
          "'",
          "''",
          '',
          { buff: Buffer.from('buzz') },
        ];
        for (const value of values) {
          expect(await one.set('foo', value)).to.equal(true);
          expect(await one.get('foo')).to.deep.equal(value);
        }
        expect(Buffer.from('bar').equals((await setAndGet(one, Buffer.from('bar'))) as Buffer)).to.equal(true);
        expect(await setAndGet(one, undefined)).to.equal(undefined);
        const error = await rejection(one.set('foo', Symbol('value')));
        expect(error.message).to.equal('symbol cannot be serialized');
        await one.set("'", "'");
        expect(await one.get("'")).to.equal("'");
      });

      it('gets many in the order asked', async () => {
        const one = keyv();
        await one.set('foo', 'bar', 60_000);
        await one.set('foo2', 'bar2');
        expect(await one.getMany(['foo', 'foo1', 'foo2', 'foo'])).to.deep.equal(['bar', undefined, 'bar2', 'bar']);
        expect(await one.getMany(['a', 'b'])).to.deep.equal([undefined, undefined]);
        expect(await one.get('missing')).to.equal(undefined);
      });

      it('sets many, each with its own ttl', async () => {
        const one = keyv();
        await one.setMany([
          { key: 'a', value: 1 },
          { key: 'b', value: 2, ttl: 60_000 },
          { key: 'c', value: 3, ttl: 1 },
          { key: 'd', value: 4, ttl: 60_000 },
        ]);
        await until(async () => !(await one.has('c')));
        expect(await one.getMany(['a', 'b', 'c', 'd'])).to.deep.equal([1, 2, undefined, 4]);
        const ttls = new Map<string, boolean>();
        for await (const key of backend().keys()) {
          ttls.set(key.slice(-1), (await backend().getEntry(key))?.expiresAt !== undefined);
        }
        expect([...ttls].filter(([key]) => key !== 'c').sort()).to.deep.equal([
          ['a', false],
          ['b', true],
          ['d', true],
        ]);
      });

      it('deletes, and says whether there was something', async () => {
        const one = keyv();
        for (const key of ['foo', 'foo1', 'foo2', 'stays']) await one.set(key, 'bar');
        expect(await one.delete('foo')).to.equal(true);
        expect(await one.delete('foo')).to.equal(false);
        const deleted = [await one.deleteMany(['foo1', 'foo2'])].flat();
        expect(deleted.every(Boolean)).to.equal(true);
        expect([await one.deleteMany(['foo1', 'foo2'])].flat().some(Boolean)).to.equal(false);
        expect(await one.getMany(['foo', 'foo1', 'foo2', 'stays'])).to.deep.equal([
          undefined,
          undefined,
          undefined,
          'bar',
        ]);
      });

      it('says whether keys are there', async () => {
        const one = keyv();
        await one.set('foo', 'bar');
        expect(await one.has('foo')).to.equal(true);
        expect(await one.has('fizz')).to.equal(false);
        expect(await one.hasMany(['foo', 'fizz'])).to.deep.equal([true, false]);
      });

      it('keeps namespaces apart, also ones that look alike', async () => {
        await backend().set('other', 'stays');
        // Keyv 5 itself mixes up a key that begins with its own namespace.
        const names = ['keyv1', 'keyv2', 'keyv', 'keyv1:x', 'keyv1%3Ax', 'keyv1:y', '*', 'ein Wort ü'];
        const keyvs = names.map((namespace) => keyv({ namespace }));
        for (const [index, one] of keyvs.entries()) {
          await one.set('foo', index);
          await one.set('x:foo', `other ${index}`);
        }
        for (const [index, one] of keyvs.entries())
          expect(await one.getMany(['foo', 'x:foo'])).to.deep.equal([index, `other ${index}`]);
        expect(await keyvs[0]?.delete('foo')).to.equal(true);
        await keyvs[0]?.clear();
        expect(await keyvs[0]?.get('x:foo')).to.equal(undefined);
        for (const [index, one] of keyvs.entries()) if (index > 0) expect(await one.get('foo')).to.equal(index);
        expect(await backend().has('other')).to.equal(true);
      });

      it('clears, and answers nothing', async () => {
        const one = keyv();
        expect(await one.clear()).to.equal(undefined);
        await one.set('foo', 'bar');
        await one.set('fizz', 'buzz');
        expect(await one.clear()).to.equal(undefined);
        expect(await one.getMany(['foo', 'fizz'])).to.deep.equal([undefined, undefined]);
        expect(await backend().count()).to.equal(0);
      });

      it('iterates over its own entries', async () => {
        const one = keyv({ namespace: 'one' });
        const two = keyv({ namespace: 'two' });
        for (let index = 0; index < 5; index++) {
          await one.set(`k${index}`, `v${index}`);
          await two.set(`k${index}`, `w${index}`);
        }
        await one.set('gone', 1, 1);
        await until(async () => !(await one.has('gone')));
        expect(await pairs(one)).to.deep.equal(Array.from({ length: 5 }, (_, index) => [`k${index}`, `v${index}`]));
        expect((await pairs(two))[0]).to.deep.equal(['k0', 'w0']);
      });

      it('takes its default ttl', async () => {
        const one = keyv({ ttl: 1 });
        await one.set('foo', 'bar');
        await until(async () => (await backend().count()) === 0);
        expect(await one.get('foo')).to.equal(undefined);
      });
    });
  });
}

async function setAndGet(one: AnyKeyv, value: unknown): Promise<unknown> {
  await one.set('foo', value);
  return one.get('foo');
}

describe('KeyvAdapter', () => {
  it('keeps milliseconds, by the clock of the backend', async () => {
    const clock = new TestClock();
    const adapter = new KeyvAdapter({ backend: memory<unknown>({ clock: clock.now }) });
    await adapter.set('a', 'text', 1500);
    clock.advance(1499);
    expect(await adapter.get('a')).to.equal('text');
    clock.advance(1);
    expect(await adapter.get('a')).to.equal(undefined);
    expect(await adapter.has('a')).to.equal(false);
  });

  it('removes what is over from the start, and has no ttl of the backend', async () => {
    const backend = memory<unknown>({ ttl: '1s' });
    const adapter = new KeyvAdapter({ backend });
    await adapter.set('a', 'text');
    expect((await backend.getEntry(':a'))?.expiresAt).to.equal(undefined);
    // Keyv hands on a default ttl of null as it is.
    const keyv = new Keyv5({ store: new KeyvAdapter({ backend }) });
    keyv.ttl = null as unknown as undefined;
    await keyv.set('b', 'text');
    expect(await keyv.get('b')).to.equal('text');
    await keyv.clear();
    await adapter.set('a', 'text', 0);
    expect(await adapter.has('a')).to.equal(false);
    await adapter.setMany([
      { key: 'b', value: 'text' },
      { key: 'b', value: 'text', ttl: -1 },
    ]);
    expect(await backend.count()).to.equal(0);
  });

  it('takes every key, each for itself, and iterates over those that it knows', async () => {
    const backend = memory<unknown>();
    const adapter = new KeyvAdapter({ backend: backend.namespace('deep').namespace('x'.repeat(200)) });
    adapter.namespace = 'a';
    const keys = ['', 'x', 'x'.repeat(766), 'x'.repeat(767), 'é'.repeat(5000), '\ud800', '\ud801', '~', '~~', '~~x'];
    for (const key of keys) await adapter.set(key, JSON.stringify(key));
    const digest = (await all(backend.keys())).find((key) => key.includes(':~~'));
    await adapter.set(digest?.slice(digest.indexOf('~~')) ?? '', 'looks like a digest');
    expect(await adapter.getMany(keys)).to.deep.equal(keys.map((key) => JSON.stringify(key)));
    expect((await all(adapter.iterator())).map(([key]) => key).sort()).to.deep.equal(['', 'x', keys[2], '~']);
    expect(await adapter.deleteMany(keys)).to.equal(true);
    await adapter.clear();
    expect(await backend.count()).to.equal(0);
  });

  it('emits what a get fails with, which Keyv takes for a miss', async () => {
    const driver = new FailingDriver();
    driver.fate = () => 'before';
    const adapter = new KeyvAdapter({ backend: new Backend(driver) });
    const errors: unknown[] = [];
    const keyv = new Keyv5({ store: adapter });
    keyv.on('error', (error) => errors.push((error as { code: string }).code));
    expect(await keyv.get('a')).to.equal(undefined);
    expect(errors).to.deep.equal(['KEEPSAKE_STORAGE']);
    const strict = new Keyv5({ store: new KeyvAdapter({ backend: new Backend(driver) }), throwOnErrors: true });
    strict.on('error', () => undefined);
    expect((await rejection(strict.get('a'))).code).to.equal('KEEPSAKE_STORAGE');
    const alone = new KeyvAdapter({ backend: new Backend(driver) });
    expect((await rejection(alone.get('a'))).code).to.equal('KEEPSAKE_STORAGE');
  });

  it('closes the backend at disconnect only if it is told to', async () => {
    for (const closesBackend of [false, true]) {
      const backend = memory<unknown>();
      const keyv = new Keyv5({ store: new KeyvAdapter({ backend: async () => backend, closesBackend }) });
      await keyv.set('a', 1);
      await keyv.disconnect();
      const after = backend.get('a').then(
        () => 'open',
        (error) => error.code,
      );
      expect(await after).to.equal(closesBackend ? 'KEEPSAKE_CLOSED' : 'open');
    }
  });

  it('refuses options that are none', () => {
    for (const options of [
      {},
      { backend: 5 },
      { backend: memory(), ttl: 5 },
      { backend: memory(), closesBackend: 1 },
    ]) {
      expect(() => new KeyvAdapter(options as { backend: Backend }))
        .to.throw(TypeError)
        .with.property('code', 'KEEPSAKE_INVALID_ARGUMENT');
    }
  });
});

describe('what takes a Keyv', () => {
  onEveryEngine((backend) => {
    it('cache-manager', async () => {
      const cache = createCache({ stores: [new Keyv5({ store: new KeyvAdapter({ backend: backend() }) })] });
      await cache.set('a', { n: 1 });
      await cache.mset([
        { key: 'b', value: 2, ttl: 60_000 },
        { key: 'c', value: 3 },
      ]);
      expect(await cache.mget(['a', 'b', 'x'])).to.deep.equal([{ n: 1 }, 2, undefined]);
      let computed = 0;
      const compute = () => ++computed;
      expect(await cache.wrap('d', compute, 60_000)).to.equal(1);
      expect(await cache.wrap('d', compute, 60_000)).to.equal(1);
      expect(await cache.ttl('b')).to.be.above(Date.now());
      await cache.del('a');
      expect(await cache.get('a')).to.equal(undefined);
      await cache.clear();
      expect(await backend().count()).to.equal(0);
    });

    it('cacheable', async () => {
      const secondary = () => new Keyv5({ store: new KeyvAdapter({ backend: backend() }) });
      const cache = new Cacheable({ secondary: secondary() });
      await cache.set('a', { n: 1 }, '1h');
      const elsewhere = new Cacheable({ secondary: secondary() });
      expect(await elsewhere.get('a')).to.deep.equal({ n: 1 });
      expect(await elsewhere.getMany(['a', 'b'])).to.deep.equal([{ n: 1 }, undefined]);
      await cache.delete('a');
      expect(await new Cacheable({ secondary: secondary() }).get('a')).to.equal(undefined);
    });

    it('got', async () => {
      let requests = 0;
      const site = await listening(
        createServer((_request, response) => {
          requests++;
          response.setHeader('cache-control', 'max-age=60');
          response.end(`answer ${requests}`);
        }),
      );
      const keyv = () => new Keyv5({ store: new KeyvAdapter({ backend: backend() }) });
      const client = () => got.extend({ cache: keyv(), retry: { limit: 0 } });
      expect((await client()(site.url)).body).to.equal('answer 1');
      // got stores the answer while it already gives it.
      await until(async () => (await backend().count()) > 0);
      const again = await client()(site.url);
      expect(again.body).to.equal('answer 1');
      expect(again.isFromCache).to.equal(true);
      expect(requests).to.equal(1);
      const long = `${site.url}/?query=${'x'.repeat(3000)}`;
      expect((await client()(long)).body).to.equal('answer 2');
      await until(async () => (await backend().count()) > 1);
      expect((await client()(long)).body).to.equal('answer 2');
      await site.close();
    });
  });
});
