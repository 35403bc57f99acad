import { expect } from 'chai';
import { Backend, files, memory } from 'keepsake';
import { unstorageDriver } from 'keepsake/unstorage';
import { createStorage, type Driver, prefixStorage, restoreSnapshot, type StorageValue, snapshot } from 'unstorage';
import { TestClock } from '../../support/clock.js';
import { FailingDriver } from '../../support/failing.js';
import { all, Folders, rejection } from '../../support/folders.js';
import { onEveryEngine, until } from '../../support/web.js';

/*
 * The first cases are those that unstorage 1.17 has for its own drivers (test/drivers/utils.ts), in our words.
 */
describe('unstorage over a driver', () => {
  onEveryEngine((backend) => {
    const made = () => {
      const driver: Driver = unstorageDriver({ backend: backend() });
      return createStorage({ driver });
    };

    it('begins empty', async () => {
      const storage = made();
      expect(await storage.hasItem('s1:a')).to.equal(false);
      expect(await storage.getItem('s2:a')).to.equal(null);
      expect(await storage.getItemRaw('s2:a')).to.equal(null);
      expect(await storage.getKeys()).to.deep.equal([]);
    });

    it('sets and gets items, by keys of every notation', async () => {
      const storage = made();
      await storage.setItem('s1:a', 'test_data');
      await storage.setItem('s2:a', 'test_data');
      await storage.setItem('s3:a?q=1', 'test_data');
      expect(await storage.hasItem('s1:a')).to.equal(true);
      expect(await storage.getItem('s1:a')).to.equal('test_data');
      expect(await storage.getItem('s3/a')).to.equal('test_data');
      expect(await storage.getItem('s3:a?q=2')).to.equal('test_data');
    });

    it('lists the keys, of a base exactly', async () => {
      const storage = made();
      for (const key of ['s1:a', 's2:a', 's3:a', 's1', 's11:a', 's1x', '%2F', '*:a']) await storage.setItem(key, 'x');
      expect((await storage.getKeys()).sort()).to.deep.equal([
        '%2F',
        '*:a',
        's1',
        's11:a',
        's1:a',
        's1x',
        's2:a',
        's3:a',
      ]);
      expect(await storage.getKeys('s1')).to.deep.equal(['s1:a']);
      expect(await storage.getKeys('*')).to.deep.equal(['*:a']);
      expect((await unstorageDriver({ backend: backend() }).getKeys('s1')).sort()).to.deep.equal(['s1:a']);
    });

    it('lists keys down to a depth', async () => {
      const storage = made();
      for (const key of ['a', 'a:b', 'a:b:c', 'd:e:f']) await storage.setItem(key, 'x');
      expect((await storage.getKeys(undefined, { maxDepth: 0 })).sort()).to.deep.equal(['a']);
      expect((await storage.getKeys('', { maxDepth: 1 })).sort()).to.deep.equal(['a', 'a:b']);
    });

    it('gets what it has, as the kind it was', async () => {
      const storage = made();
      const values = [{ json: 'works' }, [1, 'two', null], 5, 0, true, false, 'plain', '', '{"text":1'];
      for (const value of values) {
        await storage.setItem('key', value);
        expect(await storage.getItem('key')).to.deep.equal(value);
      }
      await storage.setItem('key', new Date(0) as never);
      expect(await storage.getItem('key')).to.equal('1970-01-01T00:00:00.000Z');
      await storage.setItem('key', null as never);
      expect(await storage.getItem('key')).to.equal(null);
    });

    it('keeps raw values', async () => {
      const storage = made();
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const raw of [bytes, bytes.buffer, new DataView(bytes.buffer), Buffer.from(bytes)]) {
        await storage.setItemRaw('raw', raw);
        expect(Buffer.from((await storage.getItemRaw<Uint8Array>('raw')) ?? '').equals(bytes)).to.equal(true);
      }
      await storage.setItemRaw('text', 'text');
      expect(Buffer.from((await storage.getItemRaw('text')) ?? '').toString()).to.equal('text');
    });

    it('gets and sets many', async () => {
      const storage = made();
      await storage.setItems<StorageValue>([
        { key: 't:1', value: 'test_data_t1' },
        { key: 't:2', value: 'test_data_t2' },
        { key: 't:3', value: { n: 3 }, options: { ttl: 60 } },
      ]);
      expect(await storage.getItems(['t:1', 't:2', { key: 't:3' }, 't:4'])).to.deep.equal([
        { key: 't:1', value: 'test_data_t1' },
        { key: 't:2', value: 'test_data_t2' },
        { key: 't:3', value: { n: 3 } },
        { key: 't:4', value: null },
      ]);
      expect((await backend().getEntry('t:3'))?.expiresAt).to.be.above(Date.now());
      expect((await backend().getEntry('t:1'))?.expiresAt).to.equal(undefined);
    });

    it('removes items, with what is meta of them', async () => {
      const storage = made();
      await storage.setItem('s1:a', 'x');
      await storage.setMeta('s1:a', { mtime: new Date(5), note: 'n' });
      expect(await storage.getMeta('s1:a')).to.include({ note: 'n' });
      expect(await storage.getKeys()).to.deep.equal(['s1:a']);
      await storage.removeItem('s1:a', { removeMeta: true });
      expect(await storage.hasItem('s1:a')).to.equal(false);
      expect(await backend().count()).to.equal(0);
      await storage.removeItem('s1:a');
    });

    it('clears a base exactly, and everything', async () => {
      const storage = made();
      for (const key of ['s1:a', 's1:b:c', 's1', 's11:a', 's2:a']) await storage.setItem(key, 'x');
      // A storage clears whole mounts only; drivers are asked for bases all the same.
      await unstorageDriver({ backend: backend() }).clear('s1');
      expect((await storage.getKeys()).sort()).to.deep.equal(['s1', 's11:a', 's2:a']);
      await storage.clear();
      expect(await storage.getKeys()).to.deep.equal([]);
    });

    it('is mounted beside others, prefixed, and copied', async () => {
      const storage = createStorage().mount('kept', unstorageDriver({ backend: backend() }));
      await storage.setItem('kept:a:b', 'x');
      await storage.setItem('elsewhere', 'y');
      expect(await all(backend().keys())).to.deep.equal(['a:b']);
      expect(await storage.getKeys('kept:a')).to.deep.equal(['kept:a:b']);
      const prefixed = prefixStorage(storage, 'kept:a');
      expect(await prefixed.getItem('b')).to.equal('x');
      expect(await prefixed.getKeys()).to.deep.equal(['b']);
      const taken = await snapshot(storage, 'kept');
      expect(taken).to.deep.equal({ 'a:b': 'x' });
      await restoreSnapshot(storage as never, { ...taken, c: 'z' }, 'kept');
      expect((await all(backend().keys())).sort()).to.deep.equal(['a:b', 'c']);
    });

    it('has items for so many seconds, and says how many are left', async () => {
      const driver = unstorageDriver({ backend: backend(), ttl: 60 });
      const storage = createStorage({ driver: driver as Driver });
      await storage.setItem('a', 'x');
      await storage.setItem('b', 'x', { ttl: 3600 });
      expect((await storage.getMeta('a')).ttl).to.be.within(30, 60);
      expect((await storage.getMeta('b')).ttl).to.be.within(3000, 3600);
      expect(await driver.getMeta('c')).to.equal(null);
      expect(await unstorageDriver({ backend: backend() }).getMeta('a')).to.have.property('ttl');
      await storage.setItem('a', 'x', { ttl: 0.001 });
      await until(async () => !(await storage.hasItem('a')));
      expect(await storage.getItem('a')).to.equal(null);
    });

    it('tells those who watch of what is changed through it, and stops', async () => {
      const storage = made();
      const told: string[] = [];
      const unwatch = await storage.watch((event, key) => {
        told.push(`${event} ${key}`);
      });
      await storage.setItem('s1:a', 'x');
      await storage.setItemRaw('s1:b', 'x');
      await storage.removeItem('s1:a');
      await until(() => told.includes('remove s1:a'));
      expect(new Set(told)).to.deep.equal(new Set(['update s1:a', 'update s1:b', 'remove s1:a']));
      await storage.setItems([{ key: 's2:a', value: 'x' }]);
      told.length = 0;
      await storage.clear();
      await until(() => told.includes('remove s2:a'));
      expect(new Set(told.filter((line) => !line.startsWith('update')))).to.deep.equal(
        new Set(['remove s1:b', 'remove s2:a']),
      );
      await unwatch();
      const before = told.length;
      await storage.setItem('s1:c', 'x');
      expect(told.slice(before).filter((line) => line.endsWith('s1:c'))).to.deep.equal([]);
      await storage.dispose();
    });
  });
});

