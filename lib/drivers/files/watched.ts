import { type FSWatcher, lstatSync, type Stats, statSync } from 'node:fs';
import { sep } from 'node:path';
import { StorageError } from '../../errors.js';
import { codeOf, failure } from './failures.js';
import type { Known } from './known.js';
import type { Folder } from './layout.js';

/** A folder that is watched, with what is known of its files, and the folders in it. */
export class Watched {
  readonly folder: Folder;
  readonly parent: Watched | undefined;
  /** How many folders it is below the root. */
  readonly depth: number;
  /** The files by name. */
  readonly files = new Map<string, Known>();
  readonly #subs = new Map<string, Watched>();
  readonly #name: string;
  #watcher: FSWatcher | undefined;
  #closed = false;

  constructor(folder: Folder, parent: Watched | undefined, name = '') {
    this.folder = folder;
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    this.#name = name;
  }

  /** Whether it is watched no more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The folder of a name in it. */
  sub(name: string): Watched | undefined {
    return this.#subs.get(name);
  }

  /** Takes a folder in. */
  add(name: string, folder: Folder): Watched {
    const sub = new Watched(folder, this, name);
    this.#subs.set(name, sub);
    return sub;
  }

  /** The names of everything in it. */
  *names(): Generator<string, void, undefined> {
    yield* this.files.keys();
    yield* this.#subs.keys();
  }

  /** It and all folders below. */
  *all(): Generator<Watched, void, undefined> {
    yield this;
    for (const sub of this.#subs.values()) yield* sub.all();
  }

  /** Takes a watcher, in place of the one before. */
  watchBy(watcher: FSWatcher): void {
    // The one before goes after the new one has come, so that nothing is missed where both are on one folder.
    const before = this.#watcher;
    this.#watcher = watcher;
    before?.close();
    if (this.#closed) watcher.close();
  }

  /** Takes it out of the folder that it was in. */
  remove(): void {
    if (this.parent?.sub(this.#name) === this) this.parent.#subs.delete(this.#name);
    this.close();
  }

  /** Stops watching, here and below. */
  close(): void {
    for (const node of this.all()) {
      node.#closed = true;
      node.#watcher?.close();
    }
  }
}

/** The names that lead from a folder to one below. */
export function namesBetween(root: string, folder: string): string[] {
  return folder.length <= root.length ? [] : folder.slice(root.length + 1).split(sep);
}

/** What stands at a path, links not followed; `undefined` for nothing. */
export function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failure(error, 'look at', path);
  }
}

/** Which folder has that path; `undefined` where none has. */
export function identify(path: string): string | undefined {
  try {
    const { dev, ino, birthtimeMs } = statSync(path);
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failure(error, 'look at', path);
  }
}

/** Whether an error says that nothing is there. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

const LIMITS: { readonly [code: string]: string } = {
  ENOSPC: 'the system watches no more folders: raise fs.inotify.max_user_watches',
  EMFILE:
    'the system lets no more processes watch (fs.inotify.max_user_instances), or this one has too many files open: raise the limit',
};

/** The error of a folder that the system does not watch. */
export function cannotWatch(error: unknown, path: string): Error {
  const code = codeOf(error);
  const limit = code === undefined ? undefined : LIMITS[code];
  if (limit === undefined) return failure(error, 'watch', path);
  return new StorageError(
    `cannot watch ${path}: ${limit}, or look now and then instead: watch: { poll: '5s' } (${code})`,
    {
      operation: 'watch',
      path,
      cause: error,
    },
  );
}
