import type { KeepsakeError } from '../errors.js';
import type { Condition } from './driver.js';
import type { Duration } from './duration.js';

/** What every function that gives a backend takes. */
export interface BackendOptions {
  /** How long entries live where `set`, `setMany`, `update` and `increment` do not say; for ever by default. */
  readonly ttl?: Duration | null | undefined;
  /** How long an operation may take before it rejects with a `TimeoutError`; no limit by default. */
  readonly timeout?: Duration | undefined;
  /**
   * What `entries()` and `values()` do with an entry that is there but cannot be read; `'report'` by default. `get` of its key rejects
   * in any case, and nothing overwrites or deletes it unasked.
   */
  readonly onCorrupt?: OnCorrupt | undefined;
  /** Told of every entry that a listing leaves out; emits a process warning by default. */
  readonly report?: ((error: KeepsakeError) => void) | undefined;
}

/** The names of {@link BackendOptions}. */
export const BACKEND_OPTIONS = ['ttl', 'timeout', 'onCorrupt', 'report'] as const;

/** The choices of {@link OnCorrupt}. */
export const ON_CORRUPT = ['report', 'throw', 'quarantine'] as const;

/**
 * `'report'` leaves the entry out and calls `report`; `'throw'` rejects; `'quarantine'` moves it aside, under a name that is no key, and
 * reports where it is then (on engines that can: files).
 */
export type OnCorrupt = (typeof ON_CORRUPT)[number];

/** Ends the wait for an operation. The operation may still take effect. */
export interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

/** When an entry expires: at most one of both. Without, the backend's `ttl` counts, and without that, never. */
export interface ExpiryOptions extends SignalOption {
  /** Time to live, from now; `null` for never. Positive and finite. */
  readonly ttl?: Duration | null | undefined;
  /** The deadline itself: milliseconds since 1970, or a `Date`. One that has passed makes the entry expired from the start. */
  readonly expiresAt?: number | Date | undefined;
}

/** Options of `get`. */
export interface GetOptions extends SignalOption {
  /** Moves the deadline to so far from now, if the entry has one. */
  readonly renewFor?: Duration | undefined;
}

/** Options of `set`. */
export interface SetOptions extends ExpiryOptions {
  /** Store only if the key is `'absent'`, is `'present'`, or holds the value of that `version`. */
  readonly if?: Condition | undefined;
}

/** Options of `setMany`. */
export interface SetManyOptions extends ExpiryOptions {
  /** Store all or, where that fails or a crash comes between, nothing; needs `capabilities.setMany`. `false` by default. */
  readonly atomic?: boolean | undefined;
}

/** Options of `delete`. */
export interface DeleteOptions extends SignalOption {
  /** Delete only if the entry holds the value of that `version`; `'present'` says what is so anyhow. */
  readonly if?: 'present' | { readonly version: string } | undefined;
}

/** Options of `increment`. */
export interface IncrementOptions extends SignalOption {
  /** Time to live, set only when the counter is created; `null` for never. */
  readonly ttl?: Duration | null | undefined;
}

/** Options of `count`. */
export interface PrefixOptions extends SignalOption {
  /** Only keys that start with this; all by default. */
  readonly prefix?: string | undefined;
}

/** Options of `clear`. */
export interface ClearAllOptions extends PrefixOptions {
  /**
   * Says that keys which others have stored may go too. Needed without a prefix on a shared engine whose `namespace` is `null`; `false` by
   * default.
   */
  readonly everything?: boolean | undefined;
}

/** Options of `compact`. */
export interface CompactOptions extends SignalOption {
  /** The earliest time that `asOf` is still to read: a `Date`, or milliseconds since 1970. One that is to come is taken as now. */
  readonly before: Date | number;
}

/** Options of `keys`, `entries` and `values`. */
export interface ListOptions extends PrefixOptions {
  /** Only keys after this one in the order of UTF-8 bytes; needs a backend that is `ordered`. */
  readonly after?: string | undefined;
}

/** Options of `page`. */
export interface PageOptions extends PrefixOptions {
  /** At most so many keys; 1 to 10,000, by default 1,000. */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** What `set` takes: the values of the backend, and text where it holds bytes. */
export type Input<V> = V extends Uint8Array ? V | string : V;
