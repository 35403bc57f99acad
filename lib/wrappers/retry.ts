import { setTimeout } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError, KeepsakeError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import { type Call, guarded } from './intercept.js';

/** Options of {@link retry}. */
export interface RetryOptions extends BackendOptions {
  /** How often an operation is tried in all; a whole number from 1, by default 3. */
  readonly attempts?: number | undefined;
  /** The wait before the second try; it doubles with each further one; 50 milliseconds by default. */
  readonly delay?: Duration | undefined;
  /** The longest wait; 2 seconds by default. */
  readonly maxDelay?: Duration | undefined;
  /** Whether to try again after an error; by default where the error is `retryable`. */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** A number from 0 to less than 1; `Math.random` by default. */
  readonly random?: (() => number) | undefined;
}

/**
 * A backend that tries again what failed, after a wait: half of it fixed, half at random, so that many callers do not come back at once.
 *
 * Tried again is only what does no harm when it was done already and only the answer was lost: reads, listings, plain writes, deletes and `touch`. A
 * `set` or `delete` with a condition, `increment` and `update` are not. A `delete` that took effect at its first try answers `false` at the
 * second.
 *
 * @throws OutOfRangeError for `attempts` that are no whole number from 1, and for delays that are not positive and finite
 */
export function retry<V>(backend: Backend<V>, options: RetryOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'attempts', 'delay', 'maxDelay', 'when', 'random'], 'retry');
  const { attempts = 3, delay = 50, maxDelay = 2000, when = isRetryable, random = Math.random, ...rest } = options;
  if (!Number.isSafeInteger(attempts) || attempts < 1) {
    throw new OutOfRangeError(`retry: attempts must be a whole number from 1; got ${show(attempts)}`);
  }
  for (const [name, given] of Object.entries({ when, random })) {
    if (typeof given !== 'function') {
      throw new InvalidArgumentError(`retry: ${name} must be a function; got ${show(given)}`);
    }
  }
  const first = toMilliseconds(delay, 'delay');
  const longest = toMilliseconds(maxDelay, 'maxDelay');
  const around = async <T>(call: Call, next: () => T | Promise<T>): Promise<T> => {
    if (!isRepeatable(call)) return next();
    for (let attempt = 1; ; attempt++) {
      try {
        return await next();
      } catch (error) {
        if (attempt >= attempts || !when(error)) throw error;
        await setTimeout(Math.min(longest, first * 2 ** (attempt - 1)) * (0.5 + random() / 2));
      }
    }
  };
  // A batch that failed cannot be asked for again, a page can.
  return guarded(backend, around, rest, { paged: true });
}

function isRetryable(error: unknown): boolean {
  return error instanceof KeepsakeError && error.retryable;
}

const ONCE: ReadonlySet<string> = new Set(['increment', 'update', 'setAside']);

function isRepeatable({ operation, args }: Call): boolean {
  if (operation === 'write') return args[3] === undefined;
  if (operation === 'remove') return args[1] === undefined;
  return !ONCE.has(operation);
}
