import { sep } from 'node:path';
import type { Watched } from './watched.js';

/** Something that may have changed. */
export interface Doubt {
  readonly node: Watched;
  /** The name in the folder of the node; `undefined` for the root folder itself. */
  readonly name: string | undefined;
  /** When it was first doubted. */
  readonly since: number;
  /** When to look. */
  readonly due: number;
}

/** After how many times the usual wait a file is looked at that is replaced again and again: it is whole at any time. */
const PATIENCE = 10;

/** Keeps what may have changed until it has been left alone for a while, since a file may be half written. */
export class Settling {
  readonly #settle: number;
  readonly #onDue: () => void;
  /** Those that are due first come first. */
  readonly #doubts = new Map<string, Doubt>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param settle milliseconds
   * @param onDue told when something is due; calls `schedule` when it has taken all of it
   */
  constructor(settle: number, onDue: () => void) {
    this.#settle = settle;
    this.#onDue = onDue;
  }

  /** @param replaced whether something took the place of what was there, rather than was written into it */
  add(node: Watched, name: string | undefined, replaced: boolean): void {
    const now = performance.now();
    const path = node.folder.path + sep + (name ?? '');
    const before = this.#doubts.get(path);
    if (before?.node === node && replaced && now - before.since >= PATIENCE * this.#settle) return;
    this.#doubts.delete(path);
    this.#doubts.set(path, { node, name, since: before?.since ?? now, due: now + this.#settle });
    this.schedule();
  }

  /** One that is due. */
  take(): Doubt | undefined {
    for (const [path, doubt] of this.#doubts) {
      if (doubt.due > performance.now()) return undefined;
      this.#doubts.delete(path);
      return doubt;
    }
    return undefined;
  }

  /** Sets the timer for what is due next, if there is anything. */
  schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    for (const { due } of this.#doubts.values()) {
      // When the event loop was held up, what the system has told meanwhile comes after the timers, and may put off what is due.
      const look = () =>
        setImmediate(() => {
          this.#timer = undefined;
          if (!this.#closed) this.#onDue();
        });
      this.#timer = setTimeout(look, Math.max(0, due - performance.now()));
      return;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#doubts.clear();
  }
}
