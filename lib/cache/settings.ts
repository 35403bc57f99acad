import type { Backend } from '../backend/backend.js';
import { checkSignal } from '../backend/bounded.js';
import { checkOptions } from '../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../backend/duration.js';
import { InvalidArgumentError, OutOfRangeError, UnsupportedError } from '../errors.js';
import { show } from '../show.js';
import {
  CACHE_OPTIONS,
  type CacheOptions,
  GET_OR_SET_OPTIONS,
  type GetOrSetOptions,
  type OnBackendError,
} from './options.js';
import type { Tags } from './tags.js';

/** A cache's options, checked; durations in milliseconds, 0 for not at all. */
export interface Settings {
  readonly ttl: number | null | undefined;
  readonly jitter: number;
  readonly keepExpired: number | undefined;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly onBackendError: OnBackendError;
  readonly locks: boolean;
  readonly lockTtl: number;
  readonly lockTimeout: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: (error: unknown, key: string) => void;
}

/** What a call of `getOrSet` asks for, checked. */
export interface Plan {
  readonly ttl: number | null | undefined;
  readonly tags: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly onBackendError: OnBackendError;
}

/** Checks the options of a cache. */
export function settingsOf<V>(backend: Backend<unknown>, options: CacheOptions<V>): Settings {
  checkOptions(options, CACHE_OPTIONS, 'Cache');
  const { jitter = 0, onBackendError = 'compute', codec, closesBackend = false } = options;
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    throw new OutOfRangeError(`Cache: jitter must be a number from 0 to 1; got ${show(jitter)}`);
  }
  checkOnBackendError(onBackendError, 'Cache');
  checkFunctions(options);
  if (typeof closesBackend !== 'boolean') {
    throw new InvalidArgumentError(`Cache: closesBackend must be true or false; got ${show(closesBackend)}`);
  }
  if (codec !== undefined && backend.capabilities.values !== 'bytes') {
    throw new InvalidArgumentError(
      `Cache: ${backend.name} holds objects, so there is nothing to encode; leave codec out, or give a backend of bytes`,
    );
  }
  return {
    ttl: toTtl(options.ttl),
    jitter,
    keepExpired: options.keepExpired === undefined ? undefined : toLength(options.keepExpired, 'keepExpired'),
    staleWhileRevalidate: toLength(options.staleWhileRevalidate, 'staleWhileRevalidate'),
    staleIfError: toLength(options.staleIfError, 'staleIfError'),
    onBackendError,
    locks: locksOf(backend, options.locks),
    lockTtl: toMilliseconds(options.lockTtl ?? '10s', 'lockTtl'),
    lockTimeout: toMilliseconds(options.lockTimeout ?? '30s', 'lockTimeout'),
    clock: options.clock ?? backend.driver.clock ?? Date.now,
    random: options.random ?? Math.random,
    report: guarded(options.report ?? warn),
  };
}

/** What a call asks for when it says nothing. */
export function defaultPlan({ staleWhileRevalidate, staleIfError, onBackendError }: Settings): Plan {
  const silent = { ttl: undefined, tags: [], signal: undefined };
  return { ...silent, staleWhileRevalidate, staleIfError, onBackendError };
}

/** Checks the options of `getOrSet`. */
export function planOf(options: GetOrSetOptions, usual: Plan, tags: Tags): Plan {
  checkOptions(options, GET_OR_SET_OPTIONS, 'getOrSet');
  const { signal, staleWhileRevalidate, staleIfError, onBackendError = usual.onBackendError } = options;
  checkSignal(signal, 'getOrSet');
  checkOnBackendError(onBackendError, 'getOrSet');
  return {
    ttl: toTtl(options.ttl),
    tags: options.tags === undefined ? usual.tags : tags.check(options.tags, 'getOrSet'),
    signal,
    staleWhileRevalidate:
      staleWhileRevalidate === undefined
        ? usual.staleWhileRevalidate
        : toLength(staleWhileRevalidate, 'staleWhileRevalidate'),
    staleIfError: staleIfError === undefined ? usual.staleIfError : toLength(staleIfError, 'staleIfError'),
    onBackendError,
  };
}

/** The milliseconds of a time to live, which may be for ever or left open. */
export function toTtl(ttl: Duration | null | undefined): number | null | undefined {
  return ttl == null ? ttl : toMilliseconds(ttl, 'ttl');
}

function toLength(duration: Duration | null | undefined, name: string): number {
  return duration == null ? 0 : toMilliseconds(duration, name);
}

function locksOf(backend: Backend<unknown>, wanted: boolean | undefined): boolean {
  const { conditionalSet } = backend.capabilities;
  if (wanted === undefined) return conditionalSet === 'storage';
  if (typeof wanted !== 'boolean')
    throw new InvalidArgumentError(`Cache: locks must be true or false; got ${show(wanted)}`);
  if (!wanted || conditionalSet === 'storage') return wanted;
  throw new UnsupportedError(
    `Cache: locks between processes need capabilities.conditionalSet 'storage'; ${backend.name} has '${conditionalSet}'`,
  );
}

function checkOnBackendError(value: unknown, what: string): void {
  if (value === 'compute' || value === 'throw') return;
  throw new InvalidArgumentError(`${what}: onBackendError must be 'compute' or 'throw'; got ${show(value)}`);
}

function checkFunctions({ clock, random, report }: Pick<CacheOptions, 'clock' | 'random' | 'report'>): void {
  for (const [name, value] of Object.entries({ clock, random, report })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new InvalidArgumentError(`Cache: ${name} must be a function; got ${show(value)}`);
    }
  }
}

/** What `report` throws must not take the place of what it is told of, nor go unhandled in the background. */
function guarded(report: (error: unknown, key: string) => void): (error: unknown, key: string) => void {
  return (error, key) => {
    try {
      report(error, key);
    } catch (failure) {
      warn(failure, key);
    }
  };
}

function warn(error: unknown, key: string): void {
  const why = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const message = `cache, at ${show(key)}: ${why}`;
  process.emitWarning(message, { type: 'KeepsakeWarning', ...(code !== undefined && { code }) });
}
