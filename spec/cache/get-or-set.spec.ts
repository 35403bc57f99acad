import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { Backend, Cache, type CacheOptions, type ComputeContext, memory } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { MinimalDriver } from '../support/drivers.js';
import { FailingDriver, kinds } from '../support/failing.js';
import { failure } from '../support/failure.js';

/** A computation that ends when it is told to. */
class Work<T> {
  readonly contexts: ComputeContext[] = [];
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;
  #promise!: Promise<T>;

  constructor() {
    this.renew();
  }

  renew(): void {
    this.#promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  readonly compute = (context: ComputeContext): Promise<T> => {
    this.contexts.push(context);
    return this.#promise;
  };

  /** Waits until it has begun so many times. */
  async begun(times = 1): Promise<void> {
    for (let waited = 0; this.contexts.length < times; waited++) {
      if (waited > 1000) throw new Error('it does not begin');
      await setImmediate();
    }
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate();
}

for (const { kind, open } of kinds) {
  describe(`getOrSet over ${kind}`, () => {
    let clock: TestClock;
    let backend: Backend<unknown>;
    let reported: unknown[];
    beforeEach(() => {
      clock = new TestClock();
      backend = open(clock.now);
      reported = [];
    });
    const make = (options: CacheOptions = {}) =>
      new Cache(backend, { ttl: '1m', report: (error) => reported.push(error), ...options });

    it('computes what is not there, once, and gives what is', async () => {
      const cache = make();
      let computed = 0;
      expect(await cache.getOrSet('key', () => ++computed)).to.equal(1);
      expect(await cache.getOrSet('key', async () => ++computed)).to.equal(1);
      clock.advance(60_000);
      expect(await cache.getOrSet('key', async () => ++computed)).to.equal(2);
    });

    it('computes once for 1,000 callers of a cold key', async () => {
      const cache = make();
      let computed = 0;
      const compute = async () => {
        await setImmediate();
        return ++computed;
      };
      const values = await Promise.all(Array.from({ length: 1000 }, () => cache.getOrSet('key', compute)));
      expect(new Set(values)).to.deep.equal(new Set([1]));
      expect(cache.statistics).to.include({ misses: 1000, computations: 1, waits: 999 });
      await Promise.all(Array.from({ length: 10 }, (_, index) => cache.getOrSet(`key ${index}`, compute)));
      expect(computed).to.equal(11);
    });

    it('computes once for callers who come while it is looked up, computed and stored', async () => {
      const cache = make();
      let computed = 0;
      const compute = async () => {
        await setImmediate();
        return ++computed;
      };
      const calls: Promise<number>[] = [];
      for (let turn = 0; turn < 40; turn++) {
        calls.push(cache.getOrSet('key', compute));
        await (turn % 2 === 0 ? setImmediate() : undefined);
      }
      expect(new Set(await Promise.all(calls))).to.deep.equal(new Set([1]));
    });

    it('shares a failure with all who wait, and then forgets it', async () => {
      const cache = make();
      const error = new Error('the source is down');
      let computed = 0;
      const fail = async () => {
        computed++;
        await setImmediate();
        throw error;
      };
      const failures = await Promise.all(Array.from({ length: 50 }, () => failure(() => cache.getOrSet('key', fail))));
      expect(new Set(failures)).to.deep.equal(new Set([error]));
      expect(computed).to.equal(1);
      expect(cache.statistics).to.include({ computations: 1, errors: 1 });
      expect(await cache.getOrSet('key', () => 'better')).to.equal('better');
    });

    it('passes on what a computation throws as it is, whatever that is', async () => {
      const cache = make();
      for (const thrown of [undefined, 0, 'text']) {
        const fail = () => {
          throw thrown;
        };
        const both = await Promise.allSettled([cache.getOrSet('key', fail), cache.getOrSet('key', fail)]);
        for (const result of both) expect(result).to.deep.equal({ status: 'rejected', reason: thrown });
      }
    });

    it('does not store undefined, nor what is skipped', async () => {
      const cache = make();
      expect(await cache.getOrSet('key', () => undefined)).to.equal(undefined);
      expect(await cache.getOrSet('key', (context) => context.skip())).to.equal(undefined);
      const skipping = (context: ComputeContext) => {
        context.skip();
        return 'not for long';
      };
      expect(await cache.getOrSet('key', skipping)).to.equal('not for long');
      expect(await cache.fetchWithTtl('key')).to.deep.equal({ state: 'missing' });
      expect(await cache.getOrSet('key', () => null)).to.equal(null);
      expect(await cache.getOrSet('key', () => 1 as never)).to.equal(null);
    });

    it('lets a computation see its key and the value so far, and say the ttl', async () => {
      const cache = make();
      await cache.put('key', 'old', 1000);
      clock.advance(1500);
      let seen: unknown;
      await cache.getOrSet(
        'key',
        (context) => {
          seen = [context.key, context.stale, context.ttl];
          context.ttl = '5s';
          return 'new';
        },
        { ttl: 7000 },
      );
      expect(seen).to.deep.equal(['key', { value: 'old', expiredFor: 500 }, 7000]);
      expect(await cache.fetchWithTtl('key')).to.deep.equal({ state: 'hit', value: 'new', ttl: 5000 });
      const wrong = (context: ComputeContext) => {
        context.ttl = 0;
        return 1;
      };
      expect(await failure(() => cache.getOrSet('other', wrong))).to.include({ code: 'KEEPSAKE_OUT_OF_RANGE' });
    });

    describe('when callers leave', () => {
      it('goes on for the others', async () => {
        const cache = make();
        const work = new Work<string>();
        const leaver = new AbortController();
        const leaving = cache.getOrSet('key', work.compute, { signal: leaver.signal });
        const staying = cache.getOrSet('key', work.compute, { signal: new AbortController().signal });
        const careless = cache.getOrSet('key', work.compute);
        await work.begun();
        await settled();
        leaver.abort(new Error('had enough'));
        expect(await failure(() => leaving)).to.equal(leaver.signal.reason);
        expect(work.contexts[0]?.signal.aborted).to.equal(false);
        work.resolve('value');
        expect(await Promise.all([staying, careless])).to.deep.equal(['value', 'value']);
        expect(work.contexts).to.have.length(1);
        expect(await cache.fetch('key')).to.equal('value');
        expect(work.contexts[0]?.signal.aborted).to.equal(false);
      });

      it('is aborted when all have left, stored no more, and begun anew by the next', async () => {
        const cache = make();
        const work = new Work<string>();
        const leavers = [new AbortController(), new AbortController()];
        const calls = leavers.map(({ signal }) => cache.getOrSet('key', work.compute, { signal }));
        await work.begun();
        await settled();
        const [context] = work.contexts;
        leavers[0]?.abort();
        await settled();
        expect(context?.signal.aborted).to.equal(false);
        leavers[1]?.abort();
        for (const [index, call] of calls.entries()) {
          expect(await failure(() => call)).to.equal(leavers[index]?.signal.reason);
        }
        expect(context?.signal.aborted).to.equal(true);
        const next = new Work<string>();
        const again = cache.getOrSet('key', next.compute);
        await next.begun();
        work.resolve('from before');
        await settled();
        expect(await cache.fetch('key')).to.equal(undefined);
        next.resolve('from after');
        expect(await again).to.equal('from after');
        expect(await cache.fetch('key')).to.equal('from after');
      });

      it('is not aborted when they leave with the value', async () => {
        const cache = make();
        const work = new Work<string>();
        const call = cache.getOrSet('key', work.compute, { signal: new AbortController().signal });
        await work.begun();
        work.resolve('value');
        await call;
        await settled();
        expect(work.contexts[0]?.signal.aborted).to.equal(false);
      });

      it('leaves no rejection unhandled when it fails afterwards', async () => {
        const cache = make();
        const work = new Work<string>();
        const leaver = new AbortController();
        const call = cache.getOrSet('key', work.compute, { signal: leaver.signal });
        await work.begun();
        leaver.abort();
        await failure(() => call);
        work.reject(new Error('nobody is interested'));
        await settled();
        await cache.close();
      });
    });

    describe('while others put or clear', () => {
      it('does not overwrite what was put meanwhile', async () => {
        const cache = make();
        const work = new Work<string>();
        const call = cache.getOrSet('key', work.compute);
        await work.begun();
        await cache.put('key', 'put');
        expect(await cache.getOrSet('key', () => 'never')).to.equal('put');
        work.resolve('computed');
        expect(await call).to.equal('computed');
        expect(await cache.fetch('key')).to.equal('put');
      });

      it('does not overwrite what was being put when it began', async () => {
        const cache = make({ staleWhileRevalidate: '1h' });
        await cache.put('key', 'old');
        clock.advance(60_000);
        const work = new Work<string>();
        const putting = cache.put('key', 'put');
        const call = cache.getOrSet('key', work.compute);
        await putting;
        await settled();
        work.resolve('computed');
        expect(await call).to.be.oneOf(['old', 'put']);
        await settled();
        expect(await cache.fetch('key')).to.equal('put');
      });

      for (const what of [{ key: 'name:key' }, { namespace: 'name' }, 'all'] as const) {
        it(`does not store what began before ${JSON.stringify(what)} was cleared, nor gives it to later callers`, async () => {
          const cache = make();
          const work = new Work<string>();
          const call = cache.getOrSet('name:key', work.compute);
          await work.begun();
          await (what === 'all' ? cache.clearAll() : cache.clear(what));
          const later = cache.getOrSet('name:key', () => 'later');
          work.resolve('before');
          expect(await call).to.equal('before');
          expect(await later).to.equal('later');
          expect(await cache.fetch('name:key')).to.equal('later');
        });
      }
    });

    describe('with staleWhileRevalidate', () => {
      it('gives the stale value at once, and computes in the background, once', async () => {
        const cache = make({ staleWhileRevalidate: '30s' });
        await cache.getOrSet('key', () => 'old');
        clock.advance(60_000);
        const work = new Work<string>();
        const calls = Array.from({ length: 20 }, () => cache.getOrSet('key', work.compute));
        expect(new Set(await Promise.all(calls))).to.deep.equal(new Set(['old']));
        await work.begun();
        expect(await cache.fetch('key')).to.equal(undefined);
        work.resolve('new');
        await settled();
        expect(work.contexts).to.have.length(1);
        expect(await cache.getOrSet('key', work.compute)).to.equal('new');
        expect(cache.statistics).to.include({ staleHits: 20, computations: 2, hits: 1 });
      });

      it('waits once its time is over too', async () => {
        const cache = make({ staleWhileRevalidate: '30s' });
        await cache.put('key', 'old');
        clock.advance(89_999);
        expect(await cache.getOrSet('key', (context) => context.skip())).to.equal('old');
        await settled();
        clock.advance(1);
        expect(await cache.getOrSet('key', () => 'new')).to.equal('new');
      });

      it('reports what fails in the background, rejects nobody, and tries again at the next call', async () => {
        const cache = make();
        const stale = { staleWhileRevalidate: '30s' } as const;
        await cache.getOrSet('key', () => 'old', stale);
        clock.advance(60_000);
        const error = new Error('the source is down');
        expect(await cache.getOrSet('key', () => Promise.reject(error), stale)).to.equal('old');
        await settled();
        expect(reported).to.deep.equal([error]);
        expect(cache.statistics).to.include({ errors: 1 });
        expect(await cache.getOrSet('key', () => 'new', stale)).to.equal('old');
        await settled();
        expect(await cache.fetch('key')).to.equal('new');
      });

      it('lets callers without it wait for what runs in the background', async () => {
        const cache = make();
        await cache.getOrSet('key', () => 'old', { staleWhileRevalidate: '30s' });
        clock.advance(60_000);
        const work = new Work<string>();
        expect(await cache.getOrSet('key', work.compute, { staleWhileRevalidate: '30s' })).to.equal('old');
        const leaver = new AbortController();
        const leaving = cache.getOrSet('key', work.compute, { signal: leaver.signal });
        const waiting = cache.getOrSet('key', work.compute);
        await work.begun();
        await settled();
        leaver.abort();
        await failure(() => leaving);
        work.resolve('new');
        expect(await waiting).to.equal('new');
        expect(work.contexts).to.have.length(1);
        expect(work.contexts[0]?.signal.aborted).to.equal(false);
      });

      it('is waited for by close', async () => {
        const cache = make({ staleWhileRevalidate: '30s', closesBackend: true });
        await cache.put('key', 'old');
        clock.advance(60_000);
        const work = new Work<string>();
        await cache.getOrSet('key', work.compute);
        await work.begun();
        let closed = false;
        const closing = cache.close().then(() => {
          closed = true;
        });
        await settled();
        expect(closed).to.equal(false);
        work.resolve('new');
        await closing;
        expect(reported).to.deep.equal([]);
      });
    });

    describe('with staleIfError', () => {
      it('gives the stale value when the computation fails, and reports the error once', async () => {
        const cache = make({ staleIfError: '1h' });
        await cache.getOrSet('key', () => 'old');
        clock.advance(60_000);
        const error = new Error('the source is down');
        const fail = async () => {
          await setImmediate();
          throw error;
        };
        const calls = Array.from({ length: 10 }, () => cache.getOrSet('key', fail));
        expect(new Set(await Promise.all(calls))).to.deep.equal(new Set(['old']));
        expect(reported).to.deep.equal([error]);
        expect(cache.statistics).to.include({ staleHits: 10, computations: 2, errors: 1 });
        expect(await cache.getOrSet('key', () => 'new')).to.equal('new');
      });

      it('fails once its time is over too', async () => {
        const cache = make();
        const covered = { staleIfError: '1h' } as const;
        await cache.getOrSet('key', () => 'old', covered);
        clock.advance(60_000 + 3_599_999);
        const error = new Error('the source is down');
        const fail = () => Promise.reject(error);
        expect(await failure(() => cache.getOrSet('key', fail))).to.equal(error);
        expect(await cache.getOrSet('key', fail, covered)).to.equal('old');
        clock.advance(1);
        expect(await failure(() => cache.getOrSet('key', fail, covered))).to.equal(error);
      });

      it('covers what was put, too', async () => {
        const cache = make({ staleIfError: '1h' });
        await cache.put('key', 'old');
        clock.advance(60_000 + 3_599_999);
        expect(await cache.getOrSet('key', () => Promise.reject(new Error('down')))).to.equal('old');
      });

      it('covers no abort of its own caller', async () => {
        const cache = make({ staleIfError: '1h' });
        await cache.put('key', 'old');
        clock.advance(60_000);
        const leaver = new AbortController();
        const work = new Work<string>();
        const call = cache.getOrSet('key', work.compute, { signal: leaver.signal });
        await work.begun();
        leaver.abort();
        expect(await failure(() => call)).to.equal(leaver.signal.reason);
      });

      it('goes with staleWhileRevalidate, which comes first', async () => {
        const cache = make({ staleWhileRevalidate: '10s', staleIfError: '1h' });
        await cache.put('key', 'old');
        clock.advance(65_000);
        const fail = () => Promise.reject(new Error('the source is down'));
        expect(await cache.getOrSet('key', fail)).to.equal('old');
        await settled();
        clock.advance(10_000);
        expect(await cache.getOrSet('key', fail)).to.equal('old');
        expect(reported).to.have.length(2);
      });
    });
  });
}

/** A driver whose next read or write comes late: a read gives what was there when it began, a write takes effect when it is let through. */
class LateDriver extends MinimalDriver {
  gates: { read?: Promise<void> | undefined; write?: Promise<void> | undefined } = {};

