import { expect } from 'chai';
import { mapInSlices, Slice } from '#lib/backend/slice.js';

/** Does nothing until a slice is over. */
function work(slice: Slice): void {
  while (!slice.over);
}

describe('Slice', () => {
  it('is over after a while, and starts anew with a pause', async () => {
    const slice = new Slice();
    work(slice);
    await slice.pause();
    // A second one that is not over at once: time passes between any two lines.
    let started = false;
    for (let attempt = 0; attempt < 100 && !started; attempt++) {
      started = !slice.over;
      if (!started) await slice.pause();
    }
    expect(started).to.equal(true);
  });

  it('lets others have their turn', async () => {
    const slice = new Slice();
    let others = 0;
    setImmediate(() => others++);
    work(slice);
    await slice.pause();
    expect(others).to.equal(1);
  });

  it('gives one at a time a turn, so that several together hold up the others no longer', async () => {
    let turn = 0;
    let running = true;
    const count = () => {
      turn++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const turns: number[] = [];
    const share = async () => {
      const slice = new Slice();
      for (let round = 0; round < 5; round++) {
        await slice.pause();
        turns.push(turn);
      }
    };
    await Promise.all([share(), share(), share()]);
    running = false;
    expect(new Set(turns).size).to.equal(15);
  });
});

describe('mapInSlices', () => {
  it('keeps the order, and pauses', async () => {
    let others = 0;
    const busy = () => {
      const end = performance.now() + 1;
      while (performance.now() < end);
    };
    setImmediate(() => others++);
    const made = await mapInSlices(
      Array.from({ length: 200 }, (_, index) => index),
      (one, index) => {
        busy();
        return [one * 2, index];
      },
    );
    expect(made).to.deep.equal(Array.from({ length: 200 }, (_, index) => [index * 2, index]));
    expect(others).to.equal(1);
  });
});
