import { expect } from 'chai';
import fc from 'fast-check';
import { type Backend, lru, memory, sharded, tiered, volatile } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { History } from '../support/history.js';
import { type Outcome, Scheduled } from '../support/scheduled.js';

const RUNS = Number(process.env.KEEPSAKE_RUNS ?? 1_000);
const KEYS = ['a', 'b', 'c'] as const;

const key = fc.constantFrom(...KEYS);
const some = fc.uniqueArray(key, { minLength: 1 });
const ttl = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 4 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), key, ttl }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('getEntry' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('getMany' as const), keys: some }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('setMany' as const), keys: some, ttl }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteMany' as const), keys: some }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('absent' as const), key, ttl }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('update' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), time: fc.integer({ min: 1, max: 15 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const callers = fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
const works = fc.constant<readonly Outcome[]>(['works']);
const fails = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Outcome>('works') },
    { weight: 1, arbitrary: fc.constantFrom<Outcome>('fails before', 'fails after') },
  ),
  { minLength: 5, maxLength: 40 },
);

/** What is under test, in each run anew. */
interface Subject {
  readonly backend: Backend<number>;
  /** Entries may vanish without anybody asking. */
  readonly forgets?: boolean;
  /** What every entry lives at most. */
  readonly longest?: number;
  /** Is called in the end, when nothing fails any more. */
  readonly verify?: (history: History) => Promise<void>;
}

/** Lets callers loose on a backend, in every order that fast-check thinks of, and judges what they see. */
function judged(name: string, make: (scheduled: Scheduled, clock: TestClock) => Subject): void {
  for (const [where, outcomes] of [
    ['', works],
    [', while calls fail', fails],
  ] as const) {
    it(`${name}${where}`, async function () {
      this.timeout(60 * RUNS);
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), callers, outcomes, async (scheduler, plans, planned) => {
          const clock = new TestClock();
          const scheduled = new Scheduled(scheduler, planned);
          const { backend, forgets, longest, verify } = make(scheduled, clock);
          const history = new History(clock.now, { forgets: forgets === true });
          const actor = new Actor(backend, history, clock, longest);
          // Opening is not what is judged.
          scheduled.isCalm = true;
          await backend.open();
          scheduled.isCalm = false;
          await scheduler.waitFor(Promise.all(plans.map((plan) => actor.follow(plan))));
          scheduled.isCalm = true;
          // What goes on in the background ends too.
          await scheduler.waitIdle();
          for (const one of KEYS) await actor.act({ kind: 'get', key: one });
          clock.advance(2_000);
          for (let time = 0; time < 2; time++) {
            for (const one of KEYS) await actor.act({ kind: 'get', key: one });
            await new Promise(setImmediate);
          }
          await verify?.(history);
          await backend.close();
        }),
        { numRuns: RUNS },
      );
    });
  }
}

/** Makes steps of a plan happen, under the eyes of a history. */
class Actor {
  readonly #backend: Backend<number>;
  readonly #history: History;
  readonly #clock: TestClock;
  readonly #longest: number | undefined;
  #value = 0;

  constructor(backend: Backend<number>, history: History, clock: TestClock, longest: number | undefined) {
    this.#backend = backend;
    this.#history = history;
    this.#clock = clock;
    this.#longest = longest;
  }

  async follow(plan: readonly Step[]): Promise<void> {
    for (const one of plan) await this.act(one);
  }

