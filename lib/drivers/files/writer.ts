import {
  close,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  open,
  openSync,
  rename,
  type Stats,
  unlink,
  write,
} from 'node:fs';
import { sep } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import writeFileAtomic from 'write-file-atomic';
import { StorageError } from '../../errors.js';
import { clash, codeOf, failure } from './failures.js';
import { Gate } from './gate.js';
import type { Layout, Place } from './layout.js';
import type { Temporaries } from './temporaries.js';

/** What has happened when a write resolves: `'file'`: the contents are synced; `'none'`: that is left to the operating system. */
export type Durability = 'file' | 'none';

/** The name of the file that says that a folder holds, or held, entries with a deadline. No key is encoded as it. */
export const MARKER = '.expiring';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const IN_FLIGHT = 64;
/** The most that one call writes. */
const LONGEST_STEP = 2 ** 30;
/** How often a folder that vanishes is made again for one write. */
const FOLDER_ATTEMPTS = 5;
/** What is waited before a rename that Windows refused is tried again; about 5 seconds in all. */
const RENAME_DELAYS = [1, 2, 5, 10, 20, 50, 100, 200, 400, 800, 1600, 1900];

/** Replaces files: a temporary file is written whole, then renamed into place. */
export class Writer {
  readonly #layout: Layout;
  readonly #durability: Durability;
  readonly #temporaries: Temporaries;
  readonly #temporary: string | undefined;
  readonly #gate = new Gate(IN_FLIGHT);

  /** @param temporary where temporary files lie; beside the file if absent */
  constructor(layout: Layout, durability: Durability, temporaries: Temporaries, temporary: string | undefined) {
    this.#layout = layout;
    this.#durability = durability;
    this.#temporaries = temporaries;
    this.#temporary = temporary;
  }

