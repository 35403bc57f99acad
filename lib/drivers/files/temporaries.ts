import { randomBytes } from 'node:crypto';
import { lstatSync, unlinkSync } from 'node:fs';
import { sep } from 'node:path';

/**
 * `%t`, which no key is encoded as, 16 random hex digits for the driver, and a count; with a number that earlier versions added.
 * Only such names are ever swept: a file `ann.json.20240101` may be somebody's backup.
 */
const NAME = /^%t[0-9a-f]{16}-[0-9a-z]+(?:\.[0-9]+)?$/;
const SWEPT_AFTER = 60_000;

/** Names for temporary files. */
export class Temporaries {
  readonly #stem = `%t${randomBytes(8).toString('hex')}-`;
  #count = 0;

  /** A path that nobody else uses. */
  next(folder: string): string {
    return `${folder}${sep}${this.#stem}${(this.#count++).toString(36)}`;
  }

  /** Deletes a temporary file that a crash left: one that is older than a minute, and not one of this driver. */
  sweep(folder: string, name: string, now: number): void {
    if (!NAME.test(name) || name.startsWith(this.#stem)) return;
    const path = folder + sep + name;
    try {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats?.isFile() && now - stats.mtimeMs > SWEPT_AFTER) unlinkSync(path);
    } catch {
      // Left for the next sweep: it does no harm, and whoever writes there is told what is wrong.
    }
  }
}
