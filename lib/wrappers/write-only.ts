import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import * as operations from '../backend/operations.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { delegate, over, without } from './delegate.js';

/**
 * A backend that takes writes and deletes, and answers every read with a miss: nothing to list, a count of 0 (shitty_tools'
 * `WriteOnlyDict`). For a member of `tiered` that shall not be read. `update` and `increment`, which tell what is there, are refused.
 *
 * @example
 * const archive = writeOnly(files('/mnt/archive'));
 */
export function writeOnly<V>(backend: Backend<V>, options: BackendOptions = {}): Backend<V> {
  checkOptions(options, BACKEND_OPTIONS, 'writeOnly');
  const inner = backend.driver;
  const driver = delegate(
    inner,
    {
      name: `write-only ${inner.name}`,
      capabilities: Object.freeze({
        ...without(inner.capabilities, 'update', 'increment'),
        ordered: false,
        watch: false,
        readable: false,
      }),
      read: () => undefined,
      readMany: (keys) => keys.map(() => undefined),
      scan: () => ({ entries: [] }),
      count: () => 0,
      renew: async (key, expiresAt) => {
        await operations.renew(inner, key, expiresAt);
        return undefined;
      },
    },
    ['read', 'list'],
  );
  return over(backend, driver, options);
}
