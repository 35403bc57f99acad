import {
  close,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lstat,
  lstatSync,
  open,
  openSync,
  rename,
  type Stats,
  unlink,
  write,
  writeSync,
} from 'node:fs';
import { sep } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { StorageError } from '../../errors.js';
import { makeFolders } from './calls.js';
import { clash, codeOf, failure } from './failures.js';
import { Gate } from './gate.js';
import type { Layout, Place } from './layout.js';
import type { Replacements } from './replacements.js';
import type { Temporaries } from './temporaries.js';

/**
 * What has happened when a write resolves. `'file'`: the contents are synced, and in place. `'journal'`: they are synced in a journal, and come to their place
 * soon. `'none'`: they are in place, and left to the operating system.
 */
export type Durability = 'file' | 'journal' | 'none';

/** The name of the file that says that a folder holds, or held, entries with a deadline. No key is encoded as it. */
export const MARKER = '.expiring';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const IN_FLIGHT = 64;
/** The most that one call writes. */
const LONGEST_STEP = 2 ** 30;
/** What is written by the main thread, in bytes. */
const WRITTEN_AT_ONCE = 16 * 1024;
/** How often a folder that vanishes is made again for one write. */
const FOLDER_ATTEMPTS = 5;
/** What is waited before a rename that Windows refused is tried again; about 5 seconds in all. */
const RENAME_DELAYS = [1, 2, 5, 10, 20, 50, 100, 200, 400, 800, 1600, 1900];

/** What a writer is made of. */
export interface WriterParts {
  readonly layout: Layout;
  /** Whether the contents are synced before they take their place. */
  readonly synced: boolean;
  readonly temporaries: Temporaries;
  readonly replacements: Replacements;
  /** Where temporary files lie; beside the file if absent. */
  readonly temporary?: string | undefined;
}

/** Replaces files: a temporary file is written whole, then renamed into place. */
export class Writer {
  readonly #layout: Layout;
  readonly #synced: boolean;
  readonly #temporaries: Temporaries;
  readonly #replacements: Replacements;
  readonly #temporary: string | undefined;
  readonly #gate = new Gate(IN_FLIGHT);

  constructor({ layout, synced, temporaries, replacements, temporary }: WriterParts) {
    this.#layout = layout;
    this.#synced = synced;
    this.#temporaries = temporaries;
    this.#replacements = replacements;
    this.#temporary = temporary;
  }

  /**
   * Replaces the file of a key, or makes it.
   * @param expires whether the folder must be marked as one that holds deadlines
   * @param time when the file was changed last, in milliseconds since 1970; now if absent
   * @throws StorageError when it failed: what was there is whole
   * @throws InvalidKeyError where one name would be both file and folder
   */
  async write(place: Place, key: string, bytes: Uint8Array, expires: boolean, time?: number): Promise<void> {
    const name = place.path.slice(place.folder.length + 1);
    const entering = this.#gate.enter();
    if (entering !== undefined) await entering;
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#replacements.during(place.folder, name, () =>
            this.#replace(place, key, bytes, expires, time),
          );
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

