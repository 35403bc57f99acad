import { expect } from 'chai';
import { Queue } from '#lib/drivers/files/queue.js';
import { rejection } from '../../support/folders.js';

describe('files: queue', () => {
  const later = <T>(value: T) => new Promise<T>((resolve) => setImmediate(() => resolve(value)));

  it('writes 100 overlapping values of one key twice, and tells all callers', async () => {
    const queue = new Queue();
    const written: number[] = [];
    const saves = Array.from({ length: 100 }, (_, index) => queue.replace('a', () => later(written.push(index))));
    await Promise.all(saves);
    expect(written).to.deep.equal([0, 99]);
  });

  it('keeps the order of what cannot be replaced', async () => {
    const queue = new Queue();
    const done: string[] = [];
    const note = (name: string) => () => later(done.push(name));
    await Promise.all([
      queue.replace('a', note('set 1')),
      queue.replace('a', note('set 2')),
      queue.run('a', note('delete')),
      queue.replace('a', note('set 3')),
      queue.replace('a', note('set 4')),
      queue.run('a', note('touch')),
    ]);
    expect(done).to.deep.equal(['set 1', 'set 2', 'delete', 'set 4', 'touch']);
  });

  it('rejects all callers that a failed write stands for, and goes on', async () => {
    const queue = new Queue();
    const first = queue.replace('a', () => later('first'));
    const failing = () => later(0).then(() => Promise.reject(new Error('full')));
    const second = queue.replace('a', () => later('second'));
    const third = queue.replace('a', failing);
    const fourth = queue.run('a', () => later('fourth'));
    expect((await Promise.all([rejection(second), rejection(third)])).map((error) => error.message)).to.deep.equal([
      'full',
      'full',
    ]);
    expect(await first).to.equal('first');
    expect(await fourth).to.equal('fourth');
  });

  it('waits for all of some keys, and lets what comes for one of them wait', async () => {
    const queue = new Queue();
    const done: string[] = [];
    const note = (name: string) => () => later(0).then(() => void done.push(name));
    await Promise.all([
      queue.run('a', note('a 1')),
      queue.runAll(['a', 'b'], note('both 1')),
      queue.runAll(['b', 'a', 'c'], note('all')),
      queue.replace('b', note('b 1')),
      queue.runAll(['a', 'b'], note('both 2')),
      queue.run('d', note('d 1')),
    ]);
    expect(done.filter((name) => name !== 'd 1')).to.deep.equal(['a 1', 'both 1', 'all', 'b 1', 'both 2']);
    const failed = queue.runAll(['a', 'b'], () => Promise.reject(new Error('full')));
    expect((await rejection(failed)).message).to.equal('full');
    await queue.run('b', note('after'));
    await queue.drain();
  });

  it('runs different keys side by side, and drains', async () => {
    const queue = new Queue();
    let running = 0;
    let most = 0;
    for (const key of ['a', 'b', 'c']) {
      void queue.run(key, async () => {
        most = Math.max(most, ++running);
        await later(0);
        running--;
      });
    }
    await queue.drain();
    expect([most, running]).to.deep.equal([3, 0]);
  });
});