  override async read(key: string) {
    const found = super.read(key);
    const { read } = this.gates;
    if (read !== undefined && key.startsWith('value:')) {
      this.gates.read = undefined;
      await read;
    }
    return found;
  }

  override async write(...parameters: Parameters<MinimalDriver['write']>) {
    const { write } = this.gates;
    if (write !== undefined && parameters[0].startsWith('value:')) {
      this.gates.write = undefined;
      await write;
    }
    return super.write(...parameters);
  }
}

describe('getOrSet, when the backend is late', () => {
  it('computes nothing that was computed while it was looked up', async () => {
    const driver = new LateDriver();
    const cache = new Cache(new Backend(driver));
    let open!: () => void;
    driver.gates.read = new Promise((resolve) => {
      open = resolve;
    });
    const late = cache.getOrSet('key', () => 'computed again');
    await settled();
    expect(await cache.getOrSet('key', () => 'computed')).to.equal('computed');
    open();
    expect(await late).to.equal('computed');
  });

  it('clears what is being stored when it is cleared', async () => {
    const driver = new LateDriver();
    const cache = new Cache(new Backend(driver));
    let open!: () => void;
    driver.gates.write = new Promise((resolve) => {
      open = resolve;
    });
    const computed = cache.getOrSet('key', () => 'computed');
    await settled();
    const cleared = cache.clear({ key: 'key' });
    await settled();
    open();
    expect(await computed).to.equal('computed');
    expect(await cleared).to.equal(1);
    expect(await cache.fetch('key')).to.equal(undefined);
  });
});

describe('getOrSet, when the backend fails', () => {
  let driver: FailingDriver;
  let reported: unknown[];
  const make = (options: CacheOptions = {}) =>
    new Cache(new Backend(driver), { ttl: '1m', report: (error) => reported.push(error), ...options });
  beforeEach(() => {
    driver = new FailingDriver();
    reported = [];
  });

  it("computes, reports and counts, by 'compute', once for all who wait", async () => {
    const cache = make();
    driver.fate = () => 'before';
    let computed = 0;
    const compute = async () => {
      await setImmediate();
      return ++computed;
    };
    const values = await Promise.all(Array.from({ length: 5 }, () => cache.getOrSet('key', compute)));
    expect(values).to.deep.equal([1, 1, 1, 1, 1]);
    expect(reported.length).to.be.at.least(6);
    for (const error of reported) expect(error).to.include({ code: 'KEEPSAKE_STORAGE', key: 'key' });
    expect(cache.statistics.backendErrors).to.equal(reported.length);
    driver.fate = () => undefined;
    expect(await cache.getOrSet('key', compute)).to.equal(2);
    expect(await cache.getOrSet('key', compute)).to.equal(2);
  });

  it("gives a value that could not be stored, by 'compute'", async () => {
    const cache = make();
    driver.fate = (operation) => (operation === 'write' ? 'before' : undefined);
    expect(await cache.getOrSet('key', () => 1)).to.equal(1);
    expect(reported).to.have.length(1);
    expect(await cache.getOrSet('key', () => 2)).to.equal(2);
  });

  it("rejects when reading fails, by 'throw', and computes nothing", async () => {
    const cache = make({ onBackendError: 'throw' });
    driver.fate = () => 'before';
    let computed = 0;
    const error = await failure(() => cache.getOrSet('key', () => ++computed));
    expect(error).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'getOrSet', key: 'key' });
    expect(computed).to.equal(0);
    expect(reported).to.deep.equal([]);
  });

