import { readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Backend, Field, type FilesOptions, Service, Store } from 'keepsake';
import { TestClock } from '../../support/clock.js';
import { all, Folders, rejection } from '../../support/folders.js';
import { WatchedFs } from '../../support/watched-fs.js';

const BULK_READS = ['slices', 'concurrent'] as const;

/** Longer than a name may be, so that its file is named by a hash. */
const LONG = 'k'.repeat(300);

describe('files, bulk reads', () => {
  const folders = new Folders();
  const fs = new WatchedFs();
  afterEach(async () => {
    fs.restore();
    await folders.clearAway();
  });

  /** A backend over a folder that has so many keys. */
  async function filled(count: number, options: FilesOptions): Promise<Backend> {
    const backend = folders.open(folders.make(), options);
    await backend.setMany(Array.from({ length: count }, (_, index) => [`user:${index}`, `value ${index}`]));
    return backend;
  }

  /** How many files are open at most while something is done. */
  async function mostOpen(work: () => Promise<unknown>): Promise<number> {
    let opened = 0;
    let most = 0;
    fs.watch('open', () => {
      opened++;
      most = Math.max(most, opened);
    });
    fs.watch('close', () => opened--);
    await work();
    fs.restore();
    return most;
  }

  for (const bulkReads of BULK_READS) {
    describe(`'${bulkReads}'`, () => {
      it('give every entry once, with its value', async () => {
        const backend = await filled(1500, { bulkReads });
        const entries = await all(backend.entries());
        expect(entries).to.have.length(1500);
        expect(new Map(entries.map(([key, value]) => [key, Buffer.from(value).toString()]))).to.deep.equal(
          new Map(Array.from({ length: 1500 }, (_, index) => [`user:${index}`, `value ${index}`])),
        );
        expect(await all(backend.values())).to.have.length(1500);
      });

      it('answer getMany in the order asked, with repeats and gaps', async () => {
        const backend = await filled(300, { bulkReads });
        const keys = Array.from({ length: 1000 }, (_, index) => `user:${(index * 7) % 400}`);
        const values = await backend.getMany(keys);
        const texts = values.map((value) => value && Buffer.from(value).toString());
        expect(texts).to.deep.equal(
          keys.map((key) => (Number(key.slice(5)) < 300 ? `value ${key.slice(5)}` : undefined)),
        );
      });

      it('give values that share no memory', async () => {
        const backend = await filled(3, { bulkReads });
        const values = [...(await all(backend.values())), ...(await backend.getMany(['user:0', 'user:1']))];
        expect(new Set(values.map((value) => value?.buffer)).size).to.equal(5);
      });

      it('give large values, empty ones, and those of keys that are too long for a name', async () => {
        const backend = folders.open(folders.make(), { bulkReads });
        const stored: [string, Buffer][] = [
          ['large', Buffer.alloc(400_000, 'x')],
          ['page', Buffer.alloc(16 * 1024, 'y')],
          ['empty', Buffer.alloc(0)],
          [LONG, Buffer.from('long')],
        ];
        await backend.setMany(stored);
        const found = new Map(await all(backend.entries()));
        for (const [key, value] of stored)
          expect(Buffer.from(found.get(key) ?? 'none').equals(value), key).to.equal(true);
        expect(found.size).to.equal(4);
        expect((await backend.getMany([LONG]))[0]).to.deep.equal(Uint8Array.from(Buffer.from('long')));
        expect((await all(backend.entries({ prefix: 'k' }))).map(([key]) => key)).to.deep.equal([LONG]);
        expect(await all(backend.entries({ prefix: 'kx' }))).to.deep.equal([]);
      });

      it('leave out what has expired', async () => {
        const clock = new TestClock();
        const backend = await filled(10, { bulkReads, clock: clock.now });
        await backend.set('user:3', 'for a while', { ttl: 1000 });
        expect(await all(backend.entries())).to.have.length(10);
        clock.advance(1000);
        expect(await all(backend.entries())).to.have.length(9);
        expect(await all(backend.keys())).to.have.length(9);
        expect(await backend.count()).to.equal(9);
        expect(await backend.getMany(['user:3'])).to.deep.equal([undefined]);
      });

      it('leave out and report what cannot be read, and give the others', async () => {
        const errors: Error[] = [];
        const backend = folders.open(folders.make(), { bulkReads, report: (error) => errors.push(error) });
        await backend.setMany(Array.from({ length: 200 }, (_, index) => [`user:${index}`, 'x']));
        const path = backend.locate('user:100') as string;
        writeFileSync(path, Buffer.from([0, 0x6b, 0x73, 0x70, 0x31, 1, 0]));
        expect(await all(backend.entries())).to.have.length(199);
        expect(errors.map(({ message }) => message).join()).to.include(path);
        expect(await rejection(backend.getMany(['user:1', 'user:100']))).to.include({
          code: 'KEEPSAKE_CORRUPT_DATA',
          path,
        });
      });

      it('leave nothing open after a loop that breaks', async function () {
        if (process.platform !== 'linux') return this.skip();
        const backend = await filled(500, { bulkReads });
        const before = readdirSync('/proc/self/fd').length;
        for (let round = 0; round < 20; round++) for await (const _ of backend.entries()) break;
        expect(readdirSync('/proc/self/fd').length).to.be.at.most(before);
      });

      it('give way to others', async () => {
        const backend = await filled(3000, { bulkReads });
        let turns = 0;
        let reading = true;
        const turn = () => {
          turns++;
          if (reading) setImmediate(turn);
        };
        setImmediate(turn);
        for await (const _ of backend.entryBatches());
        const whileListed = turns;
        await backend.getMany(Array.from({ length: 3000 }, (_, index) => `user:${index}`));
        reading = false;
        expect(whileListed).to.be.above(2);
        expect(turns - whileListed).to.be.above(2);
      });

      it('serve the listings of models', async () => {
        const backend = folders.open(folders.make(), { bulkReads, extension: '.json' });
        const service = new Service({ backend });
        const User = service.register(
          class User extends Store {
            declare name: string;
          },
          { fields: { name: Field() } },
        );
        for (let index = 0; index < 200; index++) await User.create(`user-${index}`, { name: `Ann ${index}` }).save();
        for (const user of [...User.active().values()]) User.manager.removeActive(user);
        const saved = await User.saved();
        expect(saved.size).to.equal(200);
        expect(saved.get('user-77')?.name).to.equal('Ann 77');
        expect(await User.find({ name: 'Ann 5' })).to.have.length(1);
        expect(await User.manager.count()).to.equal(200);
        await service.close();
      });
    });
  }

  it("'concurrent' have 64 files open at most, and not fewer", async () => {
    const backend = await filled(1000, { bulkReads: 'concurrent' });
    const keys = await all(backend.keys());
    expect(await mostOpen(() => all(backend.entries()))).to.equal(64);
    expect(await mostOpen(() => backend.getMany(keys))).to.equal(64);
  });

  it("'slices' read on the main thread alone", async () => {
    const backend = await filled(100, { bulkReads: 'slices' });
    const keys = await all(backend.keys());
    expect(await mostOpen(() => all(backend.entries()))).to.equal(0);
    expect(await mostOpen(() => backend.getMany(keys))).to.equal(0);
  });

  it('are of no other kind', () => {
    expect(() => folders.open(folders.make(), { bulkReads: 'workers' as 'slices' })).to.throw(
      TypeError,
      `files: bulkReads must be 'slices' or 'concurrent'; got "workers"`,
    );
  });
});
