import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How large the file system may become, in bytes; its image takes what is written. */
const SIZE = 12 * 2 ** 30;

/** A new ext4 in an image, mounted in a temporary folder: one that is old, or on which much was just deleted, takes ten times as long to make a file. */
export class FreshDisk {
  readonly #place = mkdtempSync(join(tmpdir(), 'keepsake-disk-'));
  /** Where it is mounted. */
  readonly folder: string = join(this.#place, 'mounted');

  /** @throws Error where the system has no ext4 or loop devices, or does not let this user mount one */
  constructor() {
    const image = join(this.#place, 'image');
    try {
      writeFileSync(image, '');
      truncateSync(image, SIZE);
      mkdirSync(this.folder);
      execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image], { stdio: 'pipe' });
      execFileSync('mount', ['-o', 'loop', image, this.folder], { stdio: 'pipe' });
    } catch (error) {
      rmSync(this.#place, { recursive: true, force: true });
      throw new Error('--fresh needs root on Linux, mkfs.ext4 and loop devices', { cause: error });
    }
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder], { stdio: 'pipe' });
    rmSync(this.#place, { recursive: true, force: true });
  }
}
