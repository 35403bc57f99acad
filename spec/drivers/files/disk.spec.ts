import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { FilesOptions } from 'keepsake';
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
});
