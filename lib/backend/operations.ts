import { setImmediate, setTimeout } from 'node:timers/promises';
import { ConflictError, NotAnIntegerError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import type { Awaitable, Change, Condition, Counter, Driver, Entry, ListedEntry, ScanRequest } from './driver.js';

/** How many keys a page holds when nobody says. */
export const PAGE_LIMIT = 1000;
/** How many single operations stand in for one many-operation at a time. */
const CONCURRENCY = 32;
/** How often `update` tries again after a lost race. */
const ATTEMPTS = 100;

/** What a function asks `update` to store; `undefined` leaves the entry as it is. */
export type Changer<V> = (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>;

/*
 * The optional methods of a driver, with defaults made of its required ones. The backend and the wrappers call these, so that a
 * wrapper passes on what its driver does better without knowing which methods those are.
 */

/** The entry with the version that conditions take. */
export function readEntry<V>(driver: Driver<V>, key: string): Awaitable<Entry<V> | undefined> {
  return driver.readEntry === undefined ? driver.read(key) : driver.readEntry(key);
}

/** The entries in the order asked; with `valueOnly` perhaps without what belongs to them. */
export async function readMany<V>(
  driver: Driver<V>,
  keys: readonly string[],
  valueOnly = false,
): Promise<(Entry<V> | undefined)[]> {
  if (driver.readMany !== undefined) return driver.readMany(keys, valueOnly);
  const entries = new Array<Entry<V> | undefined>(keys.length);
  await eachOf(keys, async (key, index) => {
    entries[index] = await driver.read(key, valueOnly);
  });
  return entries;
}

/** Stores entries of different keys. */
export async function writeMany<V>(
  driver: Driver<V>,
  entries: readonly (readonly [string, V])[],
  expiresAt: number | undefined,
): Promise<void> {
  if (driver.writeMany !== undefined) return driver.writeMany(entries, expiresAt);
  await eachOf(entries, async ([key, value]) => {
    await driver.write(key, value, expiresAt, undefined);
  });
}

/** Removes different keys; how many were there. */
export async function removeMany<V>(driver: Driver<V>, keys: readonly string[]): Promise<number> {
  if (driver.removeMany !== undefined) return driver.removeMany(keys);
  let removed = 0;
  await eachOf(keys, async (key) => {
    if (await driver.remove(key, undefined)) removed++;
  });
  return removed;
}

/** The keys that start with `prefix`, in batches, none twice. */
export function stream<V>(
  driver: Driver<V>,
  request: Omit<ScanRequest, 'cursor'>,
): AsyncIterable<readonly ListedEntry<V>[]> {
  return driver.stream?.(request) ?? pages(driver, request);
}

async function* pages<V>(driver: Driver<V>, request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<ListedEntry<V>[]> {
  const seen = driver.capabilities.ordered ? undefined : new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await driver.scan({ ...request, cursor });
    cursor = page.cursor;
    const batch: ListedEntry<V>[] = [];
    for (const entry of page.entries) {
      if (seen?.has(entry.key)) continue;
      seen?.add(entry.key);
      batch.push(entry);
    }
    if (batch.length > 0) yield batch;
  } while (cursor !== undefined);
}

/** How many keys start with `prefix`. */
export async function count<V>(driver: Driver<V>, prefix: string): Promise<number> {
  if (driver.count !== undefined) return driver.count(prefix);
  let counted = 0;
  for await (const batch of stream(driver, { prefix, limit: PAGE_LIMIT, values: false })) counted += batch.length;
  return counted;
}

/** Removes every key that starts with `prefix`; with `everything` also where others may have keys. */
export async function clear<V>(driver: Driver<V>, prefix: string, everything = false): Promise<void> {
  if (driver.clear !== undefined) return driver.clear(prefix, everything);
  for await (const batch of stream(driver, { prefix, limit: PAGE_LIMIT, values: false })) {
    await removeMany(
      driver,
      batch.map((entry) => entry.key),
    );
  }
}

/** Moves the deadline; whether the entry was there. The default writes the same value again, on condition that it is still the same. */
export async function touch<V>(driver: Driver<V>, key: string, expiresAt: number | undefined): Promise<boolean> {
  if (driver.touch !== undefined) return driver.touch(key, expiresAt);
  const stored = await update(driver, key, (entry) => entry && { value: entry.value, expiresAt });
  return stored !== undefined;
}

/** Reads, and moves the deadline if the entry has one. */
export async function renew<V>(driver: Driver<V>, key: string, expiresAt: number): Promise<Entry<V> | undefined> {
  if (driver.renew !== undefined) return driver.renew(key, expiresAt);
  return update(driver, key, (entry) =>
    entry?.expiresAt === undefined ? undefined : { value: entry.value, expiresAt },
  );
}

/** Adds to a counter, which is decimal text in a driver of bytes and a number in one of objects. */
export async function increment<V>(
  driver: Driver<V>,
  key: string,
  by: number,
  expiresAt: number | undefined,
): Promise<Counter> {
  if (driver.increment !== undefined) return driver.increment(key, by, expiresAt);
  const bytes = driver.capabilities.values === 'bytes';
  let sum = 0;
  const add = (entry: Entry<V> | undefined): Change<V> => {
    sum = addToCounter(entry === undefined ? 0 : entry.value, by, key);
    const value = bytes ? Buffer.from(String(sum)) : sum;
    return { value: value as V, expiresAt: entry === undefined ? expiresAt : entry.expiresAt };
  };
  const stored =
    driver.update === undefined ? await retryInTurn(driver, key, add, turnsOf(driver)) : await driver.update(key, add);
  return { value: sum, expiresAt: stored?.expiresAt };
}

/**
 * The sum of a stored counter and `by`.
 * @throws NotAnIntegerError for a stored value that is no integer: neither a safe one nor the decimal text of one
 * @throws OutOfRangeError for a sum that is no safe integer
 */
export function addToCounter(stored: unknown, by: number, key: string): number {
  const text = stored instanceof Uint8Array && stored.length <= 17 ? Buffer.from(stored).toString('latin1') : '';
  const current = typeof stored === 'number' ? stored : /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(current)) {
    throw new NotAnIntegerError(`${show(key)} holds no integer, so it cannot be incremented; it is left as it is`, {
      operation: 'increment',
      key,
    });
  }
  const sum = current + by;
  if (!Number.isSafeInteger(sum)) {
    throw new OutOfRangeError(`increment: ${current} + ${by} at ${show(key)} is past the safe integers`);
  }
  return sum;
}

/**
 * Reads, asks for the new state, and stores it where nobody was faster; otherwise again. Only the first try runs beside others of this
 * process: those who lost a race take turns, so that many callers of one key do not wear each other down.
 */
export async function update<V>(driver: Driver<V>, key: string, change: Changer<V>): Promise<Entry<V> | undefined> {
  if (driver.update !== undefined) return driver.update(key, change);
  const first = await attempt(driver, key, change);
  return first.done ? first.entry : retryInTurn(driver, key, change, turnsOf(driver));
}

const turns = new WeakMap<object, Map<string, Promise<void>>>();

function turnsOf(driver: object): Map<string, Promise<void>> {
  let known = turns.get(driver);
  if (known === undefined) {
    known = new Map();
    turns.set(driver, known);
  }
  return known;
}

async function retryInTurn<V>(
  driver: Driver<V>,
  key: string,
  change: Changer<V>,
  waiting: Map<string, Promise<void>>,
): Promise<Entry<V> | undefined> {
  const before = waiting.get(key);
  const { promise, resolve } = promiseWithResolvers();
  waiting.set(key, promise);
  try {
    await before;
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      const result = await attempt(driver, key, change);
      if (result.done) return result.entry;
      await (tried < 3 ? setImmediate() : setTimeout(Math.random() * Math.min(50, 2 ** (tried - 2))));
    }
  } finally {
    if (waiting.get(key) === promise) waiting.delete(key);
    resolve();
  }
  throw new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`, {
    operation: 'update',
    key,
  });
}

async function attempt<V>(
  driver: Driver<V>,
  key: string,
  change: Changer<V>,
): Promise<{ done: boolean; entry: Entry<V> | undefined }> {
  const reading = readEntry(driver, key);
  const entry = reading instanceof Promise ? await reading : reading;
  // A driver may make the version when it is asked for, of bytes that the caller changes in place.
  const version = entry?.version;
  const changing = change(entry);
  const changed = changing instanceof Promise ? await changing : changing;
  if (changed === undefined) return { done: true, entry };
  const condition: Condition = version === undefined ? 'absent' : { version };
  const writing = driver.write(key, changed.value, changed.expiresAt, condition);
  const done = writing instanceof Promise ? await writing : writing;
  return { done, entry: changed };
}

/** Runs `work` for each item, a bounded number at a time. The first failure stops it once what is under way has ended. */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
  concurrency = CONCURRENCY,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const run = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        await work(items[index] as T, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, run));
  if (failure !== undefined) throw failure.error;
}

function promiseWithResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
