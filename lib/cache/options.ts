import type { Awaitable } from '../backend/driver.js';
import type { Clock, Duration } from '../backend/duration.js';
import type { SignalOption } from '../backend/options.js';
import type { Codec } from '../codecs/codec.js';

/**
 * What `getOrSet` does when the backend fails: `'compute'` computes the value and gives it, reports the failure, and stores it if it can;
 * `'throw'` rejects with the failure.
 */
export type OnBackendError = 'compute' | 'throw';

/** How old a value may be that is given when there is no fresh one. */
export interface StaleOptions {
  /**
   * So long after its deadline a value is given at once, while it is computed anew in the background, once; `null` for not at all, the
   * default.
   */
  readonly staleWhileRevalidate?: Duration | null | undefined;
  /** So long after its deadline a value is given when the computation of a new one fails; `null` for not at all, the default. */
  readonly staleIfError?: Duration | null | undefined;
}

/** Options of {@link Cache}. */
export interface CacheOptions<V = unknown> extends StaleOptions {
  /** How long values live when a call does not say; `null` for ever. Without, the backend's own `ttl` counts. */
  readonly ttl?: Duration | null | undefined;
  /**
   * By which part of it a ttl is shortened at most, at random, so that what was stored together does not expire together: 0 (the default)
   * to 1. With 0.1 an hour becomes 54 to 60 minutes.
   */
  readonly jitter?: number | undefined;
  /**
   * How long an entry stays after its deadline where no stale option says longer, so that `fetchWithTtl` can tell an expired entry from one
   * that never was; as long again as the ttl by default, at most a minute. `null` for not at all.
   */
  readonly keepExpired?: Duration | null | undefined;
  /** What `getOrSet` does when the backend fails; `'compute'` by default. */
  readonly onBackendError?: OnBackendError | undefined;
  /**
   * Whether processes that share the backend compute a key one at a time; by default where `capabilities.conditionalSet` is `'storage'`.
   * `true` is refused elsewhere.
   */
  readonly locks?: boolean | undefined;
  /** How long a lock outlives a process that crashed while it computed; 10 seconds by default. Renewed while it computes. */
  readonly lockTtl?: Duration | undefined;
  /** How long another process's computation is waited for, before it is computed here as well; 30 seconds by default. */
  readonly lockTimeout?: Duration | undefined;
  /** How values become bytes, over a backend of bytes; `json()` by default. */
  readonly codec?: Codec<V> | undefined;
  /** The time; the backend's own by default. */
  readonly clock?: Clock | undefined;
  /** A source of numbers from 0 up to but not 1, for `jitter` and pauses; `Math.random` by default. */
  readonly random?: (() => number) | undefined;
  /**
   * Told of what no caller is told of: a computation that failed in the background or was covered by a stale value, and what the backend
   * failed at where `onBackendError` is `'compute'`. Emits a process warning by default.
   */
  readonly report?: ((error: unknown, key: string) => void) | undefined;
  /** Whether `close` closes the backend too; `false` by default. */
  readonly closesBackend?: boolean | undefined;
}

/** The names of {@link CacheOptions}. */
export const CACHE_OPTIONS = [
  ...['ttl', 'jitter', 'keepExpired', 'staleWhileRevalidate', 'staleIfError', 'onBackendError', 'locks', 'lockTtl'],
  ...['lockTimeout', 'codec', 'clock', 'random', 'report', 'closesBackend'],
];

/** Options of `put`. */
export interface PutOptions extends SignalOption {
  /** Time to live, from now; `null` for ever. Positive and finite. */
  readonly ttl?: Duration | null | undefined;
  /** What the value depends on; see {@link Cache.invalidateTags}. */
  readonly tags?: Iterable<string> | undefined;
}

/** The names of {@link PutOptions}. */
export const PUT_OPTIONS = ['ttl', 'tags', 'signal'];

/** Options of `getOrSet`. A value that somebody else computes meanwhile is stored as that caller said. */
export interface GetOrSetOptions extends PutOptions, StaleOptions {
  /** What to do when the backend fails; by default what the cache's options say. */
  readonly onBackendError?: OnBackendError | undefined;
}

/** The names of {@link GetOrSetOptions}. */
export const GET_OR_SET_OPTIONS = [...PUT_OPTIONS, 'staleWhileRevalidate', 'staleIfError', 'onBackendError'];

/** What to clear. */
export interface ClearOptions extends SignalOption {
  /** Every key that starts with it and a colon. */
  readonly namespace?: string | undefined;
  /** One key; does not count where there is a namespace. */
  readonly key?: string | undefined;
}

/** The names of {@link ClearOptions}. */
export const CLEAR_OPTIONS = ['namespace', 'key', 'signal'];

/** What `fetchWithTtl` finds. */
export type Fetched<V> =
  /** There is no such entry. */
  | { readonly state: 'missing' }
  /** There is one, but its time is over. */
  | { readonly state: 'expired' }
  /** There is one, which lives for `ttl` milliseconds more; `null` for ever. */
  | { readonly state: 'hit'; readonly value: V; readonly ttl: number | null };

/** A value whose time is over. */
export interface StaleValue<V> {
  readonly value: V;
  /** For how many milliseconds it has been. */
  readonly expiredFor: number;
}

/** What a computation is told, and what it may say. */
export interface ComputeContext<V = unknown> {
  /** The key to compute. */
  readonly key: string;
  /** Aborted once nobody waits for the value any more. */
  readonly signal: AbortSignal;
  /** The value so far, if it is still there. Not one whose tags were invalidated. */
  readonly stale: StaleValue<V> | undefined;
  /** Time to live of what is computed; `null` for ever. What was given to `getOrSet` (or the cache), until it is set. */
  ttl: Duration | null | undefined;
  /** The tags of what is computed. What was given to `getOrSet`, until it is set. */
  tags: Iterable<string>;
  /** Lets what is returned not be stored. */
  skip(): undefined;
}

/** Computes a value; what gives `undefined` is not stored. */
export type Compute<V> = (context: ComputeContext<V>) => Awaitable<V>;

/** What has happened since the cache was made, or its statistics were reset. */
export interface CacheStatistics {
  /** Calls that were answered with a fresh stored value. */
  readonly hits: number;
  /** Calls that found none. */
  readonly misses: number;
  /** Those of the misses that were answered with a stale value. */
  readonly staleHits: number;
  /** Computations begun. */
  readonly computations: number;
  /** Computations failed. */
  readonly errors: number;
  /** Calls that waited for a computation that another had begun, in this process or in another. */
  readonly waits: number;
  /** Operations that the backend failed at. */
  readonly backendErrors: number;
}
