import { expect } from 'chai';
import fc from 'fast-check';
import { Backend, Cache } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { FailingDriver } from '../support/failing.js';

const KEYS = ['a', 'n:b', 'n:c', 'nn:d'];
const TAGS = ['x', 'y'];
const STALE = 500;

/** What may be stored for a key. */
interface Possible {
  readonly value: number;
  readonly freshUntil: number;
  readonly tags: readonly string[];
}

/** What becomes of one of the operations that a step makes on the driver; of most, nothing. */
const fates = fc.array(fc.constantFrom(undefined, undefined, undefined, 'before' as const, 'after' as const), {
  maxLength: 6,
});
const key = fc.constantFrom(...KEYS);
const tags = fc.uniqueArray(fc.constantFrom(...TAGS));
const ttl = fc.integer({ min: 1, max: 1000 });
const asking = {
  key,
  tags,
  ttl,
  callers: fc.integer({ min: 1, max: 5 }),
  outcome: fc.constantFrom('value', 'value', 'failure', 'undefined'),
  stale: fc.constantFrom(undefined, 'staleIfError', 'staleWhileRevalidate'),
  late: fc.boolean(),
};
const step = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key, tags, ttl, readers: fc.integer({ max: 3, min: 0 }), fates }),
  fc.record({ kind: fc.constant('clear' as const), key, readers: fc.integer({ max: 3, min: 0 }), fates }),
  fc.record({ kind: fc.constant('clearNamespace' as const), fates }),
  fc.record({ kind: fc.constant('invalidate' as const), tags, fates }),
  fc.record({ kind: fc.constant('advance' as const), by: fc.integer({ min: 1, max: 700 }) }),
  fc.record({ kind: fc.constant('fetch' as const), key, withTtl: fc.boolean(), fates }),
  fc.record({ kind: fc.constant('ask' as const), ...asking, fates }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Drives a cache and knows, for each key, all that may be stored: several things after a failure, since that may have come too late. */
class Run {
  readonly #clock = new TestClock();
  readonly #driver = new FailingDriver(this.#clock.now);
  readonly #cache: Cache<number>;
  readonly #possible = new Map<string, (Possible | undefined)[]>(KEYS.map((one) => [one, [undefined]]));
  readonly #touched = new Set<string>();
  #last = 0;
  #failures = 0;

  constructor(seed: number) {
    let state = seed;
    this.#driver.turns = () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % 5;
    };
    this.#cache = new Cache<number>(new Backend(this.#driver), {
      ttl: 100,
      staleIfError: STALE,
      keepExpired: STALE,
      report: () => undefined,
    });
  }

  async take(next: Step): Promise<void> {
    if (next.kind === 'advance') return this.#clock.advance(next.by);
    const planned = [...next.fates];
    this.#failures = 0;
    this.#driver.fate = () => {
      const fate = planned.shift();
      if (fate !== undefined) this.#failures++;
      return fate;
    };
    if (next.kind === 'put') return this.#put(next);
    if (next.kind === 'clear') return this.#clear(next);
    if (next.kind === 'clearNamespace') return this.#clearNamespace();
    if (next.kind === 'invalidate') return this.#invalidate(next.tags);
    if (next.kind === 'fetch') return this.#fetch(next.key, next.withTtl);
    return this.#ask(next);
  }

  async finish(): Promise<void> {
    this.#driver.fate = () => undefined;
    for (const one of KEYS) await this.#fetch(one, true);
    await this.#cache.close();
  }

  async #put({ key, tags, ttl, readers }: Extract<Step, { kind: 'put' }>): Promise<void> {
    const before = this.#of(key);
    this.#touched.add(key);
    const stored = { value: ++this.#last, freshUntil: this.#clock.now() + ttl, tags };
    const after = [...before, stored];
    const [put] = await Promise.all([
      this.#tried(() => this.#cache.put(key, stored.value, { ttl, tags })),
      ...Array.from({ length: readers }, () => this.#seen(key, after)),
    ]);
    this.#possible.set(key, put === 'failed' ? after : [stored]);
  }

  async #clear({ key, readers }: Extract<Step, { kind: 'clear' }>): Promise<void> {
    const before = this.#of(key);
    const after = [...before, undefined];
    const [cleared] = await Promise.all([
      this.#tried(() => this.#cache.clear({ key })),
      ...Array.from({ length: readers }, () => this.#seen(key, after)),
    ]);
    // An entry that expired, or whose tags were invalidated, may still be there to be removed.
    if (cleared === 1) expect(this.#touched.has(key)).to.equal(true);
    if (cleared !== 'failed') this.#touched.delete(key);
    this.#possible.set(key, cleared === 'failed' ? after : [undefined]);
  }

  async #clearNamespace(): Promise<void> {
    const cleared = await this.#tried(() => this.#cache.clear({ namespace: 'n' }));
    for (const one of KEYS.filter((name) => name.startsWith('n:'))) {
      this.#possible.set(one, cleared === 'failed' ? [...this.#of(one), undefined] : [undefined]);
    }
  }

  async #invalidate(named: readonly string[]): Promise<void> {
    const done = await this.#tried(() => this.#cache.invalidateTags(named));
    for (const one of KEYS) {
      const states = this.#of(one).flatMap((state) => {
        if (state === undefined || !state.tags.some((tag) => named.includes(tag))) return [state];
        return done === 'failed' ? [state, undefined] : [undefined];
      });
      this.#possible.set(one, states);
    }
  }

  async #fetch(key: string, withTtl: boolean): Promise<void> {
    const before = this.#of(key);
    if (!withTtl) return this.#narrow(key, await this.#seen(key, before));
    const found = await this.#tried(() => this.#cache.fetchWithTtl(key));
    if (found === 'failed') return;
    if (found.state === 'hit') {
      const state = before.find((one) => one?.value === found.value);
      expect(this.#isFresh(state), `${found.value} is not what there may be at ${key}`).to.equal(true);
      expect(found.ttl).to.equal((state?.freshUntil as number) - this.#clock.now());
      return this.#narrow(key, found.value);
    }
    expect(before.some((one) => !this.#isFresh(one))).to.equal(true);
    if (found.state === 'expired')
      expect(before.some((one) => one !== undefined && !this.#isFresh(one))).to.equal(true);
    this.#narrow(key, undefined);
  }

  async #ask({ key, tags, ttl, callers, outcome, stale, late }: Extract<Step, { kind: 'ask' }>): Promise<void> {
    const before = this.#of(key);
    const now = this.#clock.now();
    const error = new Error('the source is down');
    const made: number[] = [];
    const compute = async () => {
      made.push(++this.#last);
      const mine = this.#last;
      for (let turn = late ? 7 : 0; turn > 0; turn--) await undefined;
      if (outcome === 'failure') throw error;
      return outcome === 'undefined' ? undefined : mine;
    };
    const options = {
      ttl,
      tags,
      staleIfError: stale === 'staleIfError' ? STALE : null,
      staleWhileRevalidate: stale === 'staleWhileRevalidate' ? STALE : null,
    };
    const results = await Promise.allSettled(
      Array.from({ length: callers }, () => this.#cache.getOrSet<number | undefined>(key, compute, options)),
    );
    while (this.#computing()) await undefined;
    const fresh = before.filter((one) => this.#isFresh(one));
    const old = before.filter((one) => one !== undefined && !this.#isFresh(one) && now - one.freshUntil < STALE);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).to.equal(error);
        expect(outcome).to.equal('failure');
        // Where nothing failed, the stale value covers the error.
        if (this.#failures === 0 && stale !== undefined)
          expect(before.some((one) => !old.includes(one))).to.equal(true);
      } else if (result.value === undefined) {
        expect(outcome).to.equal('undefined');
      } else if (!made.includes(result.value)) {
        const given = [...fresh, ...(stale === undefined ? [] : old)].map((one) => one?.value);
        expect(given, `${result.value} at ${key}`).to.include(result.value);
      }
    }
    if (this.#failures === 0) {
      expect(made.length, 'computations').to.be.at.most(1);
      if (before.every((one) => this.#isFresh(one))) expect(made).to.deep.equal([]);
    }
    if (made.length === 0) return;
    this.#touched.add(key);
    const stored = made.map((value) => ({ value, freshUntil: now + ttl, tags }));
    if (outcome !== 'value') return;
    this.#possible.set(key, this.#failures === 0 ? stored : [...before, ...stored, undefined]);
  }

  /** What is computed in the background has to come to its end before the next step. */
  #computing(): boolean {
    const { computations } = this.#cache.statistics;
    const seen = this.#quiet;
    this.#quiet = computations === this.#known ? this.#quiet + 1 : 0;
    this.#known = computations;
    if (seen < 200) return true;
    this.#quiet = 0;
    return false;
  }
  #quiet = 0;
  #known = 0;

  /** Fetches, and checks that what is found may be there. */
  async #seen(key: string, possible: readonly (Possible | undefined)[]): Promise<number | undefined | 'failed'> {
    const value = await this.#tried(() => this.#cache.fetch(key));
    if (value === 'failed') return value;
    const fits = possible.some((one) =>
      value === undefined ? !this.#isFresh(one) : this.#isFresh(one) && one?.value === value,
    );
    expect(fits, `${value} is not what there may be at ${key}`).to.equal(true);
    return value;
  }

  /** What was seen tells which of several things is stored; a miss may be of anything that is not fresh. */
  #narrow(key: string, seen: number | undefined | 'failed'): void {
    if (seen === 'failed') return;
    const states = this.#of(key).filter((one) => (seen === undefined ? !this.#isFresh(one) : one?.value === seen));
    this.#possible.set(key, states);
  }

  /** A failure may come only from the driver. */
  async #tried<T>(work: () => Promise<T>): Promise<T | 'failed'> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'KEEPSAKE_STORAGE') throw error;
      expect(this.#failures, 'failures of the driver').to.be.greaterThan(0);
      return 'failed';
    }
  }

  #of(key: string): readonly (Possible | undefined)[] {
    return this.#possible.get(key) ?? [];
  }

  #isFresh(state: Possible | undefined): boolean {
    return state !== undefined && this.#clock.now() < state.freshUntil;
  }
}

describe('a cache, whatever is done with it', function () {
  this.timeout(120_000);

  it('gives only what may be there, computes once for all who ask, and never takes a failure for a miss', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.nat(), async (steps, seed) => {
        const run = new Run(seed);
        for (const next of steps) await run.take(next);
        await run.finish();
      }),
      { numRuns: 1500 },
    );
  });
});
