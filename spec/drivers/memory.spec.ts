import { createHook } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Backend, memory, OutOfRangeError } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { failure } from '../support/failure.js';

async function keysOf(backend: Backend<unknown>): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of backend.keys()) keys.push(key);
  return keys.sort();
}

describe('memory', () => {
  it('holds values by reference', async () => {
    const value = { a: 1 };
    const backend = memory();
    await backend.set('key', value);
    expect(await backend.get('key')).to.equal(value);
  });

  it('lists in the order of insertion, which overwriting keeps', async () => {
    const backend = memory<number>();
    await backend.setMany(['c', 'a', 'b'].map((key) => [key, 1] as const));
    await backend.set('c', 2);
    const keys: string[] = [];
    for await (const key of backend.keys()) keys.push(key);
    expect(keys).to.deep.equal(['c', 'a', 'b']);
  });

  describe('with max', () => {
    it('forgets what was used longest ago', async () => {
      const backend = memory<number>({ max: 3 });
      for (const key of ['a', 'b', 'c']) await backend.set(key, 1);
      await backend.get('a');
      await backend.set('d', 1);
      expect(await keysOf(backend)).to.deep.equal(['a', 'c', 'd']);
      await backend.set('c', 2);
      await backend.set('e', 1);
      expect(await keysOf(backend)).to.deep.equal(['c', 'd', 'e']);
    });

    it('does not count a listing as use', async () => {
      const backend = memory<number>({ max: 2 });
      await backend.set('a', 1);
      await backend.set('b', 1);
      for await (const _ of backend.entries());
      await backend.page();
      await backend.count();
      await backend.set('c', 1);
      expect(await keysOf(backend)).to.deep.equal(['b', 'c']);
    });

    it('knows its options', () => {
      expect(() => memory({ maximum: 5 } as never)).to.throw(TypeError, /no option "maximum"; there are .*maxBytes/);
      expect(() => memory(null as never)).to.throw(TypeError, /options must be an object; got null/);
    });

    it('refuses a max that is no whole number from 1', () => {
      for (const wrong of [0, -1, 1.5, Number.NaN, Infinity, '5', null]) {
        expect(() => memory({ max: wrong as number }), `max ${wrong}`).to.throw(OutOfRangeError);
        expect(() => memory({ maxBytes: wrong as number }), `maxBytes ${wrong}`).to.throw(OutOfRangeError);
      }
    });
  });

  describe('with maxBytes', () => {
    it('keeps keys and values within its bytes', async () => {
      const backend = memory<string>({ maxBytes: 100 });
      for (let index = 0; index < 50; index++)
        await backend.set(`key ${index % 10}${index}`.slice(0, 5), 'x'.repeat(15));
      expect(await backend.count()).to.equal(5);
    });

    it('rejects a value that is larger than all of it, and keeps what is there', async () => {
      const backend = memory<string>({ maxBytes: 100 });
      await backend.set('a', 'small');
      await backend.set('b', 'small');
      const error = (await failure(() => backend.set('b', 'x'.repeat(100)))) as OutOfRangeError;
      expect(error).to.be.instanceOf(OutOfRangeError);
      expect(error.message).to.include('101 bytes').and.include('maxBytes is 100');
      expect(await backend.get('a')).to.equal('small');
      expect(await backend.get('b')).to.equal('small');
    });

    it('measures bytes, text and other values, or asks sizeOf', async () => {
      const measured = async (value: unknown, options = {}) => {
        const backend = memory({ maxBytes: 11, ...options });
        return (await backend.set('k', value).catch(() => false)) as boolean;
      };
      expect(await measured(new Uint8Array(10))).to.equal(true);
      expect(await measured(new Uint8Array(11))).to.equal(false);
      expect(await measured('é'.repeat(5))).to.equal(true);
      expect(await measured('é'.repeat(6))).to.equal(false);
      expect(await measured([1, 2, 3, 4])).to.equal(true);
      expect(await measured([1, 2, 3, 4, 5])).to.equal(false);
      expect(await measured('x', { sizeOf: () => 11 })).to.equal(false);
    });

    it('says so when the bytes of a value cannot be told', async () => {
      const backend = memory({ maxBytes: 100 });
      expect(await backend.set('big', { number: 10n })).to.equal(true);
      const cycle: unknown[] = [];
      cycle.push(cycle);
      const error = await backend.set('cycle', cycle).catch((failed) => failed);
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.include('give sizeOf');
      expect(await backend.has('cycle')).to.equal(false);
    });

    it('makes room for a value that is replaced by a larger one', async () => {
      const backend = memory<string>({ maxBytes: 60 });
      for (const key of ['a', 'b', 'c']) await backend.set(key, 'x'.repeat(19));
      await backend.set('c', 'x'.repeat(30));
      expect(await keysOf(backend)).to.deep.equal(['b', 'c']);
    });
  });

  describe('sweeping', () => {
    it('removes in the background what has expired', async () => {
      for (const limits of [{}, { max: 1000 }]) {
        const clock = new TestClock();
        const backend = memory({ clock: clock.now, sweepEvery: 5, ...limits });
        await backend.set('expires', 1, { ttl: '1h' });
        await backend.set('stays', 1);
        clock.advance(3_600_000);
        for (let waited = 0; waited < 100; waited++) await setTimeout(2);
        expect(await backend.deleteExpired(), 'nothing is left to remove').to.equal(0);
        expect(await keysOf(backend)).to.deep.equal(['stays']);
        await backend.close();
      }
    });

    it('removes nothing unasked with sweepEvery null', async () => {
      const clock = new TestClock();
      const backend = memory({ clock: clock.now, sweepEvery: null });
      await backend.setMany(
        Array.from({ length: 2_500 }, (_, index) => [`${index}`, index] as const),
        { ttl: 1 },
      );
      await backend.set('stays', 1);
      clock.advance(1);
      await setTimeout(10);
      expect(await backend.deleteExpired()).to.equal(2_500);
      expect(await backend.deleteExpired()).to.equal(0);
      expect(await keysOf(backend)).to.deep.equal(['stays']);
    });

    it('does not stop for good at what was stored while it was under way', async () => {
      const clock = new TestClock();
      const backend = memory({ clock: clock.now, sweepEvery: 5 });
      const many = Array.from({ length: 20_000 }, (_, index) => [`${index}`, index] as const);
      await backend.setMany(many);
      await backend.set('late', 1, { ttl: 1000 });
      // While sweeps are under way, the first keys, which each has passed by then, get a deadline.
      clock.advance(1000);
      for (let round = 0; round < 30; round++) {
        await setTimeout(1);
        await backend.set('0', round, { ttl: 1000 });
      }
      clock.advance(1000);
      await setTimeout(100);
      expect(await backend.deleteExpired()).to.equal(0);
      await backend.close();
    });

    it('ends although entries are stored all the while', async () => {
      const backend = memory<number>({ sweepEvery: null });
      await backend.setMany(Array.from({ length: 3_000 }, (_, index) => [`${index}`, index] as const));
      let stored = 0;
      let done = false;
      const writing = (async () => {
        while (!done && stored < 200_000) {
          for (let index = 0; index < 1_500; index++) void backend.set(`new ${stored++}`, 1);
          await setImmediate();
        }
      })();
      await backend.deleteExpired();
      done = true;
      await writing;
      expect(stored).to.be.lessThan(100_000);
    });

    it('has no timer while nothing can expire', async () => {
      await setImmediate();
      let timers = 0;
      const hook = createHook({ init: (_id, type) => void (type === 'Timeout' && timers++) }).enable();
      const backend = memory();
      await backend.set('key', 1);
      await backend.increment('counter');
      expect(timers).to.equal(0);
      await backend.set('key', 1, { ttl: '1h' });
      await backend.set('other', 1, { ttl: '1h' });
      expect(timers).to.equal(1);
      hook.disable();
      await backend.close();
    });

    it('lets the process end', async () => {
      const program = `
        import { memory } from 'keepsake';
        const backend = memory({ sweepEvery: '1m' });
        await backend.set('key', 1, { ttl: '1h' });
        process.stdout.write('stored');
      `;
      const started = Date.now();
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
        timeout: 15_000,
      });
      expect(stdout).to.equal('stored');
      expect(Date.now() - started).to.be.lessThan(15_000);
    });
  });

  describe('beside a Map', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'a:b', '__proto__');
    const ttl = fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), key, value: fc.integer(), ttl }),
      fc.record({ kind: fc.constant('absent' as const), key, value: fc.integer(), ttl }),
      fc.record({ kind: fc.constant('present' as const), key, value: fc.integer(), ttl }),
      fc.record({ kind: fc.constant('delete' as const), key }),
      fc.record({ kind: fc.constant('touch' as const), key, ttl }),
      fc.record({ kind: fc.constant('renew' as const), key, by: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ kind: fc.constant('increment' as const), key, by: fc.integer({ min: -5, max: 5 }), ttl }),
      fc.record({ kind: fc.constant('update' as const), key }),
      fc.record({ kind: fc.constant('deleteMany' as const), keys: fc.array(key) }),
      fc.record({ kind: fc.constant('clear' as const), prefix: fc.constantFrom('', 'a', 'a:') }),
      fc.record({ kind: fc.constant('sweep' as const) }),
      fc.record({ kind: fc.constant('pass' as const), time: fc.integer({ min: 1, max: 30 }) }),
    );

    for (const [title, limits] of [
      ['', {}],
      [' with max', { max: 100 }],
      [' with maxBytes', { maxBytes: 10_000 }],
    ] as const) {
      it(`does what a Map with deadlines does${title}`, async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
            const clock = new TestClock();
            const backend = memory<number>({ clock: clock.now, ...limits });
            const model = new Model(clock.now);
            for (const one of steps) await same(backend, model, one, clock);
            await backend.close();
          }),
          { numRuns: 300 },
        );
      });
    }

    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

    async function same(backend: Backend<number>, model: Model, one: Step, clock: TestClock): Promise<void> {
      const later = (ttl: number | undefined) => (ttl === undefined ? undefined : clock.now() + ttl);
      switch (one.kind) {
        case 'set':
          expect(await backend.set(one.key, one.value, { ttl: one.ttl })).to.equal(true);
          model.set(one.key, one.value, later(one.ttl));
          break;
        case 'absent':
        case 'present': {
          const applies = (model.get(one.key) === undefined) === (one.kind === 'absent');
          expect(await backend.set(one.key, one.value, { ttl: one.ttl, if: one.kind })).to.equal(applies);
          if (applies) model.set(one.key, one.value, later(one.ttl));
          break;
        }
        case 'delete':
          expect(await backend.delete(one.key)).to.equal(model.delete(one.key));
          break;
        case 'touch': {
          const entry = model.get(one.key);
          expect(await backend.touch(one.key, one.ttl ?? null)).to.equal(entry !== undefined);
          if (entry !== undefined) model.set(one.key, entry.value, later(one.ttl));
          break;
        }
        case 'renew': {
          const entry = model.get(one.key);
          expect(await backend.get(one.key, { renewFor: one.by })).to.equal(entry?.value);
          if (entry?.expiresAt !== undefined) model.set(one.key, entry.value, later(one.by));
          break;
        }
        case 'increment': {
          const entry = model.get(one.key);
          const value = (entry?.value ?? 0) + one.by;
          const expiresAt = entry === undefined ? later(one.ttl) : entry.expiresAt;
          expect(await backend.increment(one.key, one.by, { ttl: one.ttl })).to.deep.equal({ value, expiresAt });
          model.set(one.key, value, expiresAt);
          break;
        }
        case 'update': {
          const entry = model.get(one.key);
          const value = (entry?.value ?? 7) >> 1;
          expect(await backend.update(one.key, (current) => (current ?? 7) >> 1)).to.equal(value);
          model.set(one.key, value, entry?.expiresAt);
          break;
        }
        case 'deleteMany':
          expect(await backend.deleteMany(one.keys)).to.equal(one.keys.filter((key) => model.delete(key)).length);
          break;
        case 'clear':
          await backend.clear({ prefix: one.prefix });
          for (const found of model.keys()) if (found.startsWith(one.prefix)) model.delete(found);
          break;
        case 'sweep':
          await backend.deleteExpired();
          break;
        case 'pass':
          clock.advance(one.time);
      }
      const entries: [string, number][] = [];
      for await (const entry of backend) entries.push(entry);
      expect(new Map(entries)).to.deep.equal(new Map(model.keys().map((found) => [found, model.get(found)?.value])));
      expect(await backend.count()).to.equal(model.keys().length);
    }
  });
});

/** What a backend is to its users. */
class Model {
  readonly #entries = new Map<string, { value: number; expiresAt: number | undefined }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get(key: string): { value: number; expiresAt: number | undefined } | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && this.#now() < (entry.expiresAt ?? Infinity) ? entry : undefined;
  }

  set(key: string, value: number, expiresAt: number | undefined): void {
    this.#entries.set(key, { value, expiresAt });
  }

  delete(key: string): boolean {
    return this.get(key) !== undefined && this.#entries.delete(key);
  }

  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.get(key) !== undefined);
  }
}
