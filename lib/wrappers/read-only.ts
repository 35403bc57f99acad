import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError, UnsupportedError } from '../errors.js';
import { show } from '../show.js';
import { delegate, LEVELLED, over, without } from './delegate.js';

/** Options of {@link readOnly}. */
export interface ReadOnlyOptions extends BackendOptions {
  /**
   * What becomes of writes and deletes: `'discard'`, the default: `set` and `delete` answer `false`, the others do nothing; `'throw'`: they
   * reject with an `UnsupportedError`.
   */
  readonly writes?: 'discard' | 'throw' | undefined;
}

/**
 * A backend that can be read and listed, but not changed (shitty_tools' `ReadOnlyDict`). `update`, `increment`, `touch` and conditions are refused.
 *
 * @example
 * const replica = readOnly(files('/mnt/replica'));
 * @throws InvalidArgumentError for options that there are not
 */
export function readOnly<V>(backend: Backend<V>, options: ReadOnlyOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'writes'], 'readOnly');
  const { writes = 'discard', ...rest } = options;
  if (writes !== 'discard' && writes !== 'throw') {
    throw new InvalidArgumentError(`readOnly: writes must be 'discard' or 'throw'; got ${show(writes)}`);
  }
  const inner = backend.driver;
  const name = `read-only ${inner.name}`;
  const refuse = <T>(answer: T): T => {
    if (writes === 'discard') return answer;
    throw new UnsupportedError(`${name} takes no writes; write to what it is made of`);
  };
  const driver = delegate(
    inner,
    {
      name,
      capabilities: Object.freeze({ ...without(inner.capabilities, ...LEVELLED), writable: false }),
      write: () => refuse(false),
      remove: () => refuse(false),
      removeMany: () => refuse(0),
      clear: () => refuse(undefined),
      locate: inner.locate?.bind(inner),
    },
    ['write', 'remove', 'keep'],
  );
  return over(backend, driver, rest);
}
