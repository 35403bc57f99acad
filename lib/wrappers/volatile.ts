import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import type { Change, Driver } from '../backend/driver.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import * as operations from '../backend/operations.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError, UnsupportedError } from '../errors.js';
import { show } from '../show.js';
import { delegate, over } from './delegate.js';

/** Options of {@link volatile}. */
export interface VolatileOptions extends Omit<BackendOptions, 'ttl'> {
  /** How long an entry lives at most, from its last write; with `sliding`, from its last read or write. */
  readonly ttl: Duration;
  /** Whether every read moves the deadline to `ttl` from then; `false` by default. */
  readonly sliding?: boolean | undefined;
}

/**
 * A backend whose entries all expire (PyStorage's `storage.volatile`): at most `ttl` after the write, sooner where the write asks for it. The read that finds
 * an entry expired removes it.
 *
 * With `sliding`, what is read lives `ttl` from then on, whatever the write asked for; `has` is a read too, listings are none.
 *
 * @example
 * const sessions = volatile(files('./sessions'), { ttl: '30m', sliding: true });
 * @throws OutOfRangeError for a `ttl` that is not positive and finite
 * @throws UnsupportedError for `sliding` over a backend that cannot `touch`
 */
export function volatile<V>(backend: Backend<V>, options: VolatileOptions): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'sliding'], 'volatile');
  const { ttl, sliding = false, ...rest } = options;
  const length = toMilliseconds(ttl, 'ttl');
  if (typeof sliding !== 'boolean') {
    throw new InvalidArgumentError(`volatile: sliding must be true or false; got ${show(sliding)}`);
  }
  const inner = backend.driver;
  if (sliding && inner.capabilities.touch === 'none') {
    throw new UnsupportedError(`volatile: sliding needs touch, which ${inner.name} does not support`);
  }
  const now = inner.clock ?? Date.now;
  const end = (): number => Math.ceil(now() + length);
  const until = (expiresAt: number | undefined): number => Math.min(expiresAt ?? Number.POSITIVE_INFINITY, end());
  const renewing: Partial<Driver<V>> = { read: (key) => operations.renew(inner, key, end()) };
  const driver = delegate(
    inner,
    {
      name: `volatile ${inner.name}`,
      ...(sliding ? renewing : {}),
      write: (key, value, expiresAt, condition) => inner.write(key, value, until(expiresAt), condition),
      writeMany: (entries, expiresAt) => operations.writeMany(inner, entries, until(expiresAt)),
      touch: (key, expiresAt) => operations.touch(inner, key, until(expiresAt)),
      renew: (key, expiresAt) => operations.renew(inner, key, until(expiresAt)),
      increment: (key, by, expiresAt) => operations.increment(inner, key, by, until(expiresAt)),
      update: (key, change) =>
        operations.update(inner, key, async (current) => {
          const changed: Change<V> | undefined = await change(current);
          return changed && { value: changed.value, expiresAt: until(changed.expiresAt) };
        }),
    },
    sliding ? ['read', 'write'] : ['write'],
  );
  return over(backend, driver, rest);
}
