import type { Backend } from '../backend/backend.js';
import type { Driver } from '../backend/driver.js';
import { intercept } from './intercept.js';

/**
 * The driver of a backend that is opened when it is first used, by whichever method, so that a failure to open is a failure of that call. For
 * wrappers that go on when one of several backends does not.
 */
export function opening<V>(backend: Backend<V>): Driver<V> {
  const { driver } = backend;
  return intercept(driver, (_, next) => (backend.ready ? next() : backend.open().then(next)), { name: driver.name });
}