describe('unstorageDriver', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  it('counts seconds by the clock of the backend', async () => {
    const clock = new TestClock();
    const driver = unstorageDriver({ backend: memory<unknown>({ clock: clock.now }) });
    await driver.setItem('a', 'x', { ttl: 2 });
    clock.advance(1500);
    expect(await driver.getMeta('a')).to.deep.equal({ ttl: 0.5 });
    clock.advance(500);
    expect(await driver.getItem('a')).to.equal(null);
    await driver.setItem('b', 'x');
    expect(await driver.getMeta('b')).to.deep.equal({});
  });

  it('tells of what others change, where the backend can', async () => {
    const folder = folders.make();
    const mine = folders.open(folder, { shared: true });
    const others = folders.open(folder, { shared: true });
    const storage = createStorage({ driver: unstorageDriver({ backend: mine }) });
    const told = new Set<string>();
    await storage.watch((event, key) => told.add(`${event} ${key}`));
    await others.set('a:b', 'x');
    await until(() => told.has('update a:b'));
    await others.delete('a:b');
    await until(() => told.has('remove a:b'));
    await storage.dispose();
  });

  it('stores JSON text as it is, to be read by anybody', async () => {
    const backend = files(folders.make(), { extension: '.json' });
    const storage = createStorage({ driver: unstorageDriver({ backend }) });
    await storage.setItem('users:ann', { name: 'Ann' });
    expect(Buffer.from((await backend.get('users:ann')) ?? '').toString()).to.equal('{"name":"Ann"}');
    await backend.close();
  });

  it('hands on failures, and never takes one for a missing item', async () => {
    const failing = new FailingDriver();
    failing.fate = () => 'before';
    const storage = createStorage({ driver: unstorageDriver({ backend: new Backend(failing) }) });
    const calls = [
      storage.getItem('a'),
      storage.getItemRaw('a'),
      storage.getItems(['a']),
      storage.hasItem('a'),
      storage.setItem('a', 'x'),
      storage.removeItem('a'),
      storage.getKeys(),
      storage.clear(),
    ];
    for (const call of calls) expect((await rejection(call)).code).to.equal('KEEPSAKE_STORAGE');
  });

  it('closes the backend when it is disposed of, only if it is told to', async () => {
    for (const closesBackend of [false, true]) {
      const backend = memory<unknown>();
      const storage = createStorage({ driver: unstorageDriver({ backend, closesBackend }) });
      await storage.setItem('a', 'x');
      await storage.dispose();
      const after = backend.get('a').then(
        () => 'open',
        (error) => error.code,
      );
      expect(await after).to.equal(closesBackend ? 'KEEPSAKE_CLOSED' : 'open');
    }
  });

  it('refuses options that are none', async () => {
    const backend = memory<unknown>();
    const invalid: [object, string][] = [
      [{}, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, base: 'a' }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, closesBackend: 1 }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, report: 1 }, 'KEEPSAKE_INVALID_ARGUMENT'],
      [{ backend, ttl: 0 }, 'KEEPSAKE_OUT_OF_RANGE'],
      [{ backend, ttl: '1h' }, 'KEEPSAKE_OUT_OF_RANGE'],
    ];
    for (const [options, code] of invalid) {
      expect(() => unstorageDriver(options as { backend: Backend<unknown> }))
        .to.throw(Error)
        .with.property('code', code);
    }
    expect((await rejection(unstorageDriver({ backend }).setItem('a', 'x', { ttl: -1 }))).code).to.equal(
      'KEEPSAKE_OUT_OF_RANGE',
    );
  });
});
