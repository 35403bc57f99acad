import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { StorageError } from '../errors.js';

/**
 * Tells when files have changed, and then none for a while.
 *
 * Each folder is watched by itself: Node's `recursive` watches each file on Linux, and loses those that an editor replaces by renaming.
 */
export class Watcher {
  readonly #folders = new Map<string, FSWatcher>();
  readonly #around: FSWatcher[] = [];
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
    const watched = statSync(path);
    // By the folder around it, since it may be removed and made again, as builds and editors do.
    const watcher = watch(dirname(path), (event, name) => {
      if (name !== null && name !== basename(path)) return;
      this.#changed();
      if (event === 'rename' && watched.isDirectory()) this.#watchAgain(path);
    });
    watcher.on('error', () => this.#changed());
    this.#around.push(watcher);
    if (watched.isDirectory()) this.#watchFolder(path);
  }

  #watchAgain(folder: string): void {
    this.#forget(folder);
    try {
      if (isFolder(folder)) this.#watchFolder(folder);
    } catch (error) {
      // One that went while it was looked at is told of by the folder around it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') process.emitWarning(error as Error);
    }
  }

  #watchFolder(folder: string): void {
    const watcher = watch(folder, (event, name) => {
      this.#changed();
      if (event === 'rename' && name !== null && isWanted(name)) this.#watchAgain(join(folder, name));
    });
    watcher.on('error', () => this.#forget(folder));
    this.#folders.set(folder, watcher);
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && isWanted(entry.name)) this.#watchAgain(join(folder, entry.name));
    }
  }

  #forget(folder: string): void {
    for (const [known, watcher] of this.#folders) {
      if (known !== folder && !known.startsWith(join(folder, sep))) continue;
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
    for (const watcher of [...this.#around.splice(0), ...this.#folders.values()]) watcher.close();
    this.#folders.clear();
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function isWanted(name: string): boolean {
  return name !== 'node_modules' && !name.startsWith('.');
}