  it("rejects when storing fails, by 'throw'", async () => {
    const cache = make();
    driver.fate = (operation) => (operation === 'write' ? 'before' : undefined);
    const error = await failure(() => cache.getOrSet('key', () => 1, { onBackendError: 'throw' }));
    expect(error).to.include({ code: 'KEEPSAKE_STORAGE', key: 'key' });
  });

  it('covers no failure of the backend by a stale value', async () => {
    const clock = new TestClock();
    driver = new FailingDriver(clock.now);
    const cache = make({ onBackendError: 'throw', staleIfError: '1h' });
    await cache.put('key', 'old');
    clock.advance(60_000);
    driver.fate = (operation) => (operation === 'write' ? 'before' : undefined);
    expect(await failure(() => cache.getOrSet('key', () => 1))).to.include({ code: 'KEEPSAKE_STORAGE' });
  });

  it('refuses a value that cannot be encoded, whatever is said', async () => {
    const cache = make();
    expect(await failure(() => cache.getOrSet('key', () => () => 1))).to.include({
      code: 'KEEPSAKE_ENCODE',
      key: 'key',
    });
    expect(reported).to.deep.equal([]);
  });

  it('stores nothing whose tags could not be read before', async () => {
    const cache = make();
    driver.fate = (operation, key) => (operation === 'read' && key.startsWith('tag') ? 'before' : undefined);
    expect(await cache.getOrSet('key', () => 1, { tags: ['a'] })).to.equal(1);
    driver.fate = () => undefined;
    expect(await cache.fetchWithTtl('key')).to.deep.equal({ state: 'missing' });
  });

