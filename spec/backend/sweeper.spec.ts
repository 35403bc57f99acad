import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Sweeper } from '#lib/backend/sweeper.js';

describe('Sweeper', () => {
  it('sweeps once it is armed, and again only while something is left', async () => {
    let swept = 0;
    const sweeper = new Sweeper(2, async () => ++swept < 3);
    await setTimeout(10);
    expect(swept).to.equal(0);
    sweeper.arm();
    await setTimeout(50);
    expect(swept).to.equal(3);
  });

  it('sweeps again for what is stored while it sweeps', async () => {
    let swept = 0;
    const sweeper: Sweeper = new Sweeper(2, async () => {
      if (++swept === 1) sweeper.arm();
      return false;
    });
    sweeper.arm();
    await setTimeout(50);
    expect(swept).to.equal(2);
  });

  it('never sweeps twice at a time', async () => {
    let at = 0;
    let most = 0;
    const sweeper: Sweeper = new Sweeper(1, async () => {
      most = Math.max(most, ++at);
      sweeper.arm();
      await setTimeout(10);
      at--;
      return true;
    });
    sweeper.arm();
    await setTimeout(60);
    sweeper.stop();
    expect(most).to.equal(1);
  });

  it('goes on after a sweep that failed, until it is stopped', async () => {
    let swept = 0;
    const sweeper = new Sweeper(2, async () => {
      swept++;
      throw new Error('disk is gone');
    });
    sweeper.arm();
    await setTimeout(40);
    expect(swept).to.be.greaterThan(1);
    sweeper.stop();
    const stopped = swept;
    sweeper.arm();
    await setTimeout(20);
    expect(swept).to.equal(stopped);
  });

  it('does nothing without an interval', async () => {
    const sweeper = new Sweeper(undefined, async () => expect.fail('swept'));
    sweeper.arm();
    await setTimeout(5);
  });
});
