import { expect } from 'chai';
import { CRASHES } from '../../support/disk/crash.js';
import { Machines, newTotal, type Total } from '../../support/disk/machines.js';
import { MODES } from '../../support/disk/modes.js';
import { pointsOf } from '../../support/disk/points.js';
import { Random } from '../../support/disk/random.js';

/** How many crash points there are, at the least; crashes after a crash are not counted. */
const POINTS = Number(process.env.KEEPSAKE_CRASH_POINTS ?? 1200);
const SEED = Number(process.env.KEEPSAKE_CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** How much is done before it is interrupted. */
const STEPS = 48;
/** How often one piece of work is interrupted in one way. */
const EACH = 80;

describe('files: a crash at any moment', function () {
  this.timeout(120_000 + POINTS * 200);
  const random = new Random(SEED);
  const each = Math.ceil(POINTS / Object.keys(MODES).length / CRASHES.length);
  let machines: Machines;

  before(() => {
    machines = new Machines();
    console.log(`      KEEPSAKE_CRASH_SEED=${SEED} KEEPSAKE_CRASH_POINTS=${POINTS}`);
  });

  after(() => machines.end());

  for (const [mode, { promises }] of Object.entries(MODES)) {
    describe(`with ${mode}`, () => {
      const total: Total = newTotal();

      before(async () => {
        for (let left = each; left > 0; left -= EACH) {
          const work = await machines.record(mode, random.seed(), STEPS);
          const points = CRASHES.flatMap((crash) => pointsOf(work, crash, Math.min(left, EACH), random));
          await machines.crash(work, points, total);
        }
      });

      it('leaves a folder that opens, and holds what is promised', () => {
        expect(total.failures.slice(0, 10)).to.deep.equal([]);
        expect(total.first).to.be.at.least(each * CRASHES.length);
      });

      const lossy = CRASHES.filter((crash) => promises[crash] !== 'acknowledged');
      for (const crash of lossy) {
        const cuts = promises[crash] === 'nothing' || promises[crash] === 'replaced';
        it(`may lose the newest ${cuts ? 'and cut files ' : ''}where no more is promised: '${crash}'`, function () {
          // With a few points chance may spare everything.
          if (each < 50) this.skip();
          expect(total.lost[crash]).to.be.above(0);
          if (cuts) expect(total.torn[crash]).to.be.above(0);
        });
      }
    });
  }
});

describe('files: the marker of a folder that holds deadlines', () => {
  const random = new Random(1);
  const machines = new Machines();

  after(() => machines.end());

  it('is safe, with its name, before the first such entry is there', async () => {
    const { trace } = await machines.record('file', random.seed(), STEPS);
    let made = 0;
    for (const [index, { effects }] of trace.operations.entries()) {
      for (const marker of effects) {
        if (marker.kind !== 'entry' || marker.name !== '.expiring' || marker.id === undefined) continue;
        made++;
        const next = trace.operations.slice(index + 1, index + 3).flatMap(({ effects }) => effects);
        expect(next).to.deep.equal([
          { kind: 'sync', id: marker.id, dataOnly: false },
          { kind: 'sync', id: marker.folder, dataOnly: false },
        ]);
      }
    }
    expect(made).to.be.above(0);
  });
});

describe('files: the file that says whose a lock is', () => {
  const random = new Random(1);
  const machines = new Machines();

  after(() => machines.end());

  it('is safe before the first lock is taken', async () => {
    const { trace } = await machines.record('file, shared', random.seed(), 4);
    const synced = new Set<number>();
    let locks = 0;
    for (const { name, effects } of trace.operations) {
      for (const effect of effects) {
        if (effect.kind === 'sync') synced.add(effect.id);
        if (name !== 'link' || effect.kind !== 'entry' || effect.id === undefined) continue;
        expect(synced).to.include(effect.id);
        locks++;
      }
    }
    expect(locks).to.be.above(0);
  });
});

describe('files: the replay of a journal', function () {
  this.timeout(60_000);
  const random = new Random(1);
  const machines = new Machines();

  after(() => machines.end());

  it('makes safe what it found before it acts on it, since who wrote it may have died before that', async () => {
    const work = await machines.record('journal', random.seed(), STEPS);
    const syncs = work.trace.operations.filter(({ name }) => name === 'fdatasync');
    let acted = 0;
    for (const { issued } of syncs.slice(0, 20)) {
      const { trace } = await machines.goOn(work, issued, random.seed());
      const before = trace.operations.filter(({ completed }) => completed <= issued);
      const segments = new Set<number>();
      for (const effect of before.flatMap(({ effects }) => effects)) {
        if (effect.kind !== 'entry' || !effect.name.startsWith('segment-')) continue;
        if (effect.id === undefined) segments.delete(effect.before as number);
        else segments.add(effect.id);
      }
      if (segments.size === 0) continue;
      for (const effect of trace.operations.slice(before.length).flatMap(({ effects }) => effects)) {
        if (effect.kind === 'sync') segments.delete(effect.id);
        if (effect.kind === 'entry' && /\.bin$/.test(effect.name)) break;
      }
      expect([...segments]).to.deep.equal([]);
      acted++;
    }
    expect(acted).to.be.above(0);
  });
});
