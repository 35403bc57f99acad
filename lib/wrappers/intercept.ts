import { Backend } from '../backend/backend.js';
import type { Awaitable, Driver } from '../backend/driver.js';
import type { BackendOptions } from '../backend/options.js';
import { delegate, inherited, KINDS, type Kind, OPERATIONS, type Operation, type Own } from './delegate.js';

/** A call of a driver's method, on its way. */
export interface Call {
  readonly operation: Operation | 'open';
  readonly kind: Kind;
  /** What the method was called with. */
  readonly args: readonly unknown[];
}

/** Stands between a caller and a driver: runs `next`, once, several times or never, and answers what the caller gets. */
export type Interceptor = <T>(call: Call, next: () => Awaitable<T>) => Awaitable<T>;

/**
 * The driver of a backend that is opened when it is first used, by whichever method, so that a failure to open is a failure of that call. For
 * wrappers that go on when one of several backends does not.
 */
export function opening<V>(backend: Backend<V>): Driver<V> {
  const { driver } = backend;
  return intercept(driver, (_, next) => (backend.ready ? next() : backend.open().then(next)), { name: driver.name });
}

/** A backend around another all of whose calls go through one function, opening included. */
export function guarded<V>(
  backend: Backend<V>,
  around: Interceptor,
  options: BackendOptions,
  how: { readonly paged?: boolean } = {},
): Backend<V> {
  const { name } = backend;
  const open = async (): Promise<void> => {
    await around({ operation: 'open', kind: 'keep', args: [] }, () => backend.open());
  };
  const driver = intercept(opening(backend), around, { name, open }, how);
  const over = [backend as unknown as Backend<never>];
  return new Backend(driver, inherited(backend, options), { over, opensInner: false });
}

const EVERYTHING = ['read', 'write', 'remove', 'list', 'keep'] as const;

/** What is not asked of the storage, and answers at once. */
const LOCAL: ReadonlySet<Operation> = new Set(['locate']);

/**
 * A driver whose calls all go through one function. A listing that is streamed goes through it batch by batch, or, with `paged`, page by page, so
 * that each step can be repeated.
 */
export function intercept<V>(
  inner: Driver<V>,
  around: Interceptor,
  own: Own<V>,
  { paged = false }: { readonly paged?: boolean } = {},
): Driver<V> {
  const wrapped: { [name: string]: unknown } = { ...own };
  for (const operation of OPERATIONS) {
    const method = inner[operation]?.bind(inner) as ((...args: readonly unknown[]) => Awaitable<unknown>) | undefined;
    if (method === undefined || LOCAL.has(operation) || operation in own) continue;
    const kind = KINDS[operation];
    wrapped[operation] = (...args: readonly unknown[]) => around({ operation, kind, args }, () => method(...args));
  }
  const stream = own.stream ?? (paged ? undefined : inner.stream && throughout(inner.stream.bind(inner), around));
  // What the driver leaves out is made of what goes through `around`.
  const { locate } = inner;
  return delegate(inner, { locate: locate?.bind(inner), ...wrapped, stream } as Own<V>, EVERYTHING);
}

type Stream<V> = NonNullable<Driver<V>['stream']>;

function throughout<V>(stream: Stream<V>, around: Interceptor): Stream<V> {
  return (request) => ({
    [Symbol.asyncIterator]() {
      const batches = stream(request)[Symbol.asyncIterator]();
      const call: Call = { operation: 'stream', kind: 'list', args: [request] };
      return {
        next: async () => around(call, () => batches.next()),
        return: async () => (await batches.return?.()) ?? { done: true, value: undefined },
      };
    },
  });
}
