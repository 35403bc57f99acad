import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import {
  Backend,
  encoded,
  json,
  type KeepsakeError,
  type LruOptions,
  lru,
  memory,
  readOnly,
  UnsupportedError,
  writeOnly,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { BareDriver } from '../support/drivers.js';
import { all, Folders, rejection } from '../support/folders.js';
import { Gates } from '../support/gates.js';
import { Half } from '../support/half.js';
import { Trouble } from '../support/trouble.js';

/** An lru over memory, and the memory. */
function held(max: number, options: Partial<LruOptions> = {}) {
  const clock = new TestClock();
  const inner = memory<unknown>({ clock: clock.now });
  return { clock, inner, backend: lru<unknown>(inner, { max, ...options }) };
}

const sortedKeys = async (backend: Backend<unknown>): Promise<string[]> => (await all(backend.keys())).sort();

describe('lru', () => {
  const folders = new Folders();
  after(() => folders.clearAway());
  const filesIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('k'));

  it('holds at most max entries, and never more files', async () => {
    const folder = folders.make();
    const backend = lru(folders.open(folder), { max: 100 });
    let most = 0;
    for (let index = 0; index < 150; index++) {
      await backend.set(`k${index}`, 'x');
      most = Math.max(most, filesIn(folder).length);
    }
    expect([most, filesIn(folder).length, await backend.count()]).to.deep.equal([100, 100, 100]);
    expect(await backend.has('k49')).to.equal(false);
    expect(await backend.has('k50')).to.equal(true);
    await backend.close();
  });

  it('makes room before it stores, also for many at once', async () => {
    const folder = folders.make();
    const trouble = new Trouble();
    let most = 0;
    const push = trouble.calls.push.bind(trouble.calls);
    trouble.calls.push = (...calls) => {
      most = Math.max(most, filesIn(folder).length);
      return push(...calls);
    };
    const backend = lru(trouble.around(folders.open(folder)), { max: 10 });
    await Promise.all(Array.from({ length: 60 }, (_, index) => backend.set(`k${index % 40}`, 'x')));
    await backend.setMany(Array.from({ length: 25 }, (_, index) => [`km${index}`, 'x'] as const));
    await Promise.all(Array.from({ length: 30 }, (_, index) => backend.increment(`kn${index}`)));
    await Promise.all(Array.from({ length: 30 }, (_, index) => backend.update(`ku${index}`, () => 'x')));
    expect(most).to.be.at.most(10);
    expect([filesIn(folder).length, await backend.count()]).to.deep.equal([10, 10]);
    await backend.close();
  });

  for (const [what, use] of Object.entries<(backend: Backend<unknown>) => Promise<unknown>>({
    get: (backend) => backend.get('a'),
    getMany: (backend) => backend.getMany(['a']),
    getEntry: (backend) => backend.getEntry('a'),
    has: (backend) => backend.has('a'),
    set: (backend) => backend.set('a', 2),
    setMany: (backend) => backend.setMany([['a', 2]]),
    'set if present': (backend) => backend.set('a', 2, { if: 'present' }),
    update: (backend) => backend.update('a', () => 2),
    increment: (backend) => backend.increment('a'),
    touch: (backend) => backend.touch('a', '1h'),
    renewFor: (backend) => backend.get('a', { renewFor: '1h' }),
  })) {
    it(`keeps what was used last by ${what}`, async () => {
      const { backend } = held(3);
      for (const key of ['a', 'b', 'c']) await backend.set(key, 1);
      await use(backend);
      await backend.set('d', 1);
      expect(await sortedKeys(backend)).to.deep.equal(['a', 'c', 'd']);
    });
  }

  it('does not take a listing for use', async () => {
    const { backend } = held(3);
    for (const key of ['a', 'b', 'c']) await backend.set(key, 1);
    await all(backend.entries());
    await backend.count();
    await backend.set('d', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['b', 'c', 'd']);
  });

  it('removes nothing for what replaces, changes or does not apply', async () => {
    const { backend } = held(2);
    await backend.set('a', 1);
    await backend.set('b', 1);
    await backend.set('a', 2);
    await backend.increment('b');
    expect(await backend.set('c', 1, { if: 'present' })).to.equal(false);
    expect(await backend.set('c', 1, { if: { version: '1' } })).to.equal(false);
    expect(await backend.set('a', 1, { if: 'absent' })).to.equal(false);
    expect(await backend.update('c', () => undefined)).to.equal(undefined);
    expect(await backend.touch('c', '1h')).to.equal(false);
    expect(await backend.get('c', { renewFor: '1h' })).to.equal(undefined);
    expect(await sortedKeys(backend)).to.deep.equal(['a', 'b']);
  });

  it('fills the place of what was deleted or cleared', async () => {
    const { backend } = held(2);
    await backend.setMany([
      ['a', 1],
      ['b', 1],
    ]);
    await backend.delete('b');
    await backend.set('c', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['a', 'c']);
    await backend.deleteMany(['a', 'none']);
    await backend.set('d', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['c', 'd']);
    await backend.clear({ prefix: 'c' });
    await backend.set('e', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['d', 'e']);
    await backend.clear();
    await backend.setMany([
      ['f', 1],
      ['g', 1],
    ]);
    expect(await sortedKeys(backend)).to.deep.equal(['f', 'g']);
  });

  it('makes room by what has expired before it takes what has not', async () => {
    const { backend, clock, inner } = held(3);
    await backend.set('old', 1);
    await backend.set('short', 1, { ttl: 1000 });
    await backend.set('new', 1);
    clock.advance(1000);
    await backend.set('more', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['more', 'new', 'old']);
    await backend.touch('more', 1000);
    clock.advance(1000);
    expect(await backend.get('more')).to.equal(undefined);
    await backend.set('last', 1);
    expect(await sortedKeys(backend)).to.deep.equal(['last', 'new', 'old']);
    expect(await inner.count()).to.equal(3);
  });

  it('does not forget a key that is stored again while a reader finds it expired', async () => {
    const clock = new TestClock();
    const gates = new Gates();
    const inner = memory<number>({ clock: clock.now });
    const backend = lru(gates.around(inner), { max: 2 });
    await backend.set('key', 1, { ttl: 1000 });
    clock.advance(1000);
    gates.hold('read');
    const reading = backend.get('key');
    await gates.reached('read');
    await backend.set('key', 2);
    gates.open('read');
    expect(await reading).to.equal(undefined);
    await backend.set('b', 1);
    await backend.set('c', 1);
    expect(await inner.count()).to.equal(2);
  });

  it('does not forget a key either that was stored again though the answer was lost', async () => {
    const [gates, half] = [new Gates(), new Half()];
    const inner = memory<number>();
    const backend = lru(half.around(gates.around(inner)), { max: 2 });
    await backend.set('key', 1);
    await inner.delete('key');
    gates.hold('read');
    const reading = backend.get('key');
    await gates.reached('read');
    gates.pass();
    half.lost = ['write'];
    await rejection(backend.set('key', 2));
    half.lost = [];
    gates.open('read');
    expect(await reading).to.equal(undefined);
    await backend.set('b', 1);
    await backend.set('c', 1);
    expect(await inner.count()).to.equal(2);
  });

  it('never removes an entry that is being written', async () => {
    const gates = new Gates();
    const inner = memory<number>();
    const backend = lru(gates.around(inner), { max: 2 });
    await backend.set('a', 1);
    await backend.set('b', 1);
    gates.hold('write');
    const overwriting = backend.set('a', 2);
    await gates.reached('write');
    gates.pass();
    await backend.set('c', 1);
    gates.open('write');
    expect(await overwriting).to.equal(true);
    expect(await sortedKeys(backend as Backend<unknown>)).to.deep.equal(['a', 'c']);
  });

  it('waits where all entries are being written, and does not hang', async () => {
    const gates = new Gates();
    const inner = memory<number>();
    const backend = lru(gates.around(inner), { max: 2 });
    await backend.setMany([
      ['a', 1],
      ['b', 1],
    ]);
    gates.hold('write');
    const working: Promise<unknown>[] = [backend.set('a', 2), backend.set('b', 2)];
    await gates.reached('write');
    gates.pass();
    working.push(backend.set('x', 1), backend.deleteMany(['a', 'b', 'x']), backend.clear(), backend.set('a', 3));
    working.push(backend.setMany([['y', 1]]), backend.set('z', 1));
    gates.open('write');
    await Promise.all(working);
    expect(await inner.count()).to.be.at.most(2);
    expect(await sortedKeys(backend as Backend<unknown>)).to.include('z');
  });

  describe('over a backend that fails', () => {
    const troubled = async () => {
      const trouble = new Trouble();
      const inner = memory<number>();
      const backend = lru(trouble.around(inner), { max: 2, report: () => undefined });
      await backend.set('a', 1);
      await backend.set('b', 1);
      return { trouble, inner, backend };
    };

    it('rejects what it has no room for, and loses nothing', async () => {
      const { trouble, inner, backend } = await troubled();
      trouble.only = ['remove', 'removeMany'];
      trouble.fail();
      expect((await rejection(backend.set('c', 1))).message).to.include('the engine is down');
      expect(await inner.count()).to.equal(2);
      trouble.end();
      await backend.set('c', 1);
      expect(await sortedKeys(backend as Backend<unknown>)).to.deep.equal(['b', 'c']);
    });

    it('frees the place of what was not written', async () => {
      const { trouble, inner, backend } = await troubled();
      trouble.only = ['write', 'writeMany'];
      trouble.fail();
      for (const call of [
        () => backend.set('c', 1),
        () => backend.setMany([['c', 1]]),
        () => backend.update('c', () => 1),
      ]) {
        expect((await rejection(call())).message).to.include('the engine is down');
      }
      trouble.end();
      await backend.set('d', 1);
      await backend.set('e', 1);
      expect(await inner.count()).to.equal(2);
    });

    it('reports that the order cannot be saved, and closes all the same', async () => {
      const reported: KeepsakeError[] = [];
      const trouble = new Trouble();
      const backend = lru(trouble.around(memory<number>()), { max: 2, report: (error) => reported.push(error) });
      await backend.set('a', 1);
      trouble.only = ['write'];
      trouble.fail();
      await backend.close();
      expect(reported.map(({ message }) => message)).to.deep.equal([
        'lru: the order of keys was not saved: the engine is down',
      ]);
    });
  });

  describe('between runs', () => {
    const opened = (folder: string, max: number, options: Partial<LruOptions> = {}) =>
      lru(encoded(folders.open(folder), json<unknown>()), { max, ...options });

    it('keeps the order of use', async () => {
      const folder = folders.make();
      const first = opened(folder, 3);
      for (const key of ['a', 'b', 'c']) await first.set(key, 1);
      await first.get('a');
      await first.close();
      const second = opened(folder, 3);
      await second.set('d', 1);
      expect(await sortedKeys(second)).to.deep.equal(['a', 'c', 'd']);
      await second.close();
    });

    it('removes the surplus when max is smaller than before', async () => {
      const folder = folders.make();
      const first = opened(folder, 10);
      for (let index = 0; index < 10; index++) await first.set(`k${index}`, 1);
      await first.get('k0');
      await first.close();
      const second = opened(folder, 3);
      await second.open();
      expect(filesIn(folder)).to.have.length(3);
      expect(await sortedKeys(second)).to.deep.equal(['k0', 'k8', 'k9']);
      await second.close();
    });

    it('takes what the saved order does not name as used last', async () => {
      const folder = folders.make();
      const first = opened(folder, 10);
      for (const key of ['a', 'b']) await first.set(key, 1);
      await first.close();
      // As after a crash: the entry is there, its place in the order is not.
      const plain = encoded(folders.open(folder), json<unknown>());
      await plain.set('c', 1);
      await plain.delete('b');
      const second = opened(folder, 2);
      await second.set('d', 1);
      expect(await sortedKeys(second)).to.deep.equal(['c', 'd']);
      await second.close();
    });

    it('saves the order once in a while', async () => {
      const { backend, inner } = held(3, { saveEvery: 5 });
      await backend.set('a', 1);
      await backend.set('b', 1);
      for (let waited = 0; waited < 200 && !(await inner.has('_keepsake-lru')); waited++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(await inner.get('_keepsake-lru')).to.deep.equal(['a', 'b']);
      expect(await sortedKeys(backend)).to.deep.equal(['a', 'b']);
      await backend.close();
    });

    it('begins anew where the saved order cannot be understood, and says so', async () => {
      for (const damaged of ['{"cut', '{}', '[1]']) {
        const folder = folders.make();
        const inner = folders.open(folder);
        await inner.set('_keepsake-lru', damaged);
        await inner.set('a', '1');
        const reported: KeepsakeError[] = [];
        const backend = lru(folders.open(folder), { max: 1, report: (error) => reported.push(error) });
        expect(await all(backend.keys())).to.deep.equal(['a']);
        expect(reported[0]?.message).to.include('the order of keys is lost');
        await backend.close();
      }
    });

    it('keeps the order elsewhere when told so', async () => {
      const folder = folders.make();
      const order = memory();
      const backend = lru(folders.open(folder), { max: 2, order, saveEvery: 1 });
      await backend.set('_keepsake-lru', 'mine');
      await backend.set('ka', 'x');
      const saved = async () => ((await order.get('_keepsake-lru')) as string[] | undefined)?.length;
      for (let waited = 0; waited < 200 && (await saved()) !== 2; waited++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(await order.get('_keepsake-lru')).to.deep.equal(['_keepsake-lru', 'ka']);
      expect(await backend.count()).to.equal(2);
      await backend.close();
      expect(await folders.open(folder).count()).to.equal(2);
    });
  });

  it('shows nothing of the entry that holds the order, and takes its key as any other', async () => {
    const { backend, inner } = held(10);
    const keys = [
      '_keepsake-lru',
      '_keepsake-lru-',
      '_keepsake-lru-_keepsake-lru',
      '_keepsake-lr',
      '_keepsake-lru2',
      '_',
      'a',
    ];
    await backend.setMany(keys.map((key, index) => [key, index] as const));
    await inner.set('_keepsake-lru', ['a']);
    expect(await sortedKeys(backend)).to.deep.equal([...keys].sort());
    expect(await backend.getMany(keys)).to.deep.equal(keys.map((_, index) => index));
    for (const prefix of ['', '_', '_keepsake-lru', '_keepsake-lru-', '_keepsake-lru-_', 'a', 'b']) {
      const expected = keys.filter((key) => key.startsWith(prefix)).sort();
      expect((await all(backend.keys({ prefix }))).sort(), prefix).to.deep.equal(expected);
      expect(await backend.count({ prefix }), prefix).to.equal(expected.length);
    }
    await backend.clear({ prefix: '_keepsake-lru-' });
    expect((await sortedKeys(backend)).length).to.equal(5);
    await backend.clear();
    expect(await backend.count()).to.equal(0);
  });

  it('refuses what makes no sense', () => {
    for (const max of [0, -1, 1.5, Number.NaN, '10']) {
      expect(() => lru(memory(), { max: max as number })).to.throw(RangeError, 'max must be a whole number from 1');
    }
    expect(() => lru(memory(), undefined as never)).to.throw(TypeError, 'options must be an object');
    expect(() => lru(memory(), { max: 1, order: {} as never })).to.throw(TypeError, 'order must be a Backend');
    expect(() => lru(memory(), { max: 1, saveEvery: 0 })).to.throw(RangeError, 'saveEvery');
    for (const backend of [new Backend(new BareDriver()), readOnly(memory()), writeOnly(memory())]) {
      expect(() => lru(backend as Backend<unknown>, { max: 1 })).to.throw(
        UnsupportedError,
        'lru needs a backend that is',
      );
    }
  });
});
