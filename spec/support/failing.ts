import { Backend, type Condition, type Entry, memory, type Page, type ScanRequest } from 'keepsake';
import { MinimalDriver, ScatteredDriver } from './drivers.js';

/** What becomes of an operation: it fails before it takes effect, after, or not. */
export type Fate = 'before' | 'after' | undefined;

/** A driver that answers after a few turns, and fails where it is told to. */
export class FailingDriver extends MinimalDriver {
  override readonly name = 'failing';
  /** Decides over each operation. */
  fate: (operation: 'read' | 'write' | 'remove' | 'scan', key: string) => Fate = () => undefined;
  /** How many turns of the queue of promises an operation takes. */
  turns: () => number = () => 1;
  /** The operations so far. */
  readonly operations: string[] = [];

  override read(key: string): Promise<Entry<Uint8Array> | undefined> {
    return this.#decide('read', key, () => super.read(key));
  }

  override write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    return this.#decide('write', key, () => super.write(key, value, expiresAt, condition));
  }

  override remove(key: string, condition: Condition | undefined): Promise<boolean> {
    return this.#decide('remove', key, () => super.remove(key, condition));
  }

  override scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    return this.#decide('scan', request.prefix, () => super.scan(request));
  }

  async #decide<T>(
    operation: 'read' | 'write' | 'remove' | 'scan',
    key: string,
    work: () => T | Promise<T>,
  ): Promise<T> {
    this.operations.push(`${operation} ${key}`);
    for (let left = this.turns(); left > 0; left--) await undefined;
    const fate = this.fate(operation, key);
    if (fate === 'before') throw new Error(`${operation} failed`);
    const result = await work();
    if (fate === 'after') throw new Error(`${operation} failed, but took effect`);
    return result;
  }
}

/** A backend of objects that answers at once, and one of bytes that answers late: what a cache stands on in its specs. */
export const kinds: readonly { readonly kind: string; open(clock: () => number): Backend<unknown> }[] = [
  { kind: 'objects in memory', open: (clock) => memory({ clock }) },
  { kind: 'bytes that come late', open: (clock) => new Backend(new ScatteredDriver(clock)) as Backend<unknown> },
];
