import { expect } from 'chai';
import {
  Backend,
  Cache,
  type Codec,
  CorruptDataError,
  encoded,
  InvalidArgumentError,
  InvalidKeyError,
  json,
  memory,
  OutOfRangeError,
  UnsupportedError,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { BareDriver, MinimalDriver } from '../support/drivers.js';
import { FailingDriver, kinds } from '../support/failing.js';
import { failure } from '../support/failure.js';
import { all } from '../support/folders.js';

const MISSING = { state: 'missing' };
const EXPIRED = { state: 'expired' };

for (const { kind, open } of kinds) {
  describe(`Cache over ${kind}`, () => {
    let clock: TestClock;
    let backend: Backend<unknown>;
    let cache: Cache;
    beforeEach(() => {
      clock = new TestClock();
      backend = open(clock.now);
      cache = new Cache(backend, { ttl: '10s' });
    });

    it('removes what has expired, also what it keeps, and leaves the rest', async () => {
      await cache.put('short', 1, '1s');
      await cache.put('kept', 2, { ttl: '5s' });
      await cache.put('long', 3, '1h');
      await cache.put('forever', 4, null);
      await backend.set('value:foreign', kind.startsWith('bytes') ? Buffer.from('foreign') : 'foreign');
      expect(await cache.clearExpired()).to.equal(0);
      clock.advance(5000);
      expect(await cache.fetchWithTtl('kept')).to.deep.equal(EXPIRED);
      const there = await backend.count();
      expect(await cache.clearExpired()).to.be.within(1, 2);
      expect(await backend.count()).to.be.at.most(there - 1);
      expect(await cache.fetchWithTtl('kept')).to.deep.equal(MISSING);
      expect([await cache.fetch('long'), await cache.fetch('forever')]).to.deep.equal([3, 4]);
      expect(await backend.has('value:foreign')).to.equal(true);
      expect(await cache.clearExpired()).to.equal(0);
    });

    it('fetches what was put, and undefined for what was not', async () => {
      expect(await cache.put('key', { a: [1] })).to.equal(true);
      expect(await cache.fetch('key')).to.deep.equal({ a: [1] });
      expect(await cache.fetch('other')).to.equal(undefined);
      expect(cache.backend).to.equal(backend);
    });

    it('tells values that look like nothing from none', async () => {
      for (const value of [null, 0, '', false]) {
        await cache.put('key', value);
        expect(await cache.fetch('key')).to.equal(value);
        expect(await cache.fetchWithTtl('key')).to.deep.equal({ state: 'hit', value, ttl: 10_000 });
      }
      expect(await failure(() => cache.put('key', undefined))).to.be.instanceOf(InvalidArgumentError);
    });

    it('tells the milliseconds that are left, an expired entry, and a missing one', async () => {
      expect(await cache.fetchWithTtl('key')).to.deep.equal(MISSING);
      await cache.put('key', 'value', '3s');
      clock.advance(1);
      expect(await cache.fetchWithTtl('key')).to.deep.equal({ state: 'hit', value: 'value', ttl: 2999 });
      clock.advance(2998);
      expect(await cache.fetch('key')).to.equal('value');
      clock.advance(1);
      expect(await cache.fetch('key')).to.equal(undefined);
      expect(await cache.fetchWithTtl('key')).to.deep.equal(EXPIRED);
      clock.advance(3000);
      expect(await cache.fetchWithTtl('key')).to.deep.equal(MISSING);
    });

    it('keeps what has expired as long as keepExpired says', async () => {
      const keeping = new Cache(backend, { keepExpired: '1h' });
      await keeping.put('key', 1, 1000);
      clock.advance(3_600_000);
      expect(await keeping.fetchWithTtl('key')).to.deep.equal(EXPIRED);
      const dropping = new Cache(backend, { keepExpired: null });
      await dropping.put('key', 1, 1000);
      clock.advance(1000);
      expect(await dropping.fetchWithTtl('key')).to.deep.equal(MISSING);
      await cache.put('long', 1, '1h');
      clock.advance(3_600_000 + 59_999);
      expect(await cache.fetchWithTtl('long')).to.deep.equal(EXPIRED);
      clock.advance(1);
      expect(await cache.fetchWithTtl('long')).to.deep.equal(MISSING);
    });

    it('takes the ttl of the call before its own, and null for never', async () => {
      await cache.put('own', 1);
      await cache.put('shorter', 1, { ttl: '5s' });
      await cache.put('never', 1, null);
      await cache.put('never too', 1, { ttl: null });
      expect(await cache.fetchWithTtl('own')).to.deep.equal({ state: 'hit', value: 1, ttl: 10_000 });
      expect(await cache.fetchWithTtl('shorter')).to.deep.equal({ state: 'hit', value: 1, ttl: 5000 });
      clock.advance(10 * 365 * 86_400_000);
      expect(await cache.fetchWithTtl('never')).to.deep.equal({ state: 'hit', value: 1, ttl: null });
      expect(await cache.fetch('never too')).to.equal(1);
    });

    it('checks the ttl of every call', async () => {
      for (const ttl of [0, -5, Number.NaN, Number.POSITIVE_INFINITY, 'soon', '']) {
        expect(await failure(() => cache.put('key', 1, ttl)), String(ttl)).to.be.instanceOf(OutOfRangeError);
        expect(await failure(() => cache.getOrSet('key', () => 1, { ttl }))).to.be.instanceOf(OutOfRangeError);
        expect(() => new Cache(backend, { ttl })).to.throw(OutOfRangeError);
      }
      expect(await cache.fetch('key')).to.equal(undefined);
    });

    it('clears a key, a namespace but no sibling of it, or all; and nothing when told nothing', async () => {
      for (const key of ['name', 'name:a', 'name:b', 'names:a', 'nam', 'name:c:d']) await cache.put(key, 1);
      expect(await cache.clear()).to.equal(0);
      expect(await cache.clear({})).to.equal(0);
      expect(await cache.clear({ key: 'name:a' })).to.equal(1);
      expect(await cache.clear({ key: 'name:a' })).to.equal(0);
      expect(await cache.clear({ namespace: 'name', key: 'nam' })).to.equal(2);
      expect(await cache.fetch('names:a')).to.equal(1);
      expect(await cache.fetch('name')).to.equal(1);
      expect(await cache.clear({ namespace: 'name' })).to.equal(0);
      expect(await cache.clearAll()).to.equal(3);
      expect(await cache.clearAll()).to.equal(0);
    });

    it('clears a namespace in which characters of patterns are only characters', async () => {
      await cache.put('a*:1', 1);
      await cache.put('ab:1', 1);
      await cache.put('a_%:1', 1);
      expect(await cache.clear({ namespace: 'a*' })).to.equal(1);
      expect(await cache.clear({ namespace: 'a_%' })).to.equal(1);
      expect(await cache.fetch('ab:1')).to.equal(1);
    });

    it('clears more than a page, and nothing of the backend that is not its own', async () => {
      await backend.set('mine', kind.startsWith('bytes') ? 'x' : 1);
      for (let index = 0; index < 2500; index++) await cache.put(`many:${index}`, index);
      expect(await cache.clear({ namespace: 'many' })).to.equal(2500);
      await cache.put('key', 1);
      expect(await cache.clearAll()).to.equal(1);
      expect(await all(backend.keys())).to.deep.equal(['mine']);
    });

    it('takes every key that the backend takes, and none that it does not', async () => {
      const long = 'n:'.padEnd(1024, 'k');
      const wide = `n:${'ж'.repeat(511)}`;
      const emoji = `n:x${'😀'.repeat(255)}`;
      const keys = ['k', 'a b/../c\0', '__proto__', 'value:k', 'tag:k', long, `${long.slice(0, -1)}l`, wide, emoji];
      for (const key of keys) await cache.put(key, key);
      for (const key of keys) expect(await cache.fetch(key)).to.equal(key);
      expect(await cache.clear({ namespace: 'n' })).to.equal(4);
      expect(await failure(() => cache.put('k'.repeat(1025), 1))).to.be.instanceOf(InvalidKeyError);
      expect(await failure(() => cache.fetch(''))).to.be.instanceOf(InvalidKeyError);
      expect(await failure(() => cache.getOrSet('\ud800', () => 1))).to.be.instanceOf(InvalidKeyError);
      expect(await failure(() => cache.fetchWithTtl(5 as never))).to.be.instanceOf(InvalidArgumentError);
      expect(await failure(() => cache.clear({ namespace: 'n'.repeat(1000) }))).to.be.instanceOf(OutOfRangeError);
    });

    it('takes no key for another that it shortened', async () => {
      const long = 'k'.repeat(1024);
      await cache.put(long, 'long');
      for (const stored of await all(backend.namespace('value').keys())) {
        expect(await cache.fetch(stored)).to.equal(undefined);
        await cache.put(stored, 'other');
      }
      expect(await cache.fetch(long)).to.equal('long');
      expect(await cache.clearAll()).to.equal(2);
    });

    it('counts what happens, from 0 again when told to', async () => {
      await cache.fetch('key');
      await cache.put('key', 1);
      await cache.fetch('key');
      await cache.fetchWithTtl('key');
      await cache.getOrSet('other', () => 2);
      await cache.getOrSet('other', () => 3);
      const before = cache.statistics;
      expect(before).to.deep.equal({
        hits: 3,
        misses: 2,
        staleHits: 0,
        computations: 1,
        errors: 0,
        waits: 0,
        backendErrors: 0,
      });
      cache.resetStatistics();
      expect(before.hits).to.equal(3);
      expect(new Set(Object.values(cache.statistics))).to.deep.equal(new Set([0]));
    });

    it('shortens a ttl by jitter, by a source of chance of its own', async () => {
      const chances = [0, 0.5, 0.999];
      const jittering = new Cache(backend, { ttl: 1000, jitter: 0.2, random: () => chances.shift() ?? 0 });
      const left = [];
      for (const key of ['a', 'b', 'c']) {
        await jittering.getOrSet(key, () => 1);
        const found = await jittering.fetchWithTtl(key);
        left.push(found.state === 'hit' ? found.ttl : undefined);
      }
      expect(left).to.deep.equal([1000, 900, 801]);
      const wild = new Cache(backend, { jitter: 1, random: () => 1 - 2 ** -53 });
      await wild.put('d', 1, 1000);
      expect(await wild.fetchWithTtl('d')).to.deep.equal({ state: 'hit', value: 1, ttl: 1 });
      for (const jitter of [-0.1, 1.1, Number.NaN, '0.5' as never]) {
        expect(() => new Cache(backend, { jitter })).to.throw(OutOfRangeError, /jitter must be a number from 0 to 1/);
      }
    });

    it('lets a backend of its own ttl have its way when neither call nor cache say one', async () => {
      const brief = new Cache(new Backend(backend.driver, { ttl: '2s' }));
      await brief.put('key', 1);
      expect(await brief.fetchWithTtl('key')).to.deep.equal({ state: 'hit', value: 1, ttl: 2000 });
      clock.advance(2000);
      expect(await brief.fetchWithTtl('key')).to.deep.equal(MISSING);
    });

    it('takes a clock of its own', async () => {
      const own = new TestClock();
      const other = new Cache(backend, { clock: own.now });
      await other.put('key', 1, 1000);
      own.advance(1000);
      expect(await other.fetchWithTtl('key')).to.deep.equal(EXPIRED);
    });

    it('refuses calls once it is closed, and leaves the backend open unless told', async () => {
      await cache.put('key', 1);
      await cache.close();
      await cache.close();
      for (const call of [
        () => cache.fetch('key'),
        () => cache.fetchWithTtl('key'),
        () => cache.put('key', 1),
        () => cache.getOrSet('key', () => 1),
        () => cache.clear({ key: 'key' }),
        () => cache.clearAll(),
        () => cache.clearExpired(),
        () => cache.invalidateTags(['a']),
      ]) {
        expect(await failure(call)).to.include({ code: 'KEEPSAKE_CLOSED' });
      }
      expect(await backend.count()).to.equal(1);
      {
        await using _ = new Cache(backend, { closesBackend: true });
      }
      expect(await failure(() => backend.count())).to.include({ code: 'KEEPSAKE_CLOSED' });
    });

    it('rejects with a ClosedError when the backend is closed, and computes nothing', async () => {
      await backend.close();
      let computed = 0;
      expect(await failure(() => cache.getOrSet('key', () => ++computed))).to.include({ code: 'KEEPSAKE_CLOSED' });
      expect(await failure(() => cache.fetch('key'))).to.include({ code: 'KEEPSAKE_CLOSED' });
      expect(computed).to.equal(0);
    });

    it('rejects with the reason of a signal that is aborted', async () => {
      const signal = AbortSignal.abort(new Error('enough'));
      for (const call of [
        () => cache.fetch('key', { signal }),
        () => cache.fetchWithTtl('key', { signal }),
        () => cache.put('key', 1, { signal }),
        () => cache.getOrSet('key', () => 1, { signal }),
        () => cache.clear({ key: 'key', signal }),
      ]) {
        expect(await failure(call)).to.equal(signal.reason);
      }
      expect(cache.statistics).to.include({ computations: 0, backendErrors: 0 });
    });
  });
}

describe('Cache', () => {
  it('knows its options', async () => {
    const backend = memory();
    expect(() => new Cache({} as never)).to.throw(InvalidArgumentError, /backend must be a Backend/);
    expect(() => new Cache(backend, { timeToLive: 5 } as never)).to.throw(/no option "timeToLive"; there are ttl/);
    expect(() => new Cache(backend, { clock: 5 } as never)).to.throw(/clock must be a function; got 5/);
    expect(() => new Cache(backend, { onBackendError: 'ignore' } as never)).to.throw(/must be 'compute' or 'throw'/);
    expect(() => new Cache(backend, { closesBackend: 1 } as never)).to.throw(/closesBackend must be true or false/);
    expect(() => new Cache(backend, { locks: 1 } as never)).to.throw(/locks must be true or false/);
    expect(() => new Cache(backend, { locks: true })).to.throw(UnsupportedError, /memory has 'process'/);
    expect(() => new Cache(backend, { codec: json() })).to.throw(/memory holds objects, so there is nothing to encode/);
    const cache = new Cache(backend);
    expect(await failure(() => cache.put('k', 1, { tll: 5 } as never))).to.include({
      code: 'KEEPSAKE_INVALID_ARGUMENT',
    });
    expect(await failure(() => cache.getOrSet('k', () => 1, { tll: 5 } as never))).to.be.instanceOf(TypeError);
    expect(await failure(() => cache.getOrSet('k', 5 as never))).to.be.instanceOf(TypeError);
    expect(await failure(() => cache.clear({ name: 'a' } as never))).to.be.instanceOf(TypeError);
    expect(await failure(() => cache.clear({ namespace: '' }))).to.be.instanceOf(TypeError);
  });

  it('holds values in memory by reference', async () => {
    const value = new Map();
    const cache = new Cache<Map<string, string>>(memory());
    await cache.put('key', value);
    expect(await cache.fetch('key')).to.equal(value);
  });

  it('works over a backend of objects that encodes them', async () => {
    const cache = new Cache(encoded(new Backend(new MinimalDriver()), json({ types: true })), { ttl: '1m' });
    const value = { at: new Date(5) };
    await cache.put('key', value, { tags: ['a'] });
    expect(await cache.fetch('key')).to.deep.equal(value);
    await cache.invalidateTags(['a']);
    expect(await cache.fetch('key')).to.equal(undefined);
    expect(await failure(() => cache.put('key', () => 1))).to.include({ code: 'KEEPSAKE_ENCODE', key: 'key' });
  });

  it('hands a codec the value alone', async () => {
    const text: Codec<string> = {
      name: 'text',
      encode: (value) => Buffer.from(value.toUpperCase()),
      decode: (bytes) => Buffer.from(bytes).toString(),
    };
    const cache = new Cache<string>(new Backend(new MinimalDriver()), { codec: text });
    await cache.put('key', 'a,b\n', { ttl: '1m', tags: ['csv'] });
    expect(await cache.fetch('key')).to.equal('A,B\n');
    await cache.put('key', '');
    expect(await cache.fetch('key')).to.equal('');
    const careless = new Cache<Uint8Array>(new Backend(new MinimalDriver()), {
      codec: { name: 'careless', encode: (value) => value, decode: (bytes) => bytes },
    });
    expect(await failure(() => careless.put('key', 5 as never))).to.be.instanceOf(InvalidArgumentError);
    await careless.put('key', 'text' as never);
    expect(Buffer.from((await careless.fetch('key')) ?? []).toString()).to.equal('text');
    const typed: Cache<string> = new Cache<string>(memory<string>());
    await typed.close();
  });

  it('gives no garbage for what it did not store, or what was damaged', async () => {
    const backend = new Backend(new MinimalDriver());
    const cache = new Cache(backend);
    await cache.put('key', { a: 1 }, { ttl: '1h', tags: ['a', 'b'] });
    const whole = Buffer.from((await backend.get('value:key')) as Uint8Array);
    const damaged = [Buffer.alloc(0), Buffer.from('{"a":1}'), whole.subarray(0, 15), whole.subarray(0, -1)];
    for (let at = 0; at < whole.length; at++) {
      if (at === 3) continue; // means nothing
      const copy = Buffer.from(whole);
      copy[at] = (copy[at] as number) ^ 1;
      damaged.push(copy);
    }
    for (const bytes of damaged) {
      await backend.set('value:key', bytes);
      for (const call of [() => cache.fetch('key'), () => cache.fetchWithTtl('key')]) {
        const error = await failure(call);
        expect(error).to.be.instanceOf(CorruptDataError);
        expect(error).to.include({ key: 'key' });
      }
    }
    await backend.set('value:key', whole);
    expect(await cache.fetch('key')).to.deep.equal({ a: 1 });
    const objects = memory();
    const other = new Cache(objects);
    for (const foreign of [null, 5, 'text', {}, { keepsakeCache: 2, value: 1 }, { keepsakeCache: 1, tags: 'a' }]) {
      await objects.set('value:key', foreign);
      expect(await failure(() => other.fetch('key'))).to.be.instanceOf(CorruptDataError);
    }
  });

  it('replaces a damaged entry when it computes or puts', async () => {
    const backend = new Backend(new MinimalDriver());
    const reported: unknown[] = [];
    const cache = new Cache(backend, { report: (error) => reported.push(error) });
    await backend.set('value:key', 'garbage');
    expect(await cache.getOrSet('key', () => 5)).to.equal(5);
    expect(reported).to.have.length(1);
    expect(reported[0]).to.be.instanceOf(CorruptDataError);
    expect(await cache.fetch('key')).to.equal(5);
    await backend.set('value:key', 'garbage');
    const strict = () => cache.getOrSet('key', () => 5, { onBackendError: 'throw' });
    expect(await failure(strict)).to.be.instanceOf(CorruptDataError);
    await cache.put('key', 6);
    expect(await strict()).to.equal(6);
  });

  it('rejects when the backend fails: a failure is not a miss', async () => {
    const driver = new FailingDriver();
    const cache = new Cache(new Backend(driver));
    await cache.put('key', 1);
    driver.fate = () => 'before';
    for (const [operation, call] of Object.entries({
      fetch: () => cache.fetch('key'),
      fetchWithTtl: () => cache.fetchWithTtl('key'),
      put: () => cache.put('key', 1),
      clear: () => cache.clear({ key: 'key' }),
    })) {
      expect(await failure(call), operation).to.include({ code: 'KEEPSAKE_STORAGE', operation, key: 'key' });
    }
    expect(await failure(() => cache.clearAll())).to.include({ code: 'KEEPSAKE_STORAGE' });
    expect(await failure(() => cache.invalidateTags(['a']))).to.include({ code: 'KEEPSAKE_STORAGE' });
    expect(cache.statistics).to.include({ hits: 0, misses: 0, backendErrors: 6 });
  });

  it('says false when the backend discards what is put', async () => {
    class Discarding extends MinimalDriver {
      override write(): boolean {
        return false;
      }
    }
    const cache = new Cache(new Backend(new Discarding()));
    expect(await cache.put('key', 1)).to.equal(false);
    expect(await cache.getOrSet('key', () => 2)).to.equal(2);
  });

  it('does without listing, tags and locks where the backend has none, and refuses what needs them', async () => {
    const cache = new Cache(new Backend(new BareDriver()), { ttl: '1m' });
    expect(await cache.getOrSet('key', () => 1)).to.equal(1);
    expect(await cache.clear({ key: 'key' })).to.equal(1);
    for (const call of [
      () => cache.put('key', 1, { tags: ['a'] }),
      () => cache.getOrSet('key', () => 1, { tags: ['a'] }),
      () => cache.invalidateTags(['a']),
      () => cache.clear({ namespace: 'a' }),
      () => cache.clearAll(),
    ]) {
      expect(await failure(call)).to.be.instanceOf(UnsupportedError);
    }
    expect(cache.statistics.backendErrors).to.equal(0);
  });
});
