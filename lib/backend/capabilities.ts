/**
 * At which level an operation is atomic: `'storage'` (across all processes that use the storage), `'process'` (among the callers of
 * this process), or `'none'` (the operation is refused with an `UnsupportedError`).
 */
export type Atomicity = 'storage' | 'process' | 'none';

/** What a backend can do: frozen data, read by callers, by wrappers and by the contract suite. */
export interface Capabilities {
  /** `'bytes'`: values are `Uint8Array`, and text is taken as its UTF-8. `'objects'`: values are whatever the driver takes. */
  readonly values: 'bytes' | 'objects';
  /** `set` with `if`. */
  readonly conditionalSet: Atomicity;
  /** `delete` with `if`. */
  readonly conditionalDelete: Atomicity;
  /** `update`. */
  readonly update: Atomicity;
  /** `increment`. */
  readonly increment: Atomicity;
  /** `touch`, and `get` with `renewFor`. */
  readonly touch: Atomicity;
  /** `setMany` with `atomic`: all or nothing, after a crash as well. */
  readonly setMany: Atomicity;
  /** What is stored is still there after the process has ended. */
  readonly persistent: boolean;
  /** Keys can be listed, counted and cleared. */
  readonly enumerable: boolean;
  /** Keys are listed in the order of their UTF-8 bytes. */
  readonly ordered: boolean;
  /** Changes can be watched. */
  readonly watch: boolean;
  /** Former states can be read. */
  readonly history: boolean;
  /** Reading gives what is stored; `false` for a backend that answers every read with a miss. */
  readonly readable: boolean;
  /** Writing takes effect; `false` for a backend that refuses or discards writes. */
  readonly writable: boolean;
}

const nothing: Capabilities = {
  values: 'bytes',
  conditionalSet: 'none',
  conditionalDelete: 'none',
  update: 'none',
  increment: 'none',
  touch: 'none',
  setMany: 'none',
  persistent: false,
  enumerable: false,
  ordered: false,
  watch: false,
  history: false,
  readable: true,
  writable: true,
};

/** Frozen capabilities: what is not named is not there, except that a backend is `readable` and `writable` and holds bytes. */
export function capabilities(named: Partial<Capabilities>): Capabilities {
  return Object.freeze({ ...nothing, ...named });
}

/** Everything about one key atomic at one level: conditions, `update`, `increment` and `touch`. */
export function atomicAt(
  level: Atomicity,
): Pick<Capabilities, 'conditionalSet' | 'conditionalDelete' | 'update' | 'increment' | 'touch'> {
  return { conditionalSet: level, conditionalDelete: level, update: level, increment: level, touch: level };
}