  async #replace(
    place: Place,
    key: string,
    bytes: Uint8Array,
    expires: boolean,
    time: number | undefined,
  ): Promise<void> {
    const temporary = this.#temporaries.next(this.#temporary ?? place.folder);
    const mark = expires ? () => this.mark(place.folder) : undefined;
    const check = (existing: Stats) => this.#check(existing, place.path, key);
    try {
      await replace(place.path, temporary, bytes, { check, mark, time, synced: this.#synced });
    } catch (error) {
      await new Promise<void>((resolve) => unlink(temporary, () => resolve()));
      throw error;
    }
  }

  /** Refuses what is no file: a rename would replace a link, or fail with a riddle at a folder. */
  #check(existing: Stats, path: string, key: string): void {
    if (existing.isFile()) return;
    if (existing.isDirectory() && this.#layout.keysClash) throw clash(path, key);
    const what = existing.isSymbolicLink()
      ? 'a symbolic link stands there, and is not replaced; put the file itself there'
      : existing.isDirectory()
        ? 'a folder stands there, where a file should be; move it away'
        : 'what stands there is no regular file; move it away';
    throw new StorageError(`cannot write ${path}: ${what}`, { path });
  }

  /**
   * Says that the folder holds deadlines, before the first one is there. The temporary file is, so nobody removes the folder, nor the marker
   * for good.
   */
  mark(folder: string): void {
    const path = folder + sep + MARKER;
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
    const descriptor = openSync(path, 'a');
    try {
      if (this.#synced) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (this.#synced) syncFolder(folder);
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
      makeFolders(folder);
    } catch (error) {
      if (this.#layout.keysClash && isClash(error)) throw clash(folder, key, error);
      if (codeOf(error) !== 'EEXIST') throw failure(error, 'make the folder', folder);
      const message = `cannot make the folder ${folder}: a file stands there, or on the way; move it away`;
      throw new StorageError(message, { path: folder, cause: error });
    }
    if (this.#temporary !== undefined) makeFolders(this.#temporary);
  }
}

/**
 * Makes the names in a folder safe. A file system need not keep the order in which names were made: an entry with a deadline could outlast the
 * marker, and be listed for ever.
 */
function syncFolder(folder: string): void {
  // Windows opens no folder.
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function isClash(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOTDIR' || code === 'EEXIST' || code === 'EISDIR' || code === 'ENOTEMPTY';
}

/** Refuses what stands at the place of the file, if it is no file. */
type Check = (existing: Stats) => void;

/**
 * What stands there, found out beside other work. Asking at once would be quicker for a file that is there, but for a new one the main
 * thread would wait until the folder has no change under way.
 */
function look(path: string, check: Check, done: (error: unknown, existing?: Stats) => void): void {
  lstat(path, (error, existing) => {
    if (error !== null) return error.code === 'ENOENT' ? done(undefined) : done(error);
    try {
      check(existing);
    } catch (refused) {
      return done(refused);
    }
    done(undefined, existing);
  });
}

/** How a file is replaced. */
interface Replacement {
  readonly check: Check;
  /** Called before the new file takes its place. */
  readonly mark: (() => void) | undefined;
  /** Whether the contents are synced before that. */
  readonly synced: boolean;
  /** When the file was changed last, in milliseconds since 1970; now if absent. It is one that is synced later then. */
  readonly time: number | undefined;
}

/** Writes, syncs, closes and renames in callbacks: half the work for the event loop of promises. */
function replace(
  path: string,
  temporary: string,
  bytes: Uint8Array,
  { check, mark, synced, time }: Replacement,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let existing: Stats | undefined;
    let descriptor: number | undefined;
    let failure: unknown;
    let waiting = 2;
    const putInPlace = () => {
      try {
        mark?.();
      } catch (wrong) {
        return reject(wrong);
      }
      if (process.platform === 'win32') return void move(temporary, path).then(resolve, reject);
      rename(temporary, path, (refused) => (refused === null ? resolve() : reject(refused)));
    };
    const end = (failed: unknown) => {
      if (descriptor === undefined) return reject(failed);
      close(descriptor, (unclosed) => {
        if (failed ?? unclosed) return reject(failed ?? unclosed);
        putInPlace();
      });
    };
    const closeNow = (opened: number) => {
      try {
        closeSync(opened);
      } catch (wrong) {
        return reject(wrong);
      }
      putInPlace();
    };
    const later = time !== undefined && !synced;
    const setTime = (opened: number) => {
      if (time !== undefined) futimesSync(opened, time / 1000, time / 1000);
    };
    const finish = (opened: number) => {
      if (bytes.length > WRITTEN_AT_ONCE) return fill(opened, 0);
      // Handing so little to another thread, twice, costs more than writing it.
      try {
        // ext4 begins to write what was truncated as soon as it is closed. Else it gives the file its place with the sync, by a commit for each.
        if (later) ftruncateSync(opened, 0);
        for (let from = 0; from < bytes.length; ) {
          const written = writeSync(opened, bytes, from);
          if (written === 0) throw new Error('the disk took no more bytes');
          from += written;
        }
        setTime(opened);
      } catch (wrong) {
        return end(wrong);
      }
      if (later) return end(undefined);
      if (!synced) return closeNow(opened);
      fsync(opened, (failed) => (failed === null ? closeNow(opened) : end(failed)));
    };
    const fill = (opened: number, from: number) => {
      const step = Math.min(bytes.length - from, LONGEST_STEP);
      if (step === 0) {
        try {
          setTime(opened);
        } catch (wrong) {
          return end(wrong);
        }
      }
      if (step === 0) return synced ? fsync(opened, (failed) => end(failed ?? undefined)) : end(undefined);
      write(opened, bytes, from, step, null, (failed, written) => {
        if (failed !== null) return end(failed);
        if (written === 0) return end(new Error('the disk took no more bytes'));
        fill(opened, from + written);
      });
    };
    const go = (failed: unknown) => {
      failure ??= failed;
      if (--waiting > 0) return;
      if (failure !== undefined || descriptor === undefined) return end(failure);
      try {
        if (existing !== undefined) keepRights(existing, descriptor);
      } catch (wrong) {
        return end(wrong);
      }
      finish(descriptor);
    };
    look(path, check, (failed, found) => {
      existing = found;
      go(failed);
    });
    open(temporary, CREATE, 0o666, (error, opened) => {
      if (error === null) descriptor = opened;
      go(error ?? undefined);
    });
  });
}

/** Before anything is written, the new file is given to whom the old one belongs, and opened to no one else. */
function keepRights(existing: Stats, descriptor: number): void {
  if (process.getuid === undefined) return;
  const { mode, uid, gid } = fstatSync(descriptor);
  try {
    if (mode !== existing.mode) fchmodSync(descriptor, existing.mode & 0o7777);
    if (uid === existing.uid && gid === existing.gid) return;
    fchownSync(descriptor, existing.uid, existing.gid);
    // Giving a file away takes some rights off it.
    fchmodSync(descriptor, existing.mode & 0o7777);
  } catch (error) {
    // Only root may give files away.
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOSYS') throw error;
  }
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