  /**
   * Replaces the file of a key, or makes it.
   * @param expires whether the folder must be marked as one that holds deadlines
   * @throws StorageError when it failed: what was there is whole
   * @throws InvalidKeyError where one name would be both file and folder
   */
  async write(place: Place, key: string, bytes: Uint8Array, expires: boolean): Promise<void> {
    const entering = this.#gate.enter();
    if (entering !== undefined) await entering;
    try {
      for (let attempt = 1; ; attempt++) {
        const existing = this.#look(place, key);
        try {
          return await this.#replace(place, bytes, existing, expires);
        } catch (error) {
          if (codeOf(error) !== 'ENOENT' || attempt === FOLDER_ATTEMPTS) throw error;
          this.#makeFolder(place.folder, key);
        }
      }
    } catch (error) {
      if (this.#layout.keysClash && isClash(error)) throw clash(place.path, key, error);
      throw failure(error, 'write', place.path);
    } finally {
      this.#gate.leave();
    }
  }

  /** What stands at the place of the file. A rename would replace a link, or fail with a riddle at a folder. */
  #look(place: Place, key: string): Stats | undefined {
    const existing = lstatSync(place.path, { throwIfNoEntry: false });
    if (existing === undefined || existing.isFile()) return existing;
    const { path } = place;
    if (existing.isDirectory() && this.#layout.keysClash) throw clash(path, key);
    const what = existing.isSymbolicLink()
      ? 'a symbolic link stands there, and is not replaced; put the file itself there'
      : existing.isDirectory()
        ? 'a folder stands there, where a file should be; move it away'
        : 'what stands there is no regular file; move it away';
    throw new StorageError(`cannot write ${path}: ${what}`, { path });
  }

  async #replace(place: Place, bytes: Uint8Array, existing: Stats | undefined, expires: boolean): Promise<void> {
    const temporary = this.#temporaries.next(this.#temporary ?? place.folder);
    const mark = expires ? () => this.#mark(place.folder) : undefined;
    try {
      if (this.#durability === 'none') return await replaceLean(place.path, temporary, bytes, existing, mark);
      await writeSynced(temporary, bytes, existing);
      mark?.();
      await move(temporary, place.path);
    } catch (error) {
      await new Promise<void>((resolve) => unlink(temporary, () => resolve()));
      throw error;
    }
  }

  /**
   * Says that the folder holds deadlines, before the first one is there. The temporary file is, so nobody removes the folder, nor the marker
   * for good.
   */
  #mark(folder: string): void {
    const path = folder + sep + MARKER;
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
    const descriptor = openSync(path, 'a');
    try {
      if (this.#durability === 'file') fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  #makeFolder(folder: string, key: string): void {
    const root = this.#layout.root.path;
    if (lstatSync(root, { throwIfNoEntry: false }) === undefined) {
      throw new StorageError(
        `the folder ${root} has vanished; put it back, or open it anew to start with an empty one`,
        {
          path: root,
        },
      );
    }
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      if (this.#layout.keysClash && isClash(error)) throw clash(folder, key, error);
      if (codeOf(error) !== 'EEXIST') throw failure(error, 'make the folder', folder);
      const message = `cannot make the folder ${folder}: a file stands there, or on the way; move it away`;
      throw new StorageError(message, { path: folder, cause: error });
    }
    if (this.#temporary !== undefined) mkdirSync(this.#temporary, { recursive: true });
  }
}

function isClash(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOTDIR' || code === 'EEXIST' || code === 'EISDIR' || code === 'ENOTEMPTY';
}

/** Writes, closes and renames in callbacks: half the work for the event loop of promises, and a fifth of the time at 32 in flight. */
function replaceLean(
  path: string,
  temporary: string,
  bytes: Uint8Array,
  existing: Stats | undefined,
  mark: (() => void) | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    open(temporary, CREATE, existing === undefined ? 0o666 : existing.mode & 0o7777, (error, descriptor) => {
      if (error !== null) return reject(error);
      const end = (failed: unknown) => {
        close(descriptor, (unclosed) => {
          if (failed ?? unclosed) return reject(failed ?? unclosed);
          try {
            mark?.();
          } catch (wrong) {
            return reject(wrong);
          }
          if (process.platform === 'win32') return void move(temporary, path).then(resolve, reject);
          rename(temporary, path, (refused) => (refused === null ? resolve() : reject(refused)));
        });
      };
      const fill = (from: number) => {
        const step = Math.min(bytes.length - from, LONGEST_STEP);
        if (step === 0) return end(undefined);
        write(descriptor, bytes, from, step, null, (failed, written) => {
          if (failed !== null) return end(failed);
          if (written === 0) return end(new Error('the disk took no more bytes'));
          if (from + written === bytes.length) return end(undefined);
          fill(from + written);
        });
      };
      try {
        if (existing !== undefined) keepRights(existing, descriptor);
      } catch (failed) {
        return end(failed);
      }
      fill(0);
    });
  });
}

/** The new file belongs to whom the old one did. */
function keepRights(existing: Stats, descriptor: number): void {
  if (process.getuid === undefined) return;
  try {
    if (existing.uid !== process.geteuid?.() || existing.gid !== process.getegid?.()) {
      fchownSync(descriptor, existing.uid, existing.gid);
    }
    fchmodSync(descriptor, existing.mode & 0o7777);
  } catch (error) {
    // Only root may give files away; write-file-atomic goes on then, too.
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOSYS') throw error;
  }
}

/**
 * Writes by `write-file-atomic`, which syncs. It writes the temporary file, not the one itself: so its leftovers have names that we know as
 * ours, a link at the target is never followed, and the length can be checked before the value is replaced. It does not look whether the
 * disk took all bytes.
 */
async function writeSynced(temporary: string, bytes: Uint8Array, existing: Stats | undefined): Promise<void> {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // It changes its options, so each call has its own. Without both it would look for rights to copy.
  await writeFileAtomic(temporary, data, existing === undefined ? {} : rightsOf(existing));
  const { size } = lstatSync(temporary);
  if (size === bytes.length) return;
  throw new StorageError(`the disk took only ${size} of ${bytes.length} bytes for ${temporary}: it is full`, {
    path: temporary,
  });
}

function rightsOf(existing: Stats): { mode: number; chown?: { uid: number; gid: number } } {
  const mode = existing.mode & 0o7777;
  return process.getuid === undefined ? { mode } : { mode, chown: { uid: existing.uid, gid: existing.gid } };
}

/** Renames; what Windows refuses while a virus scanner or a reader has the file open is tried again. */
export async function move(from: string, to: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const refused = await new Promise<NodeJS.ErrnoException | null>((resolve) => rename(from, to, resolve));
    if (refused === null) return;
    const delay = RENAME_DELAYS[attempt];
    if (process.platform !== 'win32' || delay === undefined) throw refused;
    if (!['EPERM', 'EACCES', 'EBUSY'].includes(refused.code ?? '')) throw refused;
    await setTimeout(delay * (0.5 + Math.random()));
  }
}
