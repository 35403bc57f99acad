import { ClosedError } from '../errors.js';
import type { Awaitable } from './driver.js';

/** What can be opened and closed. */
interface Openable {
  readonly name: string;
  open?(): Awaitable<void>;
  close?(): Awaitable<void>;
}

/**
 * Opens a driver once, at the first use, and closes it once. A backend around others is ready while they are; it opens them first, and
 * closes them last where it owns them.
 */
export class Lifecycle {
  readonly #driver: Openable;
  /** Those that must be open for this one to be. */
  readonly #inner: readonly Lifecycle[];
  /** Those that are closed with this one. */
  readonly #owned: readonly Lifecycle[];
  /** Whether operations may run; `false` again from the moment that `close` is called. */
  #open = false;
  /** Whether the driver is open, and has to be closed. */
  #opened = false;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #closers: Set<() => void> | undefined;

  constructor(driver: Openable, inner: readonly Lifecycle[], owned: readonly Lifecycle[]) {
    this.#driver = driver;
    this.#inner = inner;
    this.#owned = owned;
  }

  /** Whether operations may run at once. */
  get ready(): boolean {
    return this.#open && (this.#inner.length === 0 || this.#inner.every((one) => one.ready));
  }

  /** Makes ready; answers at once where nothing has to be waited for. */
  open(operation: string): Awaitable<void> {
    this.check(operation);
    if (this.ready) return;
    this.#opening ??= this.#start(operation).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening.then(() => this.check(operation));
  }

  /** Rejects what is closed. */
  check(operation: string): void {
    if (this.#closing !== undefined) {
      throw new ClosedError(`${this.#driver.name} is closed; open another backend to go on`, { operation });
    }
    for (const one of this.#inner) one.check(operation);
  }

  /** Calls back as soon as this one, or one that must be open for it, is being closed, until the function it returns is called. */
  onClose(callback: () => void): () => void {
    this.#closers ??= new Set();
    const closers = this.#closers.add(callback);
    const undo = this.#inner.map((one) => one.onClose(callback));
    return () => {
      closers.delete(callback);
      for (const ignore of undo) ignore();
    };
  }

  close(): Promise<void> {
    this.#open = false;
    for (const callback of [...(this.#closers ?? [])]) callback();
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #start(operation: string): Promise<void> {
    for (const one of this.#inner) await one.open(operation);
    if (!this.#opened) await this.#driver.open?.();
    this.#opened = true;
    this.#open = this.#closing === undefined;
  }

  async #stop(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    try {
      if (this.#opened) await this.#driver.close?.();
    } finally {
      await closeAll(this.#owned);
    }
  }
}

/** Closes all, also those that come after one which cannot be closed; the first failure is thrown then. */
async function closeAll(lifecycles: readonly Lifecycle[]): Promise<void> {
  const closed = await Promise.allSettled(lifecycles.map((one) => one.close()));
  const failed = closed.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
