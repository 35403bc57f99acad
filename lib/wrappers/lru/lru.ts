import { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError, type KeepsakeError, OutOfRangeError, UnsupportedError } from '../../errors.js';
import { show } from '../../show.js';
import { inherited } from '../delegate.js';
import { LruDriver } from './driver.js';
import { Order } from './order.js';
import { Recency } from './recency.js';

/** Options of {@link lru}. */
export interface LruOptions extends BackendOptions {
  /** At most so many entries; a whole number from 1. */
  readonly max: number;
  /** How often the order of use is saved, if it has changed; 5 seconds by default, `null` for only when it is closed. */
  readonly saveEvery?: Duration | null | undefined;
  /** Where the order of use is kept, under one key; in the backend itself by default, as one entry more. Closed with the backend. */
  readonly order?: Backend<never> | Backend<Uint8Array> | Backend<unknown> | undefined;
}

const SAVE_EVERY = 5_000;

/**
 * A backend of at most `max` entries (PyStorage's disk-LRU): a new one first takes the place of the one that was used longest ago. Reading and writing are use;
 * listing is not. What has expired goes first.
 *
 * The order of use survives a restart. It is saved in one further entry of the backend itself, which no method shows, or in `order`; after a crash, keys that the saved order does
 * not name count as used last. The entry is JSON text where the backend holds bytes, else an array of strings: over a codec that carries no such
 * thing, give `order`, or put `lru` under `encoded`. A smaller `max` than before removes the surplus when it is opened.
 *
 * It holds all keys in memory. Nobody else may write to the backend underneath: one process for each folder.
 *
 * @example
 * const thumbnails = lru(files('./thumbnails', { extension: '.png' }), { max: 10_000 });
 * @throws OutOfRangeError for a `max` that is no whole number from 1
 * @throws UnsupportedError over a backend that cannot list its keys, be read or be written
 */
export function lru<V>(backend: Backend<V>, options: LruOptions): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'max', 'saveEvery', 'order'], 'lru');
  const { max, saveEvery = SAVE_EVERY, order, ...rest } = options;
  if (!Number.isSafeInteger(max) || max < 1) {
    throw new OutOfRangeError(`lru: max must be a whole number from 1; got ${show(max)}`);
  }
  if (order !== undefined && !(order instanceof Backend)) {
    throw new InvalidArgumentError(`lru: order must be a Backend; got ${show(order)}`);
  }
  const { name, capabilities, driver: inner } = backend;
  for (const need of ['enumerable', 'readable', 'writable'] as const) {
    if (!capabilities[need]) throw new UnsupportedError(`lru needs a backend that is ${need}, which ${name} is not`);
  }
  const defaults = inherited(backend, rest);
  const recency = new Recency();
  const every = saveEvery === null ? undefined : toMilliseconds(saveEvery, 'saveEvery');
  const keeper = (order ?? backend) as unknown as Backend<unknown>;
  const saved = new Order(keeper.driver, every, () => recency.keys(), defaults.report ?? warn);
  const over = (order === undefined ? [backend] : [backend, order]) as unknown as Backend<never>[];
  return new Backend(new LruDriver(inner, { max, recency, order: saved, apart: order !== undefined }), defaults, {
    over,
  });
}

function warn(error: KeepsakeError): void {
  process.emitWarning(error.message, { type: 'KeepsakeWarning', code: error.code });
}
