import { expect } from 'chai';
import { type Backend, encoded, fallback, files, json, memory, randomChoice, StorageError } from 'keepsake';
import { all, Folders, rejection } from '../support/folders.js';
import { Trouble } from '../support/trouble.js';

describe('randomChoice', () => {
  const three = () => [memory<number>(), memory<number>(), memory<number>()] as const;

  it('asks one of several for each operation', async () => {
    const members = three();
    const numbers = [0, 0.34, 0.99, 0.5];
    const backend = randomChoice(members, { random: () => numbers.shift() ?? 0 });
    await backend.set('a', 0);
    await backend.set('b', 1);
    await backend.set('c', 2);
    expect(await backend.get('b')).to.equal(1);
    expect(await backend.get('b')).to.equal(undefined);
    const held = await Promise.all(members.map((member) => all(member.keys())));
    expect(held).to.deep.equal([['a'], ['b'], ['c']]);
  });

  it('spreads evenly', async () => {
    const members = three();
    const backend = randomChoice(members);
    for (let index = 0; index < 3000; index++) await backend.set(`k${index}`, index);
    for (const member of members) expect(await member.count()).to.be.within(850, 1150);
  });

  it('stays with one member through a listing and its pages', async () => {
    const members = three();
    for (const [at, member] of members.entries()) {
      await member.setMany(Array.from({ length: 10 }, (_, index) => [`${at}-${index}`, index] as const));
    }
    const backend = randomChoice(members);
    for (let time = 0; time < 20; time++) {
      const first = await backend.page({ limit: 4 });
      const keys = [...first.keys];
      for (let cursor = first.cursor; cursor !== undefined; ) {
        const page = await backend.page({ limit: 4, cursor });
        keys.push(...page.keys);
        cursor = page.cursor;
      }
      expect(keys).to.have.length(10);
      expect(new Set(keys.map((key) => key[0]))).to.have.property('size', 1);
      expect(await all(backend.keys())).to.have.length(10);
    }
    expect((await rejection(backend.page({ cursor: '7:x' }))).message).to.include('cursor');
  });

  it('promises across processes what all members do, and nothing within the process', async () => {
    const folders = new Folders();
    const folder = folders.make();
    try {
      const single = randomChoice([files(folder), files(folder)]);
      expect(single.capabilities.update).to.equal('none');
      const shared = randomChoice([files(folder, { shared: true }), files(folder, { shared: true })]);
      expect(shared.capabilities.update).to.equal('storage');
      await Promise.all(Array.from({ length: 20 }, () => shared.increment('n')));
      expect((await shared.increment('n')).value).to.equal(21);
      await shared.close();
    } finally {
      await folders.clearAway();
    }
  });

  it('refuses what is no list of backends of one kind', () => {
    expect(() => randomChoice([])).to.throw(TypeError, /at least one backend/);
    expect(() => randomChoice([{} as Backend])).to.throw(TypeError, /must be a Backend/);
    const mixed = [memory(), files('data')] as unknown as Backend[];
    expect(() => randomChoice(mixed)).to.throw(TypeError, /memory \(objects\), files in data \(bytes\)/);
  });
});

describe('fallback', () => {
  let trouble: Trouble;
  let first: Backend<number>;
  let second: Backend<number>;
  let told: string[];
  let backend: Backend<number>;
  beforeEach(() => {
    trouble = new Trouble();
    first = memory<number>();
    second = memory<number>();
    told = [];
    backend = fallback([trouble.around(first), second], {
      onFallback: (error, failed) => told.push(`${failed}: ${(error as Error).message}`),
    });
  });

  it('asks the first as long as it answers, also with a miss', async () => {
    await second.set('a', 2);
    expect(await backend.get('a')).to.equal(undefined);
    await backend.set('a', 1);
    expect(await first.get('a')).to.equal(1);
    expect(await second.get('a')).to.equal(2);
    expect(told).to.deep.equal([]);
  });

  it('asks the next for whatever the first fails at', async () => {
    trouble.fail();
    await backend.set('a', 1);
    expect(await backend.get('a')).to.equal(1);
    expect(await backend.getMany(['a'])).to.deep.equal([1]);
    expect((await backend.increment('n', 5)).value).to.equal(5);
    expect(await backend.update('a', (current = 0) => current + 1)).to.equal(2);
    expect((await all(backend.entries())).sort()).to.deep.equal([
      ['a', 2],
      ['n', 5],
    ]);
    expect((await backend.page()).keys.sort()).to.deep.equal(['a', 'n']);
    expect(await backend.count()).to.equal(2);
    expect(await backend.delete('a')).to.equal(true);
    await backend.clear();
    expect(await second.count()).to.equal(0);
    expect(told[0]).to.equal('memory: the engine is down');
    expect(told.length).to.be.greaterThan(8);
  });

  it('comes back to the first once it answers', async () => {
    await backend.set('a', 1);
    trouble.fail();
    await backend.set('a', 2);
    trouble.end();
    expect(await backend.get('a')).to.equal(1);
  });

  it('rejects with the last failure when all fail', async () => {
    const other = new Trouble();
    trouble.fail();
    other.error = new StorageError('this one too');
    const both = fallback([trouble.around(first), other.around(second)]);
    expect((await rejection(both.get('a'))).message).to.equal('this one too');
    expect((await rejection(all(both.keys()))).message).to.equal('this one too');
  });

  it('does not ask the next what is wrong anywhere', async () => {
    const failing = fallback([encoded(memory<Uint8Array>(), json()), encoded(memory<Uint8Array>(), json())], {
      onFallback: () => told.push('fallen back'),
    });
    expect((await rejection(failing.set('a', Number.NaN))).code).to.equal('KEEPSAKE_ENCODE');
    await failing.set('text', 'x');
    expect((await rejection(failing.increment('text'))).code).to.equal('KEEPSAKE_NOT_AN_INTEGER');
    const own = new Error('mine');
    const thrown = await rejection(
      failing.update('a', () => {
        throw own;
      }),
    );
    expect(thrown).to.equal(own);
    expect(told).to.deep.equal([]);
  });

  it('does not go on with another member in the middle of a listing', async () => {
    await first.setMany(Array.from({ length: 10 }, (_, index) => [`k${index}`, index] as const));
    const page = await backend.page({ limit: 3 });
    trouble.fail();
    expect((await rejection(backend.page({ limit: 3, cursor: page.cursor }))).message).to.include('down');
    expect((await rejection(backend.page({ cursor: 'x' }))).message).to.include('cursor must be');
  });
});