  async act(one: Step): Promise<void> {
    const [backend, history] = [this.#backend, this.#history];
    const value = ++this.#value;
    const lived = 'ttl' in one ? this.#lived(one.ttl) : undefined;
    switch (one.kind) {
      case 'get':
        return history.read([one.key], async () => [await backend.get(one.key)]);
      case 'getEntry':
        return history.read([one.key], async () => [(await backend.getEntry(one.key))?.value]);
      case 'getMany':
        return history.read(one.keys, () => backend.getMany(one.keys));
      case 'set':
        return history.change([one.key], { value, ttl: lived }, () => backend.set(one.key, value, { ttl: one.ttl }));
      case 'absent':
        return history.change([one.key], { value, ttl: lived }, () =>
          backend.set(one.key, value, { ttl: one.ttl, if: 'absent' }),
        );
      case 'setMany':
        return history.change(one.keys, { value, ttl: lived }, async () => {
          await backend.setMany(
            one.keys.map((each) => [each, value] as const),
            { ttl: one.ttl },
          );
          return true;
        });
      case 'update':
        return history.change([one.key], { value, ttl: 'unknown' }, async () => {
          await backend.update(one.key, () => value);
          return true;
        });
      case 'delete':
        return history.change([one.key], {}, async () => {
          await backend.delete(one.key);
          return true;
        });
      case 'deleteMany':
        return history.change(one.keys, {}, async () => {
          await backend.deleteMany(one.keys);
          return true;
        });
      case 'clear':
        return history.change(KEYS, {}, async () => {
          await backend.clear();
          return true;
        });
      case 'pass':
        this.#clock.advance(one.time);
    }
  }

  #lived(length: number | undefined): number | undefined {
    return this.#longest === undefined ? length : Math.min(length ?? this.#longest, this.#longest);
  }
}

describe('callers who work at the same time lose nothing and see nothing of the past', () => {
  const silent = { report: () => undefined };
  const held = (clock: TestClock, max?: number) => memory<number>({ clock: clock.now, sweepEvery: null, max });

  for (const onFailure of ['throw', 'bypass'] as const) {
    judged(`with tiered that answers failures with '${onFailure}'`, (scheduled, clock) => {
      const far = held(clock);
      const near = scheduled.around(held(clock, 2));
      const backend = tiered([near, scheduled.around(held(clock)), scheduled.around(far)], { ...silent, onFailure });
      const verify = async (history: History) => {
        for (const one of KEYS) {
          if (history.isCertain(one)) expect(await backend.get(one), one).to.equal(await far.get(one));
        }
      };
      return { backend, verify };
    });
  }

  judged('with lru that has room for all', (scheduled, clock) => ({
    backend: lru(scheduled.around(held(clock)), { max: KEYS.length, saveEvery: null, ...silent }),
  }));

  judged('with lru, which never holds more than max', (scheduled, clock) => {
    const inner = held(clock);
    let most = 0;
    const { driver } = inner;
    const counted = () => {
      const page = driver.scan({ prefix: '', limit: 100, values: false }) as { entries: readonly { key: string }[] };
      most = Math.max(most, page.entries.filter(({ key: one }) => one !== '_keepsake-lru').length);
    };
    const backend = lru(scheduled.around(inner, counted), { max: 2, saveEvery: null, ...silent });
    const verify = async () => {
      expect(most).to.be.at.most(2);
      expect(await backend.count()).to.be.at.most(2);
      // Nothing was lost count of: there is room for as many as there should be.
      for (const one of KEYS) await backend.set(one, 0);
      expect(await backend.count()).to.equal(2);
    };
    return { backend, verify, forgets: true };
  });

  judged('with sharded', (scheduled, clock) => ({
    backend: sharded({
      one: scheduled.around(held(clock)),
      two: scheduled.around(held(clock)),
      three: scheduled.around(held(clock)),
    }),
  }));

  judged('with volatile', (scheduled, clock) => ({
    backend: volatile(scheduled.around(held(clock)), { ttl: 10 }),
    longest: 10,
  }));

  judged('with lru around tiered of shards', (scheduled, clock) => ({
    backend: lru(
      tiered(
        [
          scheduled.around(held(clock, 2)),
          sharded({ one: scheduled.around(held(clock)), two: scheduled.around(held(clock)) }),
        ],
        silent,
      ),
      { max: KEYS.length, saveEvery: null, ...silent },
    ),
  }));
});
