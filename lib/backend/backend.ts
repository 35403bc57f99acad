import {
  CorruptDataError,
  InvalidArgumentError,
  isKeepsakeError,
  KeepsakeError,
  OutOfRangeError,
  StorageError,
  UnsupportedError,
} from '../errors.js';
import { show } from '../show.js';
import { bounded, checkSignal } from './bounded.js';
import type { Capabilities } from './capabilities.js';
import {
  checkCondition,
  checkIterable,
  checkKey,
  checkNamespace,
  checkOnCorrupt,
  checkPair,
  checkPrefix,
  MAXIMUM_KEY_BYTES,
  toBytes,
  toTime,
} from './checks.js';
import type { Awaitable, Condition, Counter, Driver, Entry, ListedEntry } from './driver.js';
import { type Duration, toMilliseconds } from './duration.js';
import { Lifecycle } from './lifecycle.js';
import { NamespaceDriver } from './namespace.js';
import * as operations from './operations.js';
import type {
  BackendOptions,
  ClearAllOptions,
  DeleteOptions,
  ExpiryOptions,
  GetOptions,
  IncrementOptions,
  Input,
  ListOptions,
  PageOptions,
  PrefixOptions,
  SetOptions,
  SignalOption,
} from './options.js';
import { Watch } from './watch.js';

/** How a backend stands on others: for the authors of wrappers. */
export interface Composition {
  /** The backends underneath. */
  readonly over?: readonly Backend<never>[];
  /**
   * Whether they are opened before this one, which fails where one of them does; `true` by default. With `false` the driver opens
   * each when it needs it, see `opening`.
   */
  readonly opensInner?: boolean;
  /** Whether `close` closes the backends underneath too; `true` by default. */
  readonly closesInner?: boolean;
}

/**
 * An async `Map` from keys to values, with expiry, conditions and namespaces, over any engine.
 *
 * - A missing or expired entry is `undefined`; every failure rejects with a {@link KeepsakeError}. A failure is never a miss.
 * - Keys are well-formed text of 1 to 1,024 UTF-8 bytes, and opaque: two different strings are two different entries.
 * - The first operation opens the backend; a closed one rejects with a `ClosedError`.
 * - What the engine cannot promise is refused with an `UnsupportedError`, see {@link Backend.capabilities}.
 *
 * Every method takes a `signal`; an aborted one rejects with the signal's reason.
 */
export class Backend<V = Uint8Array> implements AsyncDisposable, AsyncIterable<[string, V]> {
  readonly #driver: Driver<V>;
  readonly #lifecycle: Lifecycle;
  readonly #ttl: number | undefined;
  readonly #timeout: number | undefined;
  readonly #keyLimit: number;
  readonly #bytes: boolean;
  readonly #options: BackendOptions;

