import { onAbort } from '../backend/bounded.js';
import type { KeyChange } from '../backend/driver.js';
import type { Store } from './store.js';

/** What somebody else did to a saved object, and what became of the object in memory. */
export interface Followed {
  /** The name of the class in the service. */
  readonly store: string;
  readonly key: string;
  /** What happened to the saved object. */
  readonly type: KeyChange['type'];
  /**
   * - `'reloaded'`: the active object had no unsaved changes, and has the values now that were saved.
   * - `'conflict'`: the active object has unsaved changes, or was never saved; it is as it was.
   * - `'deleted'`: what was saved is gone; the active object is as it was, and a later `save()` saves it anew.
   * - `'inactive'`: there is no active object; nothing was loaded.
   */
  readonly outcome: 'reloaded' | 'conflict' | 'deleted' | 'inactive';
  /** The active object. */
  readonly object: Store | undefined;
}

/** Keeps active objects in step until it is stopped; see `Manager.follow`. */
export class Following implements AsyncDisposable {
  readonly #stop: () => Promise<void>;

  /** For keepsake itself. */
  constructor(stop: () => Promise<void>, signal?: AbortSignal) {
    const ignoreSignal = onAbort(signal, () => void this.stop());
    let stopping: Promise<void> | undefined;
    this.#stop = () => {
      ignoreSignal();
      stopping ??= stop();
      return stopping;
    };
    if (signal?.aborted) void this.stop();
  }

  /** Stops, and waits for what is under way; doing so again changes nothing. */
  stop(): Promise<void> {
    return this.#stop();
  }

  /** The same as `stop`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
