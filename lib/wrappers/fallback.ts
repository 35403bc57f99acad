import { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import type { Driver, ListedEntry, ScanRequest } from '../backend/driver.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { delegate, KINDS, OPERATIONS, type Own, shared, shortestLimit } from './delegate.js';
import { isFailure } from './failing.js';
import { complete } from './members.js';

/** Options of {@link fallback}. */
export interface FallbackOptions extends BackendOptions {
  /**
   * Whether the next backend is tried after an error. By default after every failure of the backend; not after what would fail anywhere, such as a wrong
   * key, a lost race (`ConflictError`) or a value that cannot be encoded.
   */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** Told of every failure that another backend made good. */
  readonly onFallback?: ((error: unknown, failed: string) => void) | undefined;
}

/**
 * Each operation goes to the first of several backends, and to the next where that fails; the last error is the caller's. A miss is no failure.
 *
 * What one backend took while the others were down the others do not have, and when the first is back it answers as it did before: for
 * caches, counters of a rate limit and other things that may be forgotten. Guarantees hold as long as the same backend answers. Put a `timeout`
 * and a `circuitBreaker` around each member, so that a slow one is left alone.
 *
 * @example
 * const counters = fallback([files('/mnt/shared/counters'), files('./counters')]);
 * @throws InvalidArgumentError for no backends, or such as hold different kinds of values
 */
export function fallback<V>(backends: readonly Backend<V>[], options: FallbackOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'when', 'onFallback'], 'fallback');
  const { when = isFailure, onFallback, ...rest } = options;
  for (const [name, given] of Object.entries({ when, onFallback })) {
    if (typeof given === 'function' || (name === 'onFallback' && given === undefined)) continue;
    throw new InvalidArgumentError(`fallback: ${name} must be a function; got ${show(given)}`);
  }
  const members = complete(backends, 'fallback');
  const driver = delegate(members[0] as Driver<V>, new Fallback(members, when, onFallback).driver, ['keep']);
  return new Backend(driver, rest, { over: backends as unknown as Backend<never>[], opensInner: false });
}

type Methods = { readonly [name: string]: (...args: readonly unknown[]) => unknown };

class Fallback<V> {
  readonly driver: Own<V>;
  readonly #members: readonly Driver<V>[];
  readonly #when: (error: unknown) => boolean;
  readonly #onFallback: ((error: unknown, failed: string) => void) | undefined;

  constructor(
    members: readonly Driver<V>[],
    when: (error: unknown) => boolean,
    onFallback: ((error: unknown, failed: string) => void) | undefined,
  ) {
    this.#members = members;
    this.#when = when;
    this.#onFallback = onFallback;
    const own: { [name: string]: unknown } = {};
    for (const operation of OPERATIONS) {
      if (KINDS[operation] === 'keep') continue;
      own[operation] = (...args: readonly unknown[]) =>
        this.#first(async (member) => (member as unknown as Methods)[operation]?.(...args));
    }
    this.driver = {
      ...own,
      name: members.map(({ name }) => name).join(', else '),
      capabilities: shared(members),
      keyLimit: shortestLimit(members),
      scan: (request) => this.#scan(request),
      stream: (request) => this.#stream(request),
      sweep: async () => {
        const swept = await Promise.allSettled(members.map(async (member) => member.sweep?.() ?? 0));
        return swept.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
      },
    };
  }

  async #first<T>(work: (member: Driver<V>, at: number) => Promise<T>): Promise<T> {
    for (let at = 0; ; at++) {
      const member = this.#members[at] as Driver<V>;
      try {
        return await work(member, at);
      } catch (error) {
        if (at === this.#members.length - 1 || !this.#when(error)) throw error;
        this.#onFallback?.(error, member.name);
      }
    }
  }

  /** Only the first page may go to another member: a cursor is worth nothing there. */
  async #scan(request: ScanRequest): Promise<Awaited<ReturnType<Driver<V>['scan']>>> {
    const [, number, rest] = /^([0-9]+):(.*)$/s.exec(request.cursor ?? '') ?? [];
    const cursorOf = (at: number, cursor: string | undefined) => (cursor === undefined ? undefined : `${at}:${cursor}`);
    if (request.cursor === undefined) {
      return this.#first(async (member, at) => {
        const page = await member.scan(request);
        return { ...page, cursor: cursorOf(at, page.cursor) };
      });
    }
    const member = this.#members[Number(number)];
    if (member === undefined) {
      throw new InvalidArgumentError(`page: cursor must be what the page before gave; got ${show(request.cursor)}`);
    }
    const page = await member.scan({ ...request, cursor: rest });
    return { ...page, cursor: cursorOf(Number(number), page.cursor) };
  }

  /** A listing goes to another member as long as nothing of it was given. */
  async *#stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<V>[]> {
    const { batches, begun } = await this.#first(async (member) => {
      const iterator = (member.stream as NonNullable<Driver<V>['stream']>)(request)[Symbol.asyncIterator]();
      return { batches: iterator, begun: await iterator.next() };
    });
    try {
      for (let batch = begun; !batch.done; batch = await batches.next()) yield batch.value;
    } finally {
      await batches.return?.();
    }
  }
}