  /** For the authors of drivers and wrappers; others call a function such as `memory()` or `files()`. */
  constructor(driver: Driver<V>, options: BackendOptions = {}, composition: Composition = {}) {
    this.#driver = driver;
    this.#ttl = options.ttl == null ? undefined : toMilliseconds(options.ttl, 'ttl');
    this.#timeout =
      options.timeout === undefined ? undefined : Math.min(toMilliseconds(options.timeout, 'timeout'), 2 ** 31 - 1);
    this.#options = options;
    checkOnCorruptOf(options.onCorrupt, driver);
    this.#keyLimit = driver.keyLimit ?? MAXIMUM_KEY_BYTES;
    this.#bytes = driver.capabilities.values === 'bytes';
    const inner = (composition.over ?? []).map((backend) => (backend as unknown as Backend<unknown>).#lifecycle);
    const { opensInner = true, closesInner = true } = composition;
    this.#lifecycle = new Lifecycle(driver, opensInner ? inner : [], closesInner ? inner : []);
  }

  /** What this backend can do. */
  get capabilities(): Capabilities {
    return this.#driver.capabilities;
  }

  /** What this backend is, for messages, such as `'memory'`. */
  get name(): string {
    return this.#driver.name;
  }

  /** The driver underneath, for the authors of wrappers: arguments given to it must be checked already. */
  get driver(): Driver<V> {
    return this.#driver;
  }

  /** The defaults that it was opened with, for the authors of wrappers, which hand them on. */
  get options(): BackendOptions {
    return this.#options;
  }

  /** Whether it is open, so that operations run at once; for the authors of wrappers. */
  get ready(): boolean {
    return this.#lifecycle.ready;
  }

  /**
   * The value of a key, or `undefined`.
   * With `renewFor`, the deadline is moved as well, if the entry has one.
   * @throws UnsupportedError for `renewFor` where `capabilities.touch` is `'none'`
   */
  async get(key: string, options?: GetOptions): Promise<V | undefined> {
    checkKey(key, 'get', this.#keyLimit);
    if (options !== undefined || this.#timeout !== undefined) return (await this.#read('get', key, options))?.value;
    try {
      if (!this.#lifecycle.ready) await this.#lifecycle.open('get');
      const reading = this.#driver.read(key, true);
      return (reading instanceof Promise ? await reading : reading)?.value;
    } catch (error) {
      throw this.#explain(error, 'get', key);
    }
  }

  /** The value of a key with its deadline and version, or `undefined`. */
  async getEntry(key: string, options?: SignalOption): Promise<Entry<V> | undefined> {
    checkKey(key, 'getEntry', this.#keyLimit);
    const entry = await this.#run('getEntry', key, options, () => operations.readEntry(this.#driver, key));
    return entry && { value: entry.value, expiresAt: entry.expiresAt, version: entry.version };
  }

  #read(operation: string, key: string, options: GetOptions | undefined): Promise<Entry<V> | undefined> {
    const renewFor = options?.renewFor;
    if (renewFor === undefined) return this.#run(operation, key, options, () => this.#driver.read(key, true));
    this.#need('touch', operation, 'renewFor');
    const length = toMilliseconds(renewFor, 'renewFor');
    return this.#run(operation, key, options, () =>
      operations.renew(this.#driver, key, this.#deadlineIn(length, operation)),
    );
  }

  /**
   * Stores a value, and its deadline, in place of both that were there.
   * @returns `false` when it was not applied: the condition was not met, or a wrapper discards writes
   * @throws InvalidArgumentError for `undefined`, and for what the backend does not hold
   * @throws OutOfRangeError for a `ttl` that is not positive and finite
   * @throws UnsupportedError for `if` where `capabilities.conditionalSet` is `'none'`
   */
  async set(key: string, value: Input<V>, options?: SetOptions): Promise<boolean> {
    checkKey(key, 'set', this.#keyLimit);
    const stored = this.#toStored(value, 'set', key);
    if (options !== undefined || this.#timeout !== undefined || this.#ttl !== undefined) {
      return this.#write(key, stored, options ?? {});
    }
    try {
      if (!this.#lifecycle.ready) await this.#lifecycle.open('set');
      const writing = this.#driver.write(key, stored, undefined, undefined);
      return writing instanceof Promise ? await writing : writing;
    } catch (error) {
      throw this.#explain(error, 'set', key);
    }
  }

  #write(key: string, value: V, options: SetOptions): Promise<boolean> {
    const condition = options.if;
    if (condition !== undefined) {
      checkCondition(condition, 'set');
      this.#need('conditionalSet', 'set', 'if');
    }
    const expiresAt = this.#deadline(options, 'set');
    return this.#run('set', key, options, () => this.#driver.write(key, value, expiresAt, condition));
  }

  /** Whether the key is there and has not expired. */
  async has(key: string, options?: SignalOption): Promise<boolean> {
    checkKey(key, 'has', this.#keyLimit);
    return (await this.#read('has', key, options)) !== undefined;
  }

  /**
   * Removes an entry.
   * @returns whether it was there, and met the condition
   * @throws UnsupportedError for a version where `capabilities.conditionalDelete` is `'none'`
   */
  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    checkKey(key, 'delete', this.#keyLimit);
    const condition = options?.if;
    if (condition !== undefined) {
      checkCondition(condition, 'delete');
      if ((condition as Condition) === 'absent') {
        throw new InvalidArgumentError(`delete: if must be 'present' or { version }; got "absent"`);
      }
      this.#need('conditionalDelete', 'delete', 'if');
    }
    return this.#run('delete', key, options, () => this.#driver.remove(key, condition));
  }

  /**
   * Moves the deadline of an entry to `ttl` from now, or to never with `null`. The value and its version stay.
   * @returns whether it was there
   * @throws UnsupportedError where `capabilities.touch` is `'none'`
   */
  async touch(key: string, ttl: Duration | null, options?: SignalOption): Promise<boolean> {
    checkKey(key, 'touch', this.#keyLimit);
    this.#need('touch', 'touch');
    const length = ttl === null ? undefined : toMilliseconds(ttl, 'ttl');
    return this.#run('touch', key, options, () =>
      operations.touch(this.#driver, key, length === undefined ? undefined : this.#deadlineIn(length, 'touch')),
    );
  }

  /**
   * Changes an entry by a function of its value, atomically at the level of `capabilities.update`. The function may run again when
   * somebody else was faster; it must not update the same key itself.
   *
   * The deadline is kept unless `options` gives another; a new entry gets the backend's `ttl`.
   * @param change gets the value, or `undefined`; answers the new one, or `undefined` to leave the entry as it is
   * @returns the value that is stored then
   * @throws ConflictError when others were faster 100 times in a row
   * @throws UnsupportedError where `capabilities.update` is `'none'`
   */
  async update(
    key: string,
    change: (current: V | undefined) => Awaitable<Input<V> | undefined>,
    options: ExpiryOptions = {},
  ): Promise<V | undefined> {
    checkKey(key, 'update', this.#keyLimit);
    if (typeof change !== 'function') {
      throw new InvalidArgumentError(`update: change must be a function; got ${show(change)}`);
    }
    this.#need('update', 'update');
    const given = options.ttl !== undefined || options.expiresAt !== undefined;
    this.#deadline(options, 'update');
    const changer: operations.Changer<V> = async (current) => {
      let value: Input<V> | undefined;
      try {
        value = await change(current?.value);
      } catch (error) {
        throw new Thrown(error);
      }
      if (value === undefined) return undefined;
      const expiresAt = given || current === undefined ? this.#deadline(options, 'update') : current.expiresAt;
      return { value: this.#toStored(value, 'update', key), expiresAt };
    };
    const entry = await this.#run('update', key, options, () => operations.update(this.#driver, key, changer));
    return entry?.value;
  }

  /**
   * Adds `by` to a counter, which starts at 0. In a backend of bytes a counter is decimal text, in one of objects a number.
   * The deadline is set only when the counter is created.
   * @param by any safe integer; 1 by default
   * @throws NotAnIntegerError when what is stored is no integer
   * @throws OutOfRangeError for a step or a sum that is no safe integer
   * @throws UnsupportedError where `capabilities.increment` is `'none'`
   */
  async increment(key: string, by = 1, options: IncrementOptions = {}): Promise<Counter> {
    checkKey(key, 'increment', this.#keyLimit);
    if (!Number.isSafeInteger(by)) throw new OutOfRangeError(`increment: by must be a safe integer; got ${show(by)}`);
    this.#need('increment', 'increment');
    const expiresAt = this.#deadline(options, 'increment');
    return this.#run('increment', key, options, () => operations.increment(this.#driver, key, by, expiresAt));
  }

  /** The values of keys, in the order asked; `undefined` for the missing. */
  async getMany(keys: Iterable<string>, options?: SignalOption): Promise<(V | undefined)[]> {
    const wanted = this.#checkKeys(keys, 'getMany');
    const entries = await this.#run('getMany', undefined, options, () =>
      wanted.length === 0 ? [] : operations.readMany(this.#driver, wanted, true),
    );
    return entries.map((entry) => entry && this.#own(entry.value));
  }

  /**
   * Stores many entries with one deadline. All are checked before the first is written; of a key given twice the last counts. A
   * failure may leave some of them stored.
   */
  async setMany(entries: Iterable<readonly [string, Input<V>]>, options: ExpiryOptions = {}): Promise<void> {
    checkIterable(entries, 'setMany', 'entries');
    const stored = new Map<string, V>();
    for (const entry of entries) {
      checkPair(entry, 'setMany');
      const [key, value] = entry;
      checkKey(key, 'setMany', this.#keyLimit);
      stored.set(key, this.#toStored(value, 'setMany', key));
    }
    const expiresAt = this.#deadline(options, 'setMany');
    await this.#run('setMany', undefined, options, () =>
      stored.size === 0 ? undefined : operations.writeMany(this.#driver, [...stored], expiresAt),
    );
  }

  /** Removes many entries; how many were there. */
  async deleteMany(keys: Iterable<string>, options?: SignalOption): Promise<number> {
    const unwanted = [...new Set(this.#checkKeys(keys, 'deleteMany'))];
    return this.#run('deleteMany', undefined, options, () =>
      unwanted.length === 0 ? 0 : operations.removeMany(this.#driver, unwanted),
    );
  }

  /**
   * The keys, streamed. A key that is there throughout is yielded once; in the order of UTF-8 bytes where `capabilities.ordered`.
   * @throws UnsupportedError where keys cannot be listed, and for `after` where they are not ordered
   */
  async *keys(options: ListOptions = {}): AsyncGenerator<string, void, undefined> {
    for await (const batch of this.#list('keys', options, false)) {
      for (const { key } of batch) {
        yield key;
        options.signal?.throwIfAborted();
      }
    }
  }

  /** The keys with their values, streamed; see {@link Backend.keys}. */
  async *entries(options: ListOptions = {}): AsyncGenerator<[string, V], void, undefined> {
    for await (const batch of this.entryBatches(options)) {
      for (const entry of batch) {
        yield entry;
        options.signal?.throwIfAborted();
      }
    }
  }

  /** The keys with their values in batches, as the engine gives them: faster than {@link Backend.entries} where there are many. */
  async *entryBatches(options: ListOptions = {}): AsyncGenerator<[string, V][], void, undefined> {
    for await (const listed of this.#list('entries', options, true)) {
      const batch: [string, V][] = [];
      for (const { key, value, error } of listed) {
        if (value !== undefined) batch.push([key, this.#own(value)]);
        else if (error !== undefined) await this.#leaveOut(key, error);
      }
      if (batch.length > 0) yield batch;
    }
  }

  /** The values, streamed; see {@link Backend.keys}. */
  async *values(options: ListOptions = {}): AsyncGenerator<V, void, undefined> {
    for await (const [, value] of this.entries(options)) yield value;
  }

  /** The entries; the same as `entries()`. */
  [Symbol.asyncIterator](): AsyncGenerator<[string, V], void, undefined> {
    return this.entries();
  }

  async #leaveOut(key: string, error: KeepsakeError): Promise<void> {
    const { onCorrupt = 'report', report = warn } = this.#options;
    error.operation = 'entries';
    error.key = key;
    if (onCorrupt === 'throw') throw error;
    // What cannot be decrypted may be whole: perhaps only the key is missing.
    if (onCorrupt === 'report' || error.code === 'KEEPSAKE_DECRYPT') return report(error);
    const place = await this.#run('entries', key, undefined, () => this.#driver.setAside?.(key));
    report(new CorruptDataError(`${error.message} (moved to ${place})`, { key, path: place, cause: error }));
  }

  async *#list(
    operation: string,
    options: ListOptions,
    values: boolean,
  ): AsyncGenerator<readonly ListedEntry<V>[], void, undefined> {
    this.#needEnumerable(operation);
    const { prefix = '', after, signal } = options;
    checkPrefix(prefix, operation);
    checkSignal(signal, operation);
    if (after !== undefined) {
      checkKey(after, operation, this.#keyLimit);
      if (!this.capabilities.ordered) this.#refuse(operation, 'after, since its keys have no order');
    }
    const request = { prefix, after, limit: operations.PAGE_LIMIT, values };
    await this.#run(operation, undefined, { signal }, () => undefined);
    const batches = operations.stream(this.#driver, request)[Symbol.asyncIterator]();
    let waiting = false;
    try {
      for (;;) {
        waiting = true;
        const { done, value } = await this.#run(operation, undefined, { signal }, () => batches.next());
        waiting = false;
        if (done) return;
        yield value;
      }
    } finally {
      const returning = batches.return?.();
      // A page that was given up may never come, and what is suspended at it cannot return before.
      if (waiting) returning?.catch(() => undefined);
      else await returning;
    }
  }

  /**
   * One page of keys. A page may hold fewer than `limit`, even none, while there is a `cursor`; the last page has none.
   * @throws OutOfRangeError for a limit that is not 1 to 10,000
   */
  async page(options: PageOptions = {}): Promise<{ keys: string[]; cursor?: string }> {
    this.#needEnumerable('page');
    const { prefix = '', limit = operations.PAGE_LIMIT, cursor } = options;
    checkPrefix(prefix, 'page');
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
      throw new OutOfRangeError(`page: limit must be a whole number from 1 to 10,000; got ${show(limit)}`);
    }
    if (cursor !== undefined && typeof cursor !== 'string') {
      throw new InvalidArgumentError(`page: cursor must be what the page before gave; got ${show(cursor)}`);
    }
    const page = await this.#run('page', undefined, options, () =>
      this.#driver.scan({ prefix, limit, cursor, values: false }),
    );
    const keys = page.entries.map((entry) => entry.key);
    return page.cursor === undefined ? { keys } : { keys, cursor: page.cursor };
  }

  /** How many keys there are. */
  async count(options: PrefixOptions = {}): Promise<number> {
    this.#needEnumerable('count');
    const { prefix = '' } = options;
    checkPrefix(prefix, 'count');
    return this.#run('count', undefined, options, () => operations.count(this.#driver, prefix));
  }

  /**
   * Removes every entry, or those whose key starts with `prefix`.
   * @throws UnsupportedError without a prefix where the keys are shared with others, unless `everything` is `true`
   */
  async clear(options: ClearAllOptions = {}): Promise<void> {
    this.#needEnumerable('clear');
    const { prefix = '', everything = false } = options;
    checkPrefix(prefix, 'clear');
    return this.#run('clear', undefined, options, () => operations.clear(this.#driver, prefix, everything === true));
  }

  /**
   * Removes what has expired and has not been met yet; how many entries that were. 0 on engines that do so themselves. On a
   * namespace, the whole backend is swept.
   */
  async deleteExpired(options?: SignalOption): Promise<number> {
    return this.#run('deleteExpired', undefined, options, () => this.#driver.sweep?.() ?? 0);
  }

  /**
   * A view on the keys that start with `name:`, under keys without it. Closing the view leaves this backend open; closing this
   * backend closes the view.
   * @throws InvalidNamespaceError for a name that is not `[A-Za-z0-9_-][A-Za-z0-9_.-]*`
   */
  namespace(name: string): Backend<V> {
    checkNamespace(name);
    const driver = new NamespaceDriver(this.#driver, `${name}:`);
    if (driver.keyLimit < 1) throw new OutOfRangeError(`namespace: ${show(name)} leaves no room for a key`);
    return new Backend(driver, this.#options, { over: [this as unknown as Backend<never>], closesInner: false });
  }

  /**
   * What others change, from the first `next()` or `ready()` on, until the loop is left, `signal` is aborted (it rejects with its reason) or the backend is
   * closed. Changes of one key that wait to be taken become one, the latest. That a deadline passes is no change.
   *
   * Changes that this backend makes are left out where the engine can tell them apart, as `files` can; one that another backend over the same storage
   * makes is another's.
   *
   * @example
   * for await (const { type, key } of notes.watch({ prefix: 'shopping:' })) console.log(type, key);
   * @throws UnsupportedError, at once, where `capabilities.watch` is `false`
   */
  watch(options: PrefixOptions = {}): Watch {
    if (!this.capabilities.watch) this.#refuse('watch', 'watching for changes');
    const { prefix = '', signal } = options;
    checkPrefix(prefix, 'watch');
    checkSignal(signal, 'watch');
    return new Watch({
      signal,
      start: (request) => this.#run('watch', undefined, { signal }, () => this.#driver.watch?.({ ...request, prefix })),
      explain: (error) => this.#explain(error, 'watch', undefined),
      onClose: (callback) => this.#lifecycle.onClose(callback),
    });
  }

  /** Where an entry is kept, such as a file's path; `undefined` where the engine has no such place. */
  locate(key: string): string | undefined {
    checkKey(key, 'locate', this.#keyLimit);
    return this.#driver.locate?.(key);
  }

  /** Opens now, rather than at the first operation. */
  async open(options?: SignalOption): Promise<this> {
    await this.#run('open', undefined, options, () => undefined);
    return this;
  }

  /** Waits for what is under way and frees everything; doing so again changes nothing. */
  async close(): Promise<void> {
    try {
      await this.#lifecycle.close();
    } catch (error) {
      throw this.#explain(error, 'close', undefined);
    }
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run<T>(
    operation: string,
    key: string | undefined,
    options: SignalOption | undefined,
    work: () => Awaitable<T>,
  ): Promise<T> {
    const signal = options?.signal;
    try {
      if (signal !== undefined || this.#timeout !== undefined) {
        return await bounded(() => this.#opened(operation, work), operation, signal, this.#timeout);
      }
      return await this.#opened(operation, work);
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      throw this.#explain(error, operation, key);
    }
  }

  async #opened<T>(operation: string, work: () => Awaitable<T>): Promise<T> {
    if (!this.#lifecycle.ready) await this.#lifecycle.open(operation);
    return work();
  }

  #explain(error: unknown, operation: string, key: string | undefined): unknown {
    if (error instanceof Thrown) return error.reason;
    if (error instanceof KeepsakeError) {
      // What the driver says is about its own call, such as an update within an increment, or about a longer key.
      error.operation = operation;
      if (key !== undefined) error.key = key;
      return error;
    }
    if (isKeepsakeError(error)) return error;
    const what = key === undefined ? operation : `${operation} of ${show(key)}`;
    const why = error instanceof Error ? error.message : String(error);
    return new StorageError(`${what} failed in ${this.#driver.name}: ${why}`, { operation, key, cause: error });
  }

  #toStored(value: unknown, operation: string, key: string): V {
    if (value === undefined) {
      throw new InvalidArgumentError(`${operation}: undefined cannot be stored; delete ${show(key)}, or store null`);
    }
    return (this.#bytes ? toBytes(value, operation, key) : value) as V;
  }

  /** Bytes that share no buffer with others. */
  #own(value: V): V {
    if (!this.#bytes) return value;
    const bytes = value as Uint8Array;
    return (bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)) as V;
  }

  #checkKeys(keys: Iterable<string>, operation: string): string[] {
    checkIterable(keys, operation, 'keys');
    const checked: string[] = [];
    for (const key of keys) {
      checkKey(key, operation, this.#keyLimit);
      checked.push(key);
    }
    return checked;
  }

  #now(): number {
    return (this.#driver.clock ?? Date.now)();
  }

  #deadlineIn(length: number, operation: string): number {
    return toTime(this.#now() + length, operation);
  }

  #deadline(
    options: { readonly ttl?: Duration | null | undefined; readonly expiresAt?: number | Date | undefined },
    operation: string,
  ): number | undefined {
    const { ttl, expiresAt } = options;
    if (expiresAt !== undefined) {
      if (ttl !== undefined) throw new InvalidArgumentError(`${operation}: give ttl or expiresAt, not both`);
      return toTime(expiresAt, operation);
    }
    if (ttl === null) return undefined;
    const length = ttl === undefined ? this.#ttl : toMilliseconds(ttl, 'ttl');
    return length === undefined ? undefined : this.#deadlineIn(length, operation);
  }

  #need(
    capability: 'conditionalSet' | 'conditionalDelete' | 'update' | 'increment' | 'touch',
    operation: string,
    option?: string,
  ): void {
    if (this.capabilities[capability] === 'none') {
      this.#refuse(operation, option === undefined ? 'it' : `${option}`);
    }
  }

  #needEnumerable(operation: string): void {
    if (!this.capabilities.enumerable) this.#refuse(operation, 'listing its keys');
  }

  #refuse(operation: string, what: string): never {
    throw new UnsupportedError(`${operation}: ${this.#driver.name} does not support ${what}; see capabilities`, {
      operation,
    });
  }
}

/** Carries what a caller's own function threw past the translation of errors. */
class Thrown {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

function checkOnCorruptOf<V>(onCorrupt: unknown, driver: Driver<V>): void {
  checkOnCorrupt(onCorrupt);
  if (onCorrupt === 'quarantine' && driver.setAside === undefined) {
    throw new UnsupportedError(`onCorrupt: ${driver.name} has no place to move entries to; use 'report' or 'throw'`);
  }
}

function warn(error: KeepsakeError): void {
  process.emitWarning(error.message, { type: 'KeepsakeWarning', code: error.code });
}
