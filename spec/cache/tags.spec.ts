import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { type Backend, Cache, type ComputeContext, memory } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { kinds } from '../support/failing.js';
import { failure } from '../support/failure.js';

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 1000) throw new Error('it does not come to that');
    await setImmediate();
  }
}

for (const { kind, open } of kinds) {
  describe(`tags over ${kind}`, () => {
    let clock: TestClock;
    let backend: Backend<unknown>;
    let cache: Cache;
    beforeEach(() => {
      clock = new TestClock();
      backend = open(clock.now);
      cache = new Cache(backend, { ttl: '1h' });
    });

    it('void what has one of them, and nothing else', async () => {
      await cache.put('a', 1, { tags: ['user:1'] });
      await cache.put('ab', 1, { tags: ['user:1', 'user:2'] });
      await cache.put('b', 1, { tags: new Set(['user:2']) });
      await cache.put('none', 1);
      await cache.invalidateTags(['user:1', 'unheard of']);
      expect(await cache.fetch('a')).to.equal(undefined);
      expect(await cache.fetchWithTtl('ab')).to.deep.equal({ state: 'missing' });
      expect(await cache.fetch('b')).to.equal(1);
      expect(await cache.fetch('none')).to.equal(1);
      expect(await cache.getOrSet('a', () => 2, { tags: ['user:1'] })).to.equal(2);
      expect(await cache.fetch('a')).to.equal(2);
    });

    it('leave 50 of 50 writes fresh that are made right after an invalidation', async () => {
      let fresh = 0;
      for (let round = 0; round < 50; round++) {
        await cache.invalidateTags(['tag']);
        if (round % 2 === 0) await cache.put('key', round, { tags: ['tag'] });
        else await cache.getOrSet('key', () => round, { tags: ['tag'] });
        if ((await cache.fetch('key')) === round) fresh++;
      }
      expect(fresh).to.equal(50);
    });

    it('void a value whose computation began before the invalidation, and nobody gets it who comes after', async () => {
      const another = new Cache(backend);
      for (const [dynamic, by] of [
        [false, cache],
        [true, cache],
        [false, another],
        [true, another],
      ] as const) {
        let source = 'old';
        let begun = 0;
        const gate: (() => void)[] = [];
        const compute = async (context: ComputeContext) => {
          const read = source;
          begun++;
          await new Promise<void>((resolve) => gate.push(resolve));
          if (dynamic) context.tags = ['tag'];
          return read;
        };
        const options = dynamic ? {} : { tags: ['tag'] };
        const key = `key ${dynamic} ${by === cache}`;
        const before = cache.getOrSet(key, compute, options);
        await until(() => begun === 1);
        source = 'new';
        await by.invalidateTags(['tag']);
        const after = Array.from({ length: 5 }, () => cache.getOrSet(key, compute, options));
        for (let turn = 0; turn < 20; turn++) await setImmediate();
        gate.shift()?.();
        expect(await before).to.equal('old');
        await until(() => begun === 2);
        gate.shift()?.();
        expect(await Promise.all(after)).to.deep.equal(['new', 'new', 'new', 'new', 'new']);
        expect(begun).to.equal(2);
        expect(await cache.getOrSet(key, compute, options)).to.equal('new');
      }
    });

    it('may be named by the computation, which sees those of the call', async () => {
      let seen: unknown;
      const compute = (context: ComputeContext) => {
        seen = [...context.tags];
        context.tags = [...context.tags, 'author:7'];
        return 'post';
      };
      await cache.getOrSet('post', compute, { tags: ['post'] });
      expect(seen).to.deep.equal(['post']);
      for (const tag of ['author:7', 'post']) {
        expect(await cache.getOrSet('post', compute, { tags: ['post'] })).to.equal('post');
        expect(await cache.fetch('post')).to.equal('post');
        await cache.invalidateTags([tag]);
        expect(await cache.fetch('post')).to.equal(undefined);
      }
      const wrong = (context: ComputeContext) => {
        context.tags = [''];
        return 1;
      };
      expect(await failure(() => cache.getOrSet('other', wrong))).to.include({ code: 'KEEPSAKE_INVALID_KEY' });
    });

    it('hold under invalidations from everywhere: nobody gets what was read before the last one that ended', async () => {
      const another = new Cache(backend, { ttl: '1h' });
      let version = 0;
      let done = 0;
      let wrong = 0;
      const writer = async (own: Cache) => {
        for (let round = 0; round < 60; round++) {
          const mine = ++version;
          await own.invalidateTags(['tag']);
          done = Math.max(done, mine);
          for (let turn = round % 4; turn > 0; turn--) await setImmediate();
        }
      };
      const reader = async (own: Cache, lane: number) => {
        for (let round = 0; round < 120; round++) {
          const least = done;
          const dynamic = lane % 2 === 1;
          const compute = async (context: ComputeContext) => {
            const read = version;
            if (round % 3 === 0) await setImmediate();
            if (dynamic) context.tags = ['tag'];
            return read;
          };
          const key = dynamic ? 'dynamic' : 'static';
          if ((await own.getOrSet(key, compute, dynamic ? {} : { tags: ['tag'] })) < least) wrong++;
          if (round % 5 === 0) await setImmediate();
        }
      };
      await Promise.all([
        writer(cache),
        writer(another),
        ...[0, 1, 2, 3].flatMap((lane) => [reader(cache, lane), reader(another, lane)]),
      ]);
      expect(wrong).to.equal(0);
    });

    it('never give a void value as a stale one', async () => {
      const stale = { tags: ['tag'], staleWhileRevalidate: '1h', staleIfError: '1h' } as const;
      const error = new Error('the source is down');
      await cache.getOrSet('key', () => 'old', stale);
      await cache.invalidateTags(['tag']);
      let seen: unknown = 'nothing yet';
      const fail = (context: ComputeContext) => {
        seen = context.stale;
        return Promise.reject(error);
      };
      expect(await failure(() => cache.getOrSet('key', fail, stale))).to.equal(error);
      expect(seen).to.equal(undefined);
    });

    it('live in names of any kind, checked', async () => {
      for (const tag of ['a:b', 'all', '__proto__', 'é', 't'.repeat(1020)]) {
        await cache.put('key', 1, { tags: [tag, tag] });
        expect(await cache.fetch('key')).to.equal(1);
        await cache.invalidateTags([tag]);
        expect(await cache.fetch('key'), tag).to.equal(undefined);
      }
      for (const tags of ['tag', 5, null]) {
        expect(await failure(() => cache.put('key', 1, { tags: tags as never }))).to.be.instanceOf(TypeError);
        expect(await failure(() => cache.invalidateTags(tags as never))).to.be.instanceOf(TypeError);
      }
      expect(await failure(() => cache.invalidateTags(['t'.repeat(1021)]))).to.include({
        code: 'KEEPSAKE_INVALID_KEY',
      });
      await cache.invalidateTags([]);
    });

    it('void their entries when their counters are lost, and never revive them', async () => {
      const lose = () => backend.clear({ prefix: 'tag' });
      for (let round = 0; round < 20; round++) {
        await cache.put('made anew', 1, { tags: ['tag'] });
        await lose();
        await cache.put('other', 1, { tags: ['tag'] });
        expect(await cache.fetch('made anew')).to.equal(undefined);
        await lose();
        await cache.invalidateTags(['tag']);
        await cache.put('invalidated', 1, { tags: ['tag'] });
        await lose();
        await cache.invalidateTags(['tag']);
        expect(await cache.fetch('invalidated')).to.equal(undefined);
      }
    });
  });
}

describe('tags', () => {
  it('outlive the ttl of the backend', async () => {
    const clock = new TestClock();
    const cache = new Cache(memory({ clock: clock.now, ttl: '1s' }), { ttl: '1h' });
    await cache.put('key', 1, { tags: ['tag'] });
    clock.advance(60_000);
    expect(await cache.fetch('key')).to.equal(1);
    await cache.invalidateTags(['tag']);
    await cache.put('key', 2, { tags: ['tag'] });
    clock.advance(60_000);
    expect(await cache.fetch('key')).to.equal(2);
  });

  it('may be forgotten with what has them, which is computed again then', async () => {
    const cache = new Cache(memory({ max: 3 }));
    await cache.put('key', 1, { tags: ['tag'] });
    for (let index = 0; index < 10; index++) await cache.put(`other ${index}`, 1);
    await cache.put('key', 2, { tags: ['tag'] });
    await cache.invalidateTags(['tag']);
    expect(await cache.fetch('key')).to.equal(undefined);
  });
});
