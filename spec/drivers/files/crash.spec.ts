import { expect } from 'chai';
import { Machines } from '../../support/disk/machines.js';
import { Random } from '../../support/disk/random.js';

const SEED = Number(process.env.KEEPSAKE_CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** How much is done before it is interrupted. */
const STEPS = 48;

describe('files: the marker of a folder that holds deadlines', () => {
  const random = new Random(SEED);
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