  it('warns by default, and survives a report that throws', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    driver.fate = () => 'before';
    const loud = new Cache(new Backend(driver));
    expect(await loud.getOrSet('key', () => 1)).to.equal(1);
    const clumsy = make({
      report: () => {
        throw new Error('report is broken');
      },
    });
    expect(await clumsy.getOrSet('key', () => 1)).to.equal(1);
    await setImmediate();
    process.off('warning', listen);
    expect(warnings[0]?.message).to.match(/^cache, at "key": .*read failed/);
    expect(warnings[0]).to.include({ name: 'KeepsakeWarning', code: 'KEEPSAKE_STORAGE' });
    expect(warnings.some(({ message }) => message.includes('report is broken'))).to.equal(true);
  });
});

describe('getOrSet, in a cache that is closing', () => {
  it('waits for computations that callers wait for, and refuses those that have not begun', async () => {
    const cache = new Cache(memory());
    const work = new Work<number>();
    const begun = cache.getOrSet('begun', work.compute);
    await work.begun();
    const reading = failure(() => cache.getOrSet('reading', () => 2));
    const closing = cache.close();
    work.resolve(1);
    expect(await begun).to.equal(1);
    expect(await reading).to.include({ code: 'KEEPSAKE_CLOSED' });
    await closing;
  });
});
