import type { Backend } from '../backend/backend.js';
import type { Awaitable } from '../backend/driver.js';

/** A clock that only moves when told to. */
export interface ManualClock {
  /** Milliseconds since 1970; give it to the backend as its `clock`. */
  now(): number;
  advance(milliseconds: number): Awaitable<void>;
}

/** What the contract suite takes. */
export interface ContractOptions<V> {
  /** Groups; mocha's, vitest's or node:test's. */
  readonly describe: (title: string, body: () => void) => unknown;
  /** Declares one promise; mocha's, vitest's or node:test's. */
  readonly it: (title: string, body: () => Promise<void>) => unknown;
  /** Gives a fresh, empty backend every time. The suite closes it. */
  readonly open: () => Awaitable<Backend<V>>;
  /**
   * Gives another backend over the storage of the one that `open` gave last. Needed where `capabilities` claim to be `persistent`, or
   * atomic at the level of the `'storage'`, or to `watch`.
   */
  readonly reopen?: (() => Awaitable<Backend<V>>) | undefined;
  /** The clock of the backends, where it can be chosen. Without, expiry is waited for, some 50 ms at a time. */
  readonly clock?: ManualClock | undefined;
  /**
   * A value for each number from 0 to 9,999, all different, none of them an integer or the text of one. By default text for a backend of
   * bytes, and `{ text }` for one of objects.
   */
  readonly value?: ((number: number) => V) | undefined;
  /** What the backend gives for a counter that stands at `number`; its decimal text in bytes, or the number itself, by default. */
  readonly counter?: ((number: number) => V) | undefined;
  /** Values to give back as they were, empty and falsy ones above all. By default what JSON carries, or bytes. */
  readonly samples?: readonly V[] | undefined;
  /**
   * Whether the backend gives every entry a deadline, also one that is to live for ever, so that none is promised to have no deadline; `false` by default.
   * The deadline must be further away than the hours that the suite lets pass.
   */
  readonly expires?: boolean | undefined;
  /** How many keys the promises about long listings store; 2,500 by default. Fewer where writing is dear. */
  readonly many?: number | undefined;
}
