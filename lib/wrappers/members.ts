import { Backend } from '../backend/backend.js';
import { bounded } from '../backend/bounded.js';
import type { Driver } from '../backend/driver.js';
import { toMilliseconds } from '../backend/duration.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { delegate } from './delegate.js';
import { intercept, opening } from './intercept.js';

/** Longer timers fire at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * The drivers of the members of a wrapper: with every method, each opened on use, and bounded by its own `timeout`.
 * @throws InvalidArgumentError for no backends, for what is none, and for a mixture of backends of bytes and of objects
 */
export function complete<V>(backends: readonly Backend<V>[], what: string): Driver<V>[] {
  if (!Array.isArray(backends) || backends.length === 0) {
    throw new InvalidArgumentError(`${what}: a list of at least one backend is expected; got ${show(backends)}`);
  }
  const wrong = backends.find((backend) => !(backend instanceof Backend));
  if (wrong !== undefined) throw new InvalidArgumentError(`${what}: a member must be a Backend; got ${show(wrong)}`);
  if (new Set(backends.map((backend) => backend.capabilities.values)).size > 1) {
    const kinds = backends.map((backend) => `${backend.name} (${backend.capabilities.values})`).join(', ');
    throw new InvalidArgumentError(`${what}: all members must hold bytes, or all objects; got ${kinds}. See encoded`);
  }
  return backends.map((backend) => delegate(inTime(backend), { name: backend.name }));
}

/** What a member was told of its `timeout` must hold although its own methods are passed by. */
function inTime<V>(backend: Backend<V>): Driver<V> {
  const driver = opening(backend);
  const { timeout } = backend.options;
  if (timeout === undefined) return driver;
  const limit = Math.min(toMilliseconds(timeout, 'timeout'), LONGEST);
  return intercept(driver, ({ operation }, next) => bounded(next, operation, undefined, limit), { name: driver.name });
}
