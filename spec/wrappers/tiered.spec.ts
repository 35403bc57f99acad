import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  Backend,
  encoded,
  files,
  json,
  type KeepsakeError,
  memory,
  randomChoice,
  readOnly,
  sharded,
  type TieredOptions,
  tiered,
  writeOnly,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { all, Folders, rejection, text } from '../support/folders.js';
import { Gates } from '../support/gates.js';
import { Half } from '../support/half.js';
import { Trouble } from '../support/trouble.js';

/** Two tiers in memory, each of which can be troubled; what goes wrong is collected. */
function two(options: TieredOptions & { near?: object } = {}) {
  const clock = new TestClock();
  const [near, far] = [memory<number>({ clock: clock.now }), memory<number>({ clock: clock.now })];
  const [nearTrouble, farTrouble] = [new Trouble(), new Trouble()];
  const reported: KeepsakeError[] = [];
  const { near: nearOptions = {}, ...rest } = options;
  const backend = tiered<number>([{ backend: nearTrouble.around(near), ...nearOptions }, farTrouble.around(far)], {
    report: (error) => reported.push(error),
    ...rest,
  });
  return { clock, near, far, nearTrouble, farTrouble, reported, backend };
}

describe('tiered', () => {
  describe('reading', () => {
    it('gives what the first tier has, without asking the next', async () => {
      const { backend, near, farTrouble } = two();
      await backend.open();
      await near.set('key', 1);
      expect(await backend.get('key')).to.equal(1);
      expect(farTrouble.calls).to.deep.equal([]);
    });

    it('stores what it finds in every tier before, which can be read and written', async () => {
      const tiers = [memory<number>(), memory<number>(), memory<number>(), memory<number>()] as const;
      const [first, replica, third, last] = tiers;
      const backend = tiered([first, readOnly(replica), third, last]);
      await last.set('key', 1);
      expect(await backend.get('key')).to.equal(1);
      expect(await Promise.all(tiers.map((tier) => tier.get('key')))).to.deep.equal([1, undefined, 1, 1]);
    });

    it('does the same with many at once, in the order asked', async () => {
      const { backend, near, far } = two();
      await near.set('a', 1);
      await far.setMany([
        ['b', 2],
        ['c', 3],
      ]);
      expect(await backend.getMany(['c', 'a', 'none', 'b', 'c'])).to.deep.equal([3, 1, undefined, 2, 3]);
      expect(await near.getMany(['a', 'b', 'c'])).to.deep.equal([1, 2, 3]);
    });

    it('lets a copy live as long as the entry, and no longer than maxTtl and the ttl of the tier allow', async () => {
      const clock = new TestClock();
      const at = (milliseconds: number) => clock.now() + milliseconds;
      const copies = async (options: { maxTtl?: string; ttl?: string }) => {
        const near = memory<number>({ clock: clock.now, ttl: options.ttl });
        const far = memory<number>({ clock: clock.now });
        const backend = tiered([{ backend: near, maxTtl: options.maxTtl }, far]);
        await far.set('short', 1, { ttl: 1000 });
        await far.set('never', 1);
        await backend.getMany(['short', 'never']);
        await backend.set('written', 1, { ttl: 5000 });
        await backend.set('for ever', 1);
        const keys = ['short', 'never', 'written', 'for ever'];
        return Promise.all(keys.map(async (key) => (await near.getEntry(key))?.expiresAt));
      };
      expect(await copies({})).to.deep.equal([at(1000), undefined, at(5000), undefined]);
      expect(await copies({ maxTtl: '3s' })).to.deep.equal([at(1000), at(3000), at(3000), at(3000)]);
      expect(await copies({ ttl: '3s' })).to.deep.equal([at(1000), at(3000), at(5000), at(3000)]);
      expect(await copies({ ttl: '3s', maxTtl: '2s' })).to.deep.equal([at(1000), at(2000), at(2000), at(2000)]);
    });

    it('tells deadline and version of the canonical tier, whatever the copies have', async () => {
      const { backend, near, far } = two({ near: { maxTtl: '1s' } });
      for (let time = 0; time < 5; time++) await near.set('other', time);
      await backend.set('key', 1, { ttl: '1h' });
      const entry = await backend.getEntry('key');
      expect(entry).to.deep.equal({ ...(await far.getEntry('key')) });
      expect(entry?.version).not.to.equal((await near.getEntry('key'))?.version);
      expect(await backend.set('key', 2, { if: { version: entry?.version ?? '' } })).to.equal(true);
      expect(await backend.get('key')).to.equal(2);
    });
  });

  describe('a slow reader', () => {
    const slow = () => {
      const gates = new Gates();
      const [near, far] = [memory<number>(), memory<number>()];
      return { gates, near, far, backend: tiered([near, gates.around(far)]) };
    };

    it('does not put back what was overwritten meanwhile', async () => {
      const { gates, near, far, backend } = slow();
      await far.set('key', 1);
      gates.hold('read');
      const reading = backend.get('key');
      await gates.reached('read');
      await backend.set('key', 2);
      // The copy goes, as copies do, so that nothing but the rule keeps the old value out.
      await near.delete('key');
      gates.open('read');
      expect(await reading).to.equal(1);
      expect(await near.get('key')).to.equal(undefined);
      expect(await backend.get('key')).to.equal(2);
    });

    for (const [what, change] of Object.entries<(backend: Backend<number>) => Promise<unknown>>({
      delete: (backend) => backend.delete('key'),
      deleteMany: (backend) => backend.deleteMany(['key']),
      clear: (backend) => backend.clear(),
      setMany: (backend) => backend.setMany([['key', 2]]),
      update: (backend) => backend.update('key', () => 2),
      increment: (backend) => backend.increment('key'),
      touch: (backend) => backend.touch('key', 1000),
    })) {
      it(`does not put back what ${what} has changed`, async () => {
        const { gates, near, far, backend } = slow();
        await far.set('key', 1);
        for (const read of [() => backend.get('key'), () => backend.getMany(['key'])]) {
          gates.hold('read', 'readMany');
          const reading = read();
          await gates.reached('read', 'readMany');
          gates.pass();
          await change(backend);
          await near.delete('key');
          gates.open('read', 'readMany');
          await reading;
          expect(await near.has('key'), 'a copy of the past').to.equal(false);
          await far.set('key', 1);
        }
      });
    }

    it('that begins while the key is being changed stores nothing either', async () => {
      const { gates, near, far, backend } = slow();
      await far.set('key', 1);
      gates.hold('write');
      const writing = backend.set('key', 2);
      await gates.reached('write');
      gates.hold('read');
      const reading = backend.get('key');
      await gates.reached('read');
      gates.open('write');
      await writing;
      await near.delete('key');
      gates.open('read');
      await reading;
      expect(await near.has('key')).to.equal(false);
    });

    it('keeps nobody from storing what was not changed', async () => {
      const { gates, near, far, backend } = slow();
      await far.set('key', 1);
      gates.hold('read');
      const reading = backend.get('key');
      await gates.reached('read');
      await backend.set('other', 2);
      gates.open('read');
      await reading;
      expect(await near.get('key')).to.equal(1);
    });
  });

  describe('writing', () => {
    it('begins with the canonical tier, and goes on to the others', async () => {
      const order: string[] = [];
      const noted = (name: string) => {
        const trouble = new Trouble();
        const push = trouble.calls.push.bind(trouble.calls);
        trouble.calls.push = (...calls) => {
          for (const call of calls) if (call !== 'open') order.push(`${call} ${name}`);
          return push(...calls);
        };
        return trouble.around(memory<number>());
      };
      const backend = tiered([noted('a'), writeOnly(noted('b')), noted('c')]);
      await backend.set('key', 1);
      await backend.delete('key');
      expect(order).to.deep.equal(['write c', 'write b', 'write a', 'remove c', 'remove b', 'remove a']);
    });

    it('decides conditions by the canonical tier, and leaves the others as they are where it is not met', async () => {
      const { backend, near, far } = two();
      await far.set('key', 1);
      expect(await backend.set('key', 2, { if: 'absent' })).to.equal(false);
      expect(await near.has('key')).to.equal(false);
      expect(await backend.set('key', 2, { if: 'present' })).to.equal(true);
      expect(await near.get('key')).to.equal(2);
    });

    it('loses no update and no step of many callers, and shows each', async () => {
      const { backend } = two();
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          await backend.update('a', (current) => (current ?? 0) + 1);
          await backend.get('a');
          await backend.increment('b');
          if (index % 5 === 0) await backend.get('b');
        }),
      );
      expect(await backend.getMany(['a', 'b'])).to.deep.equal([50, 50]);
    });

    it('lets the last of many concurrent writers win in every tier', async () => {
      const gates = new Gates();
      const [near, far] = [memory<number>(), memory<number>()];
      const backend = tiered([gates.around(near), far]);
      gates.hold('write');
      const writes = [1, 2, 3].map((value) => backend.set('key', value));
      await gates.reached('write');
      gates.open('write');
      await Promise.all(writes);
      expect([await near.get('key'), await far.get('key')]).to.deep.equal([3, 3]);
    });

    it('lets update read the key that it updates', async () => {
      const { backend, far } = two();
      await far.set('key', 1);
      expect(
        await backend.update('key', async (current) => (current ?? 0) + ((await backend.get('key')) ?? 0)),
      ).to.equal(2);
      const archived = tiered([memory<number>(), memory<number>(), readOnly(far)]);
      const doubled = archived.update('key', async (current) => {
        expect((await archived.getEntry('key'))?.value).to.equal(2);
        return (current ?? 0) * 2;
      });
      expect(await doubled).to.equal(4);
    });

    it('takes the defaults of the canonical tier', async () => {
      const clock = new TestClock();
      const near = memory<number>({ clock: clock.now });
      const backend = tiered([near, memory<number>({ clock: clock.now, ttl: '1m' })]);
      await backend.set('key', 1);
      expect((await near.getEntry('key'))?.expiresAt).to.equal(clock.now() + 60_000);
      await backend.set('key', 1, { ttl: null });
      expect((await backend.getEntry('key'))?.expiresAt).to.equal(undefined);
    });
  });

  describe('over a replica, a master, one of eight, and an archive', () => {
    const folders = new Folders();
    after(() => folders.clearAway());

    it('loses nothing', async () => {
      const one = folders.open(folders.make());
      const master = folders.open(folders.make());
      const shared = folders.make();
      const eight = Array.from({ length: 8 }, () => folders.open(shared, { shared: true }));
      const archive = folders.open(folders.make());
      const backend = tiered([readOnly(one), writeOnly(master), randomChoice(eight), archive]);
      await one.set('replicated', 'from the replica');
      expect(Buffer.from((await backend.get('replicated')) ?? []).toString()).to.equal('from the replica');
      const values = Array.from({ length: 40 }, (_, index) => [`key ${index}`, `value ${index}`] as const);
      for (const [key, value] of values) await backend.set(key, value);
      expect(await all(one.keys()), 'nothing is written to the replica').to.deep.equal(['replicated']);
      for (const member of [master, eight[0] as Backend, archive]) {
        const held = await member.getMany(values.map(([key]) => key));
        expect(held.map((value) => Buffer.from(value ?? []).toString())).to.deep.equal(
          values.map(([, value]) => value),
        );
      }
      for (const [key, value] of values) expect(Buffer.from((await backend.get(key)) ?? []).toString()).to.equal(value);
      expect(await backend.count()).to.equal(40);
      expect(await backend.deleteMany(['key 0', 'key 1'])).to.equal(2);
      expect(await backend.getMany(['key 0', 'key 1'])).to.deep.equal([undefined, undefined]);
      expect(await master.has('key 0')).to.equal(false);
      // The canonical tier promises within this process only.
      expect(backend.capabilities).to.include({ update: 'process', persistent: true, readable: true, writable: true });
    });
  });

  describe('with an archive that is only read', () => {
    const archived = async () => {
      const [near, kept, archive] = [memory<number>(), memory<number>(), memory<number>()];
      await archive.set('old', 1);
      return { near, kept, archive, backend: tiered([near, kept, readOnly(archive)]) };
    };

    it('shows and lists what is there only, and copies what was read', async () => {
      const { kept, backend } = await archived();
      await backend.set('new', 2);
      expect((await all(backend.keys())).sort()).to.deep.equal(['new', 'old']);
      expect(await backend.count()).to.equal(2);
      expect(await backend.get('old')).to.equal(1);
      expect(await kept.get('old')).to.equal(1);
      await backend.set('old', 3);
      expect((await all(backend.entries())).sort()).to.deep.equal([
        ['new', 2],
        ['old', 3],
      ]);
    });

    it('lets conditions and changes see what is there only', async () => {
      for (const [change, expected] of [
        [async (backend: Backend<number>) => backend.set('old', 9, { if: 'absent' }), [false, 1]],
        [async (backend: Backend<number>) => backend.set('old', 9, { if: 'present' }), [true, 9]],
        [async (backend: Backend<number>) => backend.update('old', (value) => (value ?? 0) + 10), [11, 11]],
        [async (backend: Backend<number>) => (await backend.increment('old', 4)).value, [5, 5]],
        [async (backend: Backend<number>) => backend.touch('old', '1h'), [true, 1]],
      ] as const) {
        const { backend } = await archived();
        expect([await change(backend), await backend.get('old')]).to.deep.equal(expected);
      }
      const { backend } = await archived();
      const entry = await backend.getEntry('old');
      expect(await backend.set('old', 7, { if: { version: entry?.version ?? '' } })).to.equal(true);
    });

    it('shows again what was deleted before it', async () => {
      const { backend } = await archived();
      await backend.set('old', 2);
      expect(await backend.delete('old')).to.equal(true);
      expect(await backend.get('old')).to.equal(1);
    });
  });

  describe('a tier in front', () => {
    it('that is down for reads is passed over, and reported', async () => {
      const { backend, far, nearTrouble, reported } = two();
      await far.set('key', 1);
      nearTrouble.fail();
      expect(await backend.get('key')).to.equal(1);
      expect(await backend.getMany(['key', 'none'])).to.deep.equal([1, undefined]);
      expect(await backend.has('none')).to.equal(false);
      expect(reported[0]?.message).to.include(
        'memory, a tier, failed to read "key" and was passed over: the engine is down',
      );
      nearTrouble.end();
      expect(await backend.get('key')).to.equal(1);
    });

    it('that takes no write makes the write reject, and is not asked until it has forgotten the key', async () => {
      const { backend, clock, near, far, nearTrouble } = two();
      await backend.set('key', 1);
      nearTrouble.fail();
      for (const change of [() => backend.set('key', 2), () => backend.delete('key'), () => backend.set('key', 3)]) {
        const error = await rejection(change());
        expect(error).to.include({ code: 'KEEPSAKE_STORAGE', key: 'key', retryable: true });
        expect(error.message).to.include('memory has the change of "key", but memory did not take it');
      }
      expect(await far.get('key')).to.equal(3);
      expect(await near.get('key'), 'it still holds the past').to.equal(1);
      nearTrouble.end();
      nearTrouble.only = ['removeMany', 'remove'];
      nearTrouble.fail();
      expect(await backend.get('key')).to.equal(3);
      expect(await backend.get('key')).to.equal(3);
      nearTrouble.end();
      clock.advance(1000);
      expect(await backend.get('key')).to.equal(3);
      await new Promise(setImmediate);
      expect(await near.has('key'), 'it was repaired').to.equal(false);
      expect(await backend.get('key')).to.equal(3);
      expect(await near.get('key')).to.equal(3);
    });

    it("that takes no write is not asked, and the write resolves, with onFailure: 'bypass'", async () => {
      for (const options of [{ onFailure: 'bypass' }, { near: { onFailure: 'bypass' } }] as const) {
        const { backend, near, nearTrouble, reported } = two(options);
        await backend.set('key', 1);
        nearTrouble.fail();
        expect(await backend.set('key', 2)).to.equal(true);
        expect(reported.length).to.be.greaterThan(0);
        nearTrouble.only = ['remove', 'removeMany'];
        expect(await backend.get('key')).to.equal(2);
        expect(await backend.getMany(['key'])).to.deep.equal([2]);
        expect(await near.get('key')).to.equal(1);
        nearTrouble.end();
        await backend.set('key', 3);
        expect(await near.get('key'), 'a write that it takes puts it right').to.equal(3);
        expect(await backend.get('key')).to.equal(3);
      }
    });

    it('that is put right while it misses another change stays in doubt', async () => {
      const [gates, half, trouble] = [new Gates(), new Half(), new Trouble()];
      const near = memory<number>();
      const backend = tiered([trouble.around(half.around(gates.around(near))), memory<number>()], {
        onFailure: 'bypass',
        report: () => undefined,
      });
      await backend.set('key', 1);
      trouble.fail();
      await backend.set('key', 2);
      trouble.end();
      gates.hold('remove');
      expect(await backend.get('key')).to.equal(2);
      await gates.reached('remove');
      gates.pass();
      // The tier takes this one, and nothing after it.
      half.lost = ['write', 'remove'];
      trouble.only = ['remove', 'removeMany'];
      trouble.fail();
      await backend.set('key', 3);
      trouble.only = [];
      await backend.set('key', 4);
      expect(await near.get('key')).to.equal(3);
      trouble.end();
      half.lost = [];
      gates.open('remove');
      await new Promise(setImmediate);
      expect(await backend.get('key')).to.equal(4);
    });

    it('that takes no writes but forgets the key makes no write reject', async () => {
      const { backend, near, nearTrouble, reported } = two();
      await backend.set('key', 1);
      nearTrouble.only = ['write', 'writeMany'];
      nearTrouble.fail();
      expect(await backend.set('key', 2)).to.equal(true);
      await backend.setMany([['key', 3]]);
      expect(await near.has('key')).to.equal(false);
      expect(await backend.get('key')).to.equal(3);
      expect(reported.map(({ message }) => message)[0]).to.include('did not take a change: the engine is down');
    });

    it('that has no room for a value forgets the one before', async () => {
      const near = memory<string>({ maxBytes: 20 });
      const backend = tiered([near, memory<string>()], { report: () => undefined });
      await backend.set('key', 'small');
      expect(await backend.set('key', 'x'.repeat(100))).to.equal(true);
      expect(await backend.get('key')).to.equal('x'.repeat(100));
      expect(await near.has('key')).to.equal(false);
    });

    it('that cannot be cleared is not asked at all until it can', async () => {
      const { backend, clock, near, far, nearTrouble } = two({ onFailure: 'bypass' });
      await backend.setMany([
        ['a', 1],
        ['b', 2],
      ]);
      nearTrouble.fail();
      await backend.clear();
      expect(await backend.getMany(['a', 'b'])).to.deep.equal([undefined, undefined]);
      nearTrouble.end();
      clock.advance(1000);
      expect(await backend.get('b')).to.equal(undefined);
      await new Promise(setImmediate);
      expect(await near.count()).to.equal(0);
      await far.set('c', 3);
      await backend.get('c');
      expect(await near.get('c')).to.equal(3);
    });

    it('that cannot be opened is passed over for reads', async () => {
      const { backend, far, nearTrouble } = two();
      nearTrouble.only = ['open'];
      nearTrouble.fail();
      await far.set('key', 1);
      expect(await backend.get('key')).to.equal(1);
      expect((await rejection(backend.set('key', 2))).message).to.include('the engine is down');
      nearTrouble.end();
      expect(await backend.set('key', 2)).to.equal(true);
      expect(await backend.get('key')).to.equal(2);
    });

    it('that hangs is passed over after its own timeout', async () => {
      const trouble = new Trouble();
      const far = memory<number>();
      const slow = new Backend(trouble.around(memory<number>()).driver, { timeout: 20 });
      const backend = tiered([slow, far], { onFailure: 'bypass', report: () => undefined });
      await backend.set('key', 1);
      trouble.hangs = true;
      expect(await backend.get('key')).to.equal(1);
      expect(await backend.set('key', 2)).to.equal(true);
      trouble.end();
      expect(await backend.get('key')).to.equal(2);
    });

    it('that holds what cannot be read is passed over, and keeps it until the key is written', async () => {
      const folders = new Folders();
      const folder = folders.make();
      const reported: KeepsakeError[] = [];
      const near = encoded(files(folder, { extension: '.json', durability: 'none' }), json<number>());
      const backend = tiered([near, memory<number>()], { report: (error) => reported.push(error) });
      await backend.set('key', 1);
      const [file = ''] = readdirSync(folder).filter((name) => name.startsWith('key'));
      writeFileSync(`${folder}/${file}`, '{"cut');
      expect(await backend.get('key')).to.equal(1);
      expect(reported[0]?.message).to.include('cannot be read as json');
      expect((await rejection(near.get('key'))).code).to.equal('KEEPSAKE_CORRUPT_DATA');
      await backend.set('key', 2);
      expect(await near.get('key')).to.equal(2);
      await backend.close();
      await folders.clearAway();
    });

    it('is reported by one process warning a minute', async () => {
      const warnings: string[] = [];
      const listen = (warning: Error) => void warnings.push(warning.message);
      process.on('warning', listen);
      const trouble = new Trouble();
      const backend = tiered([trouble.around(memory<number>()), memory<number>()]);
      trouble.fail();
      for (let time = 0; time < 10; time++) await backend.get('key');
      await new Promise(setImmediate);
      process.off('warning', listen);
      expect(warnings.filter((message) => message.includes('a tier'))).to.have.length(1);
    });
  });

  describe('a tier on a disk of 256 KB', () => {
    const folders = new Folders();
    let disk: string;
    const mount = (...options: string[]) => execFileSync('mount', [...options, disk], { stdio: 'pipe' });

    beforeEach(function () {
      disk = folders.make();
      try {
        mount('-t', 'tmpfs', '-o', 'size=256k', 'tmpfs');
      } catch {
        console.warn('      skipped: mounting a small disk needs root on Linux; run the specs as root to include it');
        disk = '';
        this.skip();
      }
    });

    afterEach(async () => {
      if (disk !== '') execFileSync('umount', ['-l', disk]);
      await folders.clearAway();
    });

    const opened = (options: TieredOptions = {}) => {
      const near = folders.open(`${disk}/data`);
      const far = folders.open(folders.make());
      return { near, far, backend: tiered([near, far], { report: () => undefined, ...options }) };
    };

    it('in front forgets what it has no room for', async () => {
      const { backend, near } = opened();
      await backend.set('key', 'old');
      const large = 'x'.repeat(300_000);
      expect(await backend.set('key', large)).to.equal(true);
      expect(await text(backend, 'key')).to.equal(large);
      expect(await near.has('key')).to.equal(false);
    });

    it('in front, which has become read-only, is not asked for what it missed', async () => {
      for (const onFailure of ['throw', 'bypass'] as const) {
        const { backend, near, far } = opened({ onFailure });
        await backend.set('key', 'old');
        await backend.set('other', 'old');
        mount('-o', 'remount,ro');
        const writing = backend.set('key', 'new');
        if (onFailure === 'bypass') expect(await writing).to.equal(true);
        else expect((await rejection(writing)).message).to.include('did not take it');
        expect([await text(far, 'key'), await text(near, 'key')]).to.deep.equal(['new', 'old']);
        expect(await text(backend, 'key')).to.equal('new');
        expect(await text(backend, 'other')).to.equal('old');
        mount('-o', 'remount,rw');
        await backend.set('key', 'newer');
        expect([await text(backend, 'key'), await text(near, 'key')]).to.deep.equal(['newer', 'newer']);
      }
    });

    it('that decides, and is full or read-only, rejects, and nothing has changed', async () => {
      const near = memory<string>();
      const far = encoded(folders.open(`${disk}/data`), json<string>());
      const backend = tiered([near, far]);
      await backend.set('key', 'old');
      expect((await rejection(backend.set('key', 'x'.repeat(300_000)))).message).to.include('full');
      expect([await near.get('key'), await far.get('key')]).to.deep.equal(['old', 'old']);
      mount('-o', 'remount,ro');
      expect((await rejection(backend.set('key', 'new'))).code).to.equal('KEEPSAKE_STORAGE');
      expect([await near.get('key'), await far.get('key')]).to.deep.equal(['old', 'old']);
    });
  });

  describe('a mirror', () => {
    const mirrored = (options: TieredOptions = {}) => {
      const trouble = new Trouble();
      const [near, copy, far] = [memory<number>(), memory<number>(), memory<number>()];
      const backend = tiered([near, writeOnly(trouble.around(copy)), far], { report: () => undefined, ...options });
      return { near, copy, far, trouble, backend };
    };

    it('gets every change, whichever way it is made', async () => {
      const { backend, copy } = mirrored();
      await backend.set('a', 1);
      await backend.setMany([['b', 2]]);
      await backend.update('a', (value) => (value ?? 0) + 10);
      await backend.increment('b', 5);
      await backend.set('c', 3, { ttl: '1h' });
      await backend.touch('c', '2h');
      expect(await copy.getMany(['a', 'b', 'c'])).to.deep.equal([11, 7, 3]);
      expect((await copy.getEntry('c'))?.expiresAt).to.equal((await backend.getEntry('c'))?.expiresAt);
      await backend.deleteMany(['a', 'b']);
      expect(await all(copy.keys())).to.deep.equal(['c']);
    });

    it('that takes no write makes the write reject, and the copies are right all the same', async () => {
      const { backend, near, trouble } = mirrored();
      await backend.set('key', 1);
      trouble.fail();
      expect((await rejection(backend.set('key', 2))).message).to.include('did not take it: the engine is down');
      expect(await near.get('key')).to.equal(2);
      expect(await backend.get('key')).to.equal(2);
    });

    it("that takes no write is left behind with onFailure: 'bypass'", async () => {
      const { backend, copy, trouble } = mirrored({ onFailure: 'bypass' });
      await backend.set('key', 1);
      trouble.fail();
      expect(await backend.set('key', 2)).to.equal(true);
      expect(await copy.get('key')).to.equal(1);
      expect(await backend.get('key')).to.equal(2);
    });
  });

  describe('the canonical tier', () => {
    it('that fails rejects the write, and leaves the copies as they are', async () => {
      const { backend, near, farTrouble } = two();
      await backend.set('key', 1);
      farTrouble.fail();
      for (const change of [() => backend.set('key', 2), () => backend.delete('key'), () => backend.increment('key')]) {
        expect((await rejection(change())).message).to.include('the engine is down');
      }
      expect(await near.get('key')).to.equal(1);
      expect(await backend.get('key'), 'copies still serve').to.equal(1);
    });

    it('that may have done a part of many lets the copies forget all of them', async () => {
      const { backend, near, far, farTrouble } = two();
      await backend.setMany([
        ['a', 1],
        ['b', 1],
      ]);
      farTrouble.only = ['write', 'writeMany', 'removeMany', 'clear'];
      farTrouble.fail();
      await rejection(
        backend.setMany([
          ['a', 2],
          ['b', 2],
        ]),
      );
      expect(await near.count()).to.equal(0);
      await far.set('a', 2);
      expect(await backend.getMany(['a', 'b'])).to.deep.equal([2, 1]);
      await rejection(backend.clear());
      expect(await near.count()).to.equal(0);
    });

    it('that is down rejects reads of what no copy has: a failure is no miss', async () => {
      const { backend, farTrouble } = two();
      await backend.set('copied', 1);
      farTrouble.fail();
      expect(await backend.get('copied')).to.equal(1);
      for (const read of [
        () => backend.get('other'),
        () => backend.getMany(['copied', 'other']),
        () => backend.getEntry('copied'),
        () => backend.count(),
        () => all(backend.keys()),
      ]) {
        expect((await rejection(read())).code).to.equal('KEEPSAKE_STORAGE');
      }
    });

    it('that is down with all the others rejects', async () => {
      const { backend, nearTrouble, farTrouble } = two();
      nearTrouble.fail();
      farTrouble.fail();
      expect((await rejection(backend.get('key'))).message).to.include('the engine is down');
    });

    it('that times out lets the copies forget the key, since it may have taken the write', async () => {
      const trouble = new Trouble();
      const [near, far] = [memory<number>(), memory<number>()];
      const bounded = new Backend(trouble.around(far).driver, { timeout: 20 });
      const backend = tiered<number>([near, bounded]);
      await backend.set('key', 1);
      trouble.hangs = true;
      expect((await rejection(backend.set('key', 2))).code).to.equal('KEEPSAKE_TIMEOUT');
      expect(await near.has('key')).to.equal(false);
    });
  });

  describe('an archive behind the canonical tier', () => {
    it('that is down rejects reads of what nobody else has', async () => {
      const trouble = new Trouble();
      const backend = tiered([memory<number>(), readOnly(trouble.around(memory<number>()))]);
      await backend.set('key', 1);
      trouble.fail();
      expect(await backend.get('key')).to.equal(1);
      expect((await rejection(backend.get('other'))).message).to.include('the engine is down');
      expect(await backend.set('key', 2)).to.equal(true);
    });
  });

  it('claims what the canonical tier does', () => {
    const claimed = { ...memory().capabilities, setMany: 'none' };
    expect(tiered([memory(), memory()]).capabilities).to.deep.equal(claimed);
    expect(tiered([memory(), readOnly(memory())]).capabilities).to.include({ update: 'process', writable: true });
    expect(tiered([readOnly(memory()), writeOnly(memory())]).capabilities).to.include({
      update: 'none',
      conditionalSet: 'none',
      readable: true,
      writable: true,
    });
    expect(tiered([readOnly(memory()), readOnly(memory())]).capabilities).to.include({ writable: false });
    expect(tiered([writeOnly(memory())]).capabilities).to.include({ readable: false, enumerable: false });
  });

  it('says in its name what it is made of', () => {
    expect(tiered([memory(), readOnly(memory())]).name).to.equal('tiers memory, read-only memory');
  });

  it('closes what it is made of, and ends what is under way', async () => {
    const [near, far] = [memory<number>(), memory<number>()];
    const backend = tiered([near, sharded({ a: far, b: memory<number>() })]);
    const writes = Array.from({ length: 20 }, (_, index) => backend.set(`k${index}`, index));
    await writes[0];
    await backend.close();
    await Promise.all(writes);
    expect((await rejection(far.get('key'))).code).to.equal('KEEPSAKE_CLOSED');
    expect((await rejection(near.get('key'))).code).to.equal('KEEPSAKE_CLOSED');
  });

  it('refuses what makes no sense', () => {
    const wrong = (make: () => unknown, message: string) => expect(make).to.throw(TypeError, message);
    wrong(() => tiered([]), 'at least one');
    wrong(() => tiered('memory' as never), 'a list of at least one backend');
    wrong(() => tiered([{ backend: {} as never }]), 'must be a Backend');
    wrong(() => tiered([{ backend: memory(), ttl: 1 } as never]), 'there is no option "ttl"');
    wrong(() => tiered([memory(), files('./nowhere') as never]), 'all members must hold bytes, or all objects');
    wrong(() => tiered([memory()], { onFailure: 'ignore' as never }), "'throw' or 'bypass'");
    wrong(() => tiered([memory(), { backend: memory(), maxTtl: '1m' }]), 'maxTtl is for the tiers before');
    wrong(() => tiered([memory(), { backend: memory(), onFailure: 'bypass' }]), 'must reject');
    wrong(() => tiered([memory()], { unknown: 1 } as never), 'there is no option "unknown"');
    expect(() => tiered([{ backend: memory(), maxTtl: -1 }, memory()])).to.throw(RangeError);
  });
});
