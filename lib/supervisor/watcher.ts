import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { StorageError } from '../errors.js';

/**
 * Tells when files have changed, and then none for a while.
 *
 * Each folder is watched by itself: Node's `recursive` watches each file on Linux, and loses those that an editor replaces by renaming.
 */
export class Watcher {
  readonly #folders = new Map<string, FSWatcher>();
  readonly #files: FSWatcher[] = [];
  readonly #delay: number;
  readonly #onChange: () => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param paths files, and folders with all that is in them, but for folders called `node_modules` or with a dot in front
   * @param delay milliseconds
   * @throws StorageError for a path that cannot be watched
   */
  constructor(paths: readonly string[], delay: number, onChange: () => void) {
    this.#delay = delay;
    this.#onChange = onChange;
    try {
      for (const path of paths) this.#watch(resolve(path));
    } catch (error) {
      this.close();
      const why = error instanceof Error ? error.message : String(error);
      throw new StorageError(`cannot watch for changes: ${why}`, { operation: 'watch', cause: error });
    }
  }

  #watch(path: string): void {
    if (statSync(path).isDirectory()) {
      this.#watchFolder(path);
      return;
    }
    const watcher = watch(dirname(path), (_, name) => {
      if (name === null || name === basename(path)) this.#changed();
    });
    this.#files.push(watcher);
    watcher.on('error', () => this.#changed());
  }

  #watchFolder(folder: string): void {
    if (this.#folders.has(folder)) return;
    const watcher = watch(folder, () => {
      this.#changed();
      // What is in it may be new, or gone.
      this.#scan(folder);
    });
    watcher.on('error', () => this.#forget(folder));
    this.#folders.set(folder, watcher);
    this.#watchFoldersIn(folder);
  }

  #watchFoldersIn(folder: string): void {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
      this.#watchFolder(join(folder, entry.name));
    }
  }

  /** Looks for folders that have come, and those that have gone. */
  #scan(folder: string): void {
    for (const known of this.#folders.keys()) {
      if (dirname(known) === folder && !isFolder(known)) this.#forget(known);
    }
    if (!this.#folders.has(folder)) return;
    try {
      this.#watchFoldersIn(folder);
    } catch {
      // It went while it was looked at, which the folder around it tells.
    }
  }

  #forget(folder: string): void {
    for (const [known, watcher] of this.#folders) {
      if (known !== folder && !known.startsWith(join(folder, '/'))) continue;
      this.#folders.delete(known);
      watcher.close();
    }
  }

  #changed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, this.#delay);
  }

  /** Ends it. */
  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of [...this.#files.splice(0), ...this.#folders.values()]) watcher.close();
    this.#folders.clear();
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
