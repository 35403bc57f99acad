import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Backend, FilesOptions } from 'keepsake';
import { all, Folders, rejection, text } from '../../support/folders.js';

describe('files: a disk of 256 KB', () => {
  const folders = new Folders();
  let disk: string;

  function mount(...options: string[]): void {
    execFileSync('mount', [...options, disk], { stdio: 'pipe' });
  }

  beforeEach(function () {
    disk = folders.make();
    try {
      mount('-t', 'tmpfs', '-o', 'size=256k', 'tmpfs');
    } catch {
      console.warn('      skipped: mounting a small disk needs root on Linux; run the specs as root to include it');
      disk = '';
      this.skip();
    }
    mkdirSync(join(disk, 'data'));
    mkdirSync(join(disk, 'scratch'));
  });

  afterEach(async () => {
    if (disk !== '') execFileSync('umount', ['-l', disk]);
    await folders.clearAway();
  });

  for (const durability of ['file', 'none'] as const) {
    for (const layout of ['encoded', 'tree'] as const) {
      const options = (): FilesOptions =>
        layout === 'tree' ? { durability, layout, temporary: join(disk, 'scratch') } : { durability };

      it(`rejects when it is full, and keeps what was there, durability '${durability}', layout '${layout}'`, async () => {
        const backend = folders.open(join(disk, 'data'), options());
        await backend.set('a', 'old'.repeat(1000));
        await backend.set('b', 'b');
        for (const size of [300_000, 1_000_000]) {
          const error = await rejection(backend.set('a', new Uint8Array(size)));
          expect(error).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'set', key: 'a' });
          expect(error.message).to.include('full');
        }
        let kept = 0;
        const filling = (async () => {
          for (;;) {
            await backend.set(`k${kept}`, new Uint8Array(5000));
            kept++;
          }
        })();
        expect((await rejection(filling)).message).to.include('full');
        expect(kept).to.be.within(20, 60);
        expect(await text(backend, 'a')).to.equal('old'.repeat(1000));
        expect((await all(backend.keys())).length).to.equal(kept + 2);
        expect(readdirSync(join(disk, 'data')).filter((name) => name.includes('%t'))).to.deep.equal([]);
        expect(readdirSync(join(disk, 'scratch'))).to.deep.equal([]);
        expect(await backend.delete('k0')).to.equal(true);
        expect(await backend.set('a', 'new')).to.equal(true);
        expect(await text(backend, 'a')).to.equal('new');
      });

      it(`rejects when it is read-only, and still reads, durability '${durability}', layout '${layout}'`, async () => {
        let now = 0;
        const backend = folders.open(join(disk, 'data'), { ...options(), clock: () => now });
        await backend.set('a', 'old');
        await backend.set('expiring', 'old', { expiresAt: 10 });
        mount('-o', 'remount,ro');
        for (const failing of [
          backend.set('a', 'new'),
          backend.set('new', 'new'),
          backend.delete('a'),
          backend.touch('a', 5),
        ]) {
          const error = await rejection(failing);
          expect(error.code).to.equal('KEEPSAKE_STORAGE');
          expect(error.message).to.include('read-only');
        }
        now = 10;
        expect(await backend.get('expiring')).to.equal(undefined);
        expect(await text(backend, 'a')).to.equal('old');
        expect(await all(backend.keys())).to.deep.equal(['a']);
        mount('-o', 'remount,rw');
        expect(await backend.set('a', 'new')).to.equal(true);
      });
    }
  }

  describe("durability 'journal'", function () {
    this.timeout(20_000);
    const options: FilesOptions = { durability: 'journal', segmentSize: 2 ** 16, visibleWithin: 5, lockTimeout: 0 };

    /** Saves new keys until the disk is full: those that were acknowledged, and why it ended. */
    async function fill(backend: Backend): Promise<{ safe: Map<string, string>; reason: Error & { code?: string } }> {
      const safe = new Map<string, string>();
      const filling = (async () => {
        for (;;) {
          const key = `k${safe.size}`;
          const value = `${key} `.repeat(1000);
          await backend.set(key, value);
          safe.set(key, value);
        }
      })();
      return { reason: await rejection(filling), safe };
    }

    const expectAll = async (backend: Backend, safe: Map<string, string>) => {
      for (const [key, value] of safe) expect(await text(backend, key), key).to.equal(value);
    };

    it('rejects when it is full, keeps what was acknowledged, and goes on when there is room', async () => {
      const backend = folders.open(join(disk, 'data'), options);
      const { safe, reason } = await fill(backend);
      expect(reason).to.include({ code: 'KEEPSAKE_STORAGE' });
      expect(reason.message).to.include('full');
      expect(safe.size).to.be.within(10, 60);
      await expectAll(backend, safe);
      mount('-o', 'remount,size=1m');
      await backend.set('k0', 'again');
      safe.set('k0', 'again');
      await backend.close();
      const reopened = folders.open(join(disk, 'data'), options);
      await expectAll(reopened, safe);
      expect((await all(reopened.keys())).length).to.be.within(safe.size, safe.size + 1);
    });

    it('opens again after a crash on a full disk, with all that was acknowledged', async () => {
      const folder = join(disk, 'data');
      const backend = folders.open(folder, options);
      const { safe } = await fill(backend);
      const copy = folders.make();
      // As a crash leaves it: what is on the disk, and nobody that holds the lock.
      execFileSync('cp', ['-a', `${folder}/.`, copy]);
      await expectAll(folders.open(copy, options), safe);
      mount('-o', 'remount,size=1m');
      await backend.close();
    });

    it('is refused on a disk that is read-only, where a read-only opener reads', async () => {
      const folder = join(disk, 'data');
      const before = folders.open(folder, options);
      await before.set('a', 'safe');
      await before.close();
      mount('-o', 'remount,ro');
      const error = await rejection(folders.open(folder, options).set('a', 'lost'));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE' });
      expect(error.message).to.include('read-only');
      expect(await text(folders.open(folder, { readOnly: true }), 'a')).to.equal('safe');
      mount('-o', 'remount,rw');
    });
  });
});
