import type { Backend } from '../backend/backend.js';
import { bounded } from '../backend/bounded.js';
import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { guarded, type Interceptor } from './intercept.js';

/** Longer timers fire at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * A backend whose operations, opening included, reject with a `TimeoutError` after `limit`. They may still take effect. The same as the option `timeout` of a
 * backend, for one that is part of another: a tier, or a member of `fallback`.
 *
 * @example
 * const pages = fallback([timeout(files('/mnt/shared/pages'), '200ms'), files('./pages')]);
 * @param limit for each operation; of a listing, for each batch
 * @throws OutOfRangeError for a limit that is not positive and finite
 */
export function timeout<V>(
  backend: Backend<V>,
  limit: Duration,
  options: Omit<BackendOptions, 'timeout'> = {},
): Backend<V> {
  checkOptions(
    options,
    BACKEND_OPTIONS.filter((name) => name !== 'timeout'),
    'timeout',
  );
  const milliseconds = Math.min(toMilliseconds(limit, 'limit'), LONGEST);
  const around: Interceptor = ({ operation }, next) => bounded(next, operation, undefined, milliseconds);
  return guarded(backend, around, options);
}
