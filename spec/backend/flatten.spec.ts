import { expect } from 'chai';
import { flatten } from '#lib/backend/flatten.js';

interface Item {
  readonly name: string;
}

const item = (name: string): Item => ({ name });

describe('flatten', () => {
  let returned: number;
  beforeEach(() => {
    returned = 0;
  });

  async function* batches(...made: readonly string[][]): AsyncGenerator<readonly Item[], void, undefined> {
    try {
      for (const batch of made) yield batch.map(item);
    } finally {
      returned++;
    }
  }

  async function* failing(): AsyncGenerator<readonly Item[], void, undefined> {
    yield [item('a')];
    throw new Error('the disk is gone');
  }

  const names = (...made: readonly string[][]) => flatten(batches(...made), ({ name }) => name);

  it('gives the items of all batches in order, empty ones among them', async () => {
    const found: string[] = [];
    for await (const name of names([], ['a', 'b'], [], [], ['c'], [])) found.push(name);
    expect(found).to.deep.equal(['a', 'b', 'c']);
    expect(returned).to.equal(1);
  });

  it('asks for nothing before the first item is asked for', async () => {
    let asked = false;
    const listing = flatten(
      (async function* () {
        asked = true;
        yield [item('a')];
      })(),
      ({ name }) => name,
    );
    await Promise.resolve();
    expect(asked).to.equal(false);
    expect(await listing.next()).to.deep.equal({ done: false, value: 'a' });
    expect(asked).to.equal(true);
  });

  it('answers calls at once in their order', async () => {
    const listing = names(['a', 'b'], ['c']);
    const answers = await Promise.all([listing.next(), listing.next(), listing.next(), listing.next(), listing.next()]);
    expect(answers.map(({ value }) => value)).to.deep.equal(['a', 'b', 'c', undefined, undefined]);
    expect(answers.map(({ done }) => done)).to.deep.equal([false, false, false, true, true]);
  });

  it('ends the batches when a loop breaks, and gives nothing more', async () => {
    const listing = names(['a', 'b'], ['c']);
    for await (const _ of listing) break;
    expect(returned).to.equal(1);
    expect(await listing.next()).to.deep.equal({ done: true, value: undefined });
  });

  it('gives no item after a return that was called before', async () => {
    const listing = names(['a', 'b']);
    const [first, , last] = await Promise.all([listing.next(), listing.return(), listing.next()]);
    expect([first, last]).to.deep.equal([
      { done: false, value: 'a' },
      { done: true, value: undefined },
    ]);
  });

  it('ends the batches when something is thrown in', async () => {
    const listing = names(['a', 'b']);
    await listing.next();
    const error = await listing.throw(new Error('enough')).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).to.equal('enough');
    expect(returned).to.equal(1);
  });

  it('rejects with what the batches reject with, and has ended then', async () => {
    const listing = flatten(failing(), ({ name }) => name);
    await listing.next();
    const error = await listing.next().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).to.equal('the disk is gone');
    expect(await listing.next()).to.deep.equal({ done: true, value: undefined });
  });

  it('ends amid a batch when the signal is aborted', async () => {
    const stop = new AbortController();
    const listing = flatten(batches(['a', 'b', 'c']), ({ name }) => name, stop.signal);
    expect((await listing.next()).value).to.equal('a');
    const reason = new Error('no more');
    stop.abort(reason);
    const error = await listing.next().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.equal(reason);
    expect(returned).to.equal(1);
    expect((await listing.next()).done).to.equal(true);
  });
});
