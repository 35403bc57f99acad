import type { WatchRequest } from '../../backend/driver.js';
import { knownOf } from './known.js';
import type { Place } from './layout.js';
import { FolderWatch, type WatchSettings } from './watch.js';

/** The watches of one driver, and what the driver itself changes, so that they leave it out. */
export class Watches {
  readonly #settings: WatchSettings;
  readonly #watches = new Set<FolderWatch>();
  /** The paths that the driver is changing right now, and how often. */
  readonly #underWay = new Map<string, number>();

  constructor(settings: WatchSettings) {
    this.#settings = settings;
  }

  /** Starts one; resolves when every later change is seen. */
  async add(request: WatchRequest): Promise<void> {
    if (request.signal.aborted) return;
    const watch = new FolderWatch(this.#settings, request, (path) => this.#underWay.has(path));
    const end = () => {
      this.#watches.delete(watch);
      watch.close();
    };
    this.#watches.add(watch);
    request.signal.addEventListener('abort', end, { once: true });
    try {
      await watch.start();
    } catch (error) {
      // It may be started again with the same request.
      request.signal.removeEventListener('abort', end);
      end();
      throw error;
    }
  }

  /**
   * Runs a change that the driver itself makes to a file, so that nobody is told of it as of another's. While it is under way nothing is said of the file;
   * whatever differs from `bytes` afterwards is another's.
   * @param bytes what the file holds then; `undefined` for one that is removed
   * @param work answers `false` if it changed nothing
   */
  async own<T>(place: Place, bytes: Uint8Array | undefined, work: () => Promise<T>): Promise<T> {
    const { path } = place;
    this.#underWay.set(path, (this.#underWay.get(path) ?? 0) + 1);
    for (const watch of this.#watches) watch.doubt(path);
    try {
      const done = await work();
      if (this.#watches.size > 0 && done !== false) {
        const known = bytes && knownOf(bytes);
        for (const watch of this.#watches) watch.remember(place, known);
      }
      return done;
    } finally {
      const left = (this.#underWay.get(path) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(path);
      else this.#underWay.set(path, left);
    }
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    const watches = [...this.#watches];
    for (const watch of watches) watch.end();
    for (const watch of watches) await watch.idle();
  }
}
