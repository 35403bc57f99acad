import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { files, mapKeys, memory, observed, readOnly, UnsupportedError, volatile, writeOnly } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { MinimalDriver } from '../support/drivers.js';
import { all, Folders, rejection } from '../support/folders.js';

describe('readOnly', () => {
  it('reads and lists what is there, and discards writes', async () => {
    const inner = memory<number>();
    await inner.set('a', 1);
    const backend = readOnly(inner);
    expect(await backend.set('a', 2)).to.equal(false);
    expect(await backend.delete('a')).to.equal(false);
    await backend.setMany([['b', 2]]);
    expect(await backend.deleteMany(['a'])).to.equal(0);
    await backend.clear();
    expect(await all(backend.entries())).to.deep.equal([['a', 1]]);
    expect(await inner.count()).to.equal(1);
    expect(backend.capabilities).to.include({ writable: false, readable: true, update: 'none', touch: 'none' });
  });

  it('rejects writes when told to', async () => {
    const backend = readOnly(memory<number>(), { writes: 'throw' });
    for (const write of [
      () => backend.set('a', 1),
      () => backend.delete('a'),
      () => backend.setMany([['a', 1]]),
      () => backend.deleteMany(['a']),
      () => backend.clear(),
    ]) {
      const error = await rejection(write());
      expect(error).to.be.instanceOf(UnsupportedError);
      expect(error.message).to.include('read-only memory takes no writes');
    }
  });

  it('refuses what would change entries step by step', async () => {
    const backend = readOnly(memory<number>());
    for (const change of [
      () => backend.update('a', () => 1),
      () => backend.increment('a'),
      () => backend.touch('a', '1h'),
      () => backend.get('a', { renewFor: '1h' }),
      () => backend.set('a', 1, { if: 'absent' }),
      () => backend.delete('a', { if: { version: '1' } }),
    ]) {
      expect((await rejection(change())).code).to.equal('KEEPSAKE_UNSUPPORTED');
    }
  });

  it('knows its options', () => {
    expect(() => readOnly(memory(), { writes: 'ignore' as never })).to.throw(TypeError, /'discard' or 'throw'/);
    expect(() => readOnly(memory(), { write: 'throw' } as never)).to.throw(TypeError, /no option "write"/);
  });
});

describe('writeOnly', () => {
  it('writes, deletes and clears, and shows nothing', async () => {
    const inner = memory<number>();
    const backend = writeOnly(inner);
    expect(await backend.set('a', 1)).to.equal(true);
    await backend.setMany([
      ['b', 2],
      ['c', 3],
    ]);
    expect(await backend.get('a')).to.equal(undefined);
    expect(await backend.getMany(['a', 'b'])).to.deep.equal([undefined, undefined]);
    expect(await backend.has('a')).to.equal(false);
    expect(await backend.count()).to.equal(0);
    expect(await all(backend)).to.deep.equal([]);
    expect(await backend.page()).to.deep.equal({ keys: [] });
    expect(await inner.count()).to.equal(3);
    expect(await backend.delete('a')).to.equal(true);
    expect(await backend.delete('a')).to.equal(false);
    expect(await backend.deleteMany(['b'])).to.equal(1);
    await backend.clear();
    expect(await inner.count()).to.equal(0);
  });

  it('clears also what cannot clear by itself', async () => {
    const inner = new (await import('keepsake')).Backend(new MinimalDriver());
    const backend = writeOnly(inner);
    await backend.set('a', 'x');
    await backend.clear();
    expect(await inner.has('a')).to.equal(false);
  });

  it('takes conditions, and refuses what would tell the value', async () => {
    const inner = memory<number>();
    const backend = writeOnly(inner);
    expect(await backend.set('a', 1, { if: 'absent' })).to.equal(true);
    expect(await backend.set('a', 2, { if: 'absent' })).to.equal(false);
    expect((await rejection(backend.update('a', () => 1))).code).to.equal('KEEPSAKE_UNSUPPORTED');
    expect((await rejection(backend.increment('n'))).code).to.equal('KEEPSAKE_UNSUPPORTED');
  });

  it('renews without telling', async () => {
    const clock = new TestClock();
    const inner = memory<number>({ clock: clock.now });
    const backend = writeOnly(inner);
    await backend.set('a', 1, { ttl: '1s' });
    expect(await backend.get('a', { renewFor: '1m' })).to.equal(undefined);
    clock.advance(2000);
    expect(await inner.get('a')).to.equal(1);
  });
});

