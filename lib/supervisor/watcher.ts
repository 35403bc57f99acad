import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { StorageError } from '../errors.js';

/** Tells when files have changed, and then none for a while. */
export class Watcher {
  readonly #watchers: FSWatcher[] = [];
  readonly #delay: number;
  readonly #onChange: () => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param paths files, and folders with all that is in them
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
    const isFolder = statSync(path).isDirectory();
    // Editors write a file beside and rename it, which who watches the file itself sees once at most.
    const watcher = isFolder
      ? watch(path, { recursive: true }, () => this.#changed())
      : watch(dirname(path), (_, name) => {
          if (name === null || name === basename(path)) this.#changed();
        });
    // Such as a folder that was removed; what else is watched still is.
    watcher.on('error', (error) => process.emitWarning(error));
    this.#watchers.push(watcher);
  }

  #changed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, this.#delay);
  }

  /** Ends it. */
  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }
}