describe('mapKeys', () => {
  const encode = (key: string) => `user/${key}`;
  const decode = (stored: string) => (stored.startsWith('user/') ? stored.slice(5) : undefined);

  it('stores under other keys, and lists its own alone', async () => {
    const inner = memory<number>();
    const backend = mapKeys(inner, { encode, decode });
    await inner.set('foreign', 0);
    await backend.set('ann', 1);
    await backend.set('bob', 2);
    expect((await all(inner.keys())).sort()).to.deep.equal(['foreign', 'user/ann', 'user/bob']);
    expect((await all(backend.keys())).sort()).to.deep.equal(['ann', 'bob']);
    expect(await all(backend.keys({ prefix: 'b' }))).to.deep.equal(['bob']);
    expect(await backend.count()).to.equal(2);
    await backend.clear({ prefix: 'a' });
    expect(await backend.count()).to.equal(1);
    await backend.clear();
    expect(await all(inner.keys())).to.deep.equal(['foreign']);
  });

  it('refuses a key that would become another', async () => {
    const backend = mapKeys(memory<number>(), { encode: (key) => key.toLowerCase(), decode: (stored) => stored });
    const error = await rejection(backend.set('Ann', 1));
    expect(error.code).to.equal('KEEPSAKE_INVALID_KEY');
    expect(error.message).to.include('"Ann" would be stored as "ann"');
    expect(await backend.set('ann', 1)).to.equal(true);
  });

  it('refuses a stored key that no backend takes', async () => {
    for (const wrong of ['', 'x'.repeat(1025), 5 as never]) {
      const backend = mapKeys(memory<number>(), { encode: () => wrong });
      expect((await rejection(backend.get('a'))).name, String(wrong)).to.match(/Error$/);
    }
  });

  it('cannot list without a way back', async () => {
    const backend = mapKeys(memory<number>(), { encode });
    expect(backend.capabilities.enumerable).to.equal(false);
    expect((await rejection(backend.count())).code).to.equal('KEEPSAKE_UNSUPPORTED');
  });

  it('knows its options', () => {
    expect(() => mapKeys(memory(), { encode: 'x' as never })).to.throw(TypeError, /encode must be a function/);
    expect(() => mapKeys(memory(), { encode, keyLimit: 2000 })).to.throw(RangeError, /keyLimit/);
  });
});

describe('volatile', () => {
  let clock: TestClock;
  beforeEach(() => {
    clock = new TestClock();
  });

  it('lets every entry live from its last write', async () => {
    const backend = volatile(memory<number>({ clock: clock.now }), { ttl: '10s' });
    await backend.set('a', 1);
    clock.advance(9_999);
    expect(await backend.get('a')).to.equal(1);
    await backend.set('a', 2);
    clock.advance(9_999);
    expect(await backend.get('a')).to.equal(2);
    clock.advance(1);
    expect(await backend.get('a')).to.equal(undefined);
  });

  it('never longer than its ttl, whatever a call asks for', async () => {
    const backend = volatile(memory<number>({ clock: clock.now }), { ttl: '10s' });
    await backend.set('longer', 1, { ttl: '1h' });
    await backend.set('shorter', 1, { ttl: '1s' });
    await backend.set('never', 1, { ttl: null });
    await backend.touch('never', null);
    await backend.update('updated', () => 1);
    await backend.increment('counted', 1, { ttl: '1h' });
    await backend.setMany([['many', 1]]);
    clock.advance(1_000);
    expect(await backend.has('shorter')).to.equal(false);
    clock.advance(9_000);
    expect(await backend.count()).to.equal(0);
  });

  it('leaves no file once a read has found it expired', async () => {
    const folders = new Folders();
    try {
      const inner = files(folders.make(), { clock: clock.now, durability: 'none' });
      const backend = volatile(inner, { ttl: '10s' });
      await backend.set('a', 'x');
      const path = inner.locate('a') ?? '';
      expect(existsSync(path)).to.equal(true);
      clock.advance(10_000);
      expect(await backend.get('a')).to.equal(undefined);
      expect(existsSync(path)).to.equal(false);
      await backend.close();
    } finally {
      await folders.clearAway();
    }
  });

  it('slides with every read, but not with a listing', async () => {
    const backend = volatile(memory<number>({ clock: clock.now }), { ttl: '10s', sliding: true });
    await backend.setMany([
      ['read', 1],
      ['many', 1],
      ['listed', 1],
    ]);
    for (let time = 0; time < 3; time++) {
      clock.advance(9_000);
      expect(await backend.get('read')).to.equal(1);
      expect(await backend.getMany(['many', 'missing'])).to.deep.equal([1, undefined]);
      await all(backend.entries());
    }
    expect((await all(backend.keys())).sort()).to.deep.equal(['many', 'read']);
  });

  it('slides only where the deadline can be moved', () => {
    const still = readOnly(memory());
    expect(() => volatile(still, { ttl: '1s', sliding: true })).to.throw(UnsupportedError, /needs touch/);
    expect(() => volatile(still, { ttl: 0 })).to.throw(RangeError, /positive and finite/);
    expect(() => volatile(still, {} as never)).to.throw(TypeError, /ttl/);
  });
});

describe('a wrapper', () => {
  it('has the defaults of what it is made of, unless it has its own', async () => {
    const clock = new TestClock();
    const inner = memory<number>({ clock: clock.now, ttl: '10s' });
    const same = observed(inner);
    const own = observed(inner, { ttl: '1h' });
    await same.set('same', 1);
    await own.set('own', 1);
    clock.advance(10_000);
    expect(await all(inner.keys())).to.deep.equal(['own']);
  });

  it('opens what it is made of at its first use, and closes it', async () => {
    const inner = memory<number>();
    const backend = readOnly(observed(inner));
    expect(inner.ready).to.equal(false);
    await backend.get('a');
    expect(inner.ready).to.equal(true);
    await backend.close();
    expect((await rejection(inner.get('a'))).code).to.equal('KEEPSAKE_CLOSED');
  });

  it('rejects when what it is made of is closed', async () => {
    const inner = memory<number>();
    const backend = readOnly(inner);
    await inner.close();
    expect((await rejection(backend.get('a'))).code).to.equal('KEEPSAKE_CLOSED');
  });
});
