import { isDeepStrictEqual } from 'node:util';
import { flatten } from '../backend/flatten.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import type { Model } from './model.js';
import type { Store, Values } from './store.js';

/** What `find` takes: a function that answers whether an object fits, or the values that some fields must have. */
export type FindQuery<T extends Store> = ((store: T) => boolean) | Readonly<Values<T>>;

/**
 * A listing to wait for or to walk through: `await` gives all at once, `for await` one at a time, without holding them all. Nothing is read
 * before.
 */
export class Listing<Item extends object, All> implements PromiseLike<All>, AsyncIterable<Item> {
  readonly #batches: () => AsyncIterable<Item[]>;
  readonly #gather: (batches: AsyncIterable<Item[]>) => Promise<All>;

  constructor(batches: () => AsyncIterable<Item[]>, gather: (batches: AsyncIterable<Item[]>) => Promise<All>) {
    this.#batches = batches;
    this.#gather = gather;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    return flatten(this.#batches(), (item) => item);
  }

  // biome-ignore lint/suspicious/noThenProperty: a listing is there to be awaited
  then<Result = All, Failure = never>(
    onFulfilled?: ((all: All) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    return this.#gather(this.#batches()).then(onFulfilled, onRejected);
  }
}

/** All entries in a Map. */
export async function toMap<T>(batches: AsyncIterable<[string, T][]>): Promise<Map<string, T>> {
  const map = new Map<string, T>();
  for await (const batch of batches) for (const [key, value] of batch) map.set(key, value);
  return map;
}

/** All items in an array. */
export async function toArray<T>(batches: AsyncIterable<T[]>): Promise<T[]> {
  const array: T[] = [];
  for await (const batch of batches) for (const item of batch) array.push(item);
  return array;
}

/** Those objects of some entries that fit. */
export function fitting<T extends Store>(
  entries: () => AsyncIterable<[string, T][]>,
  fits: (store: T) => boolean,
): Listing<T, T[]> {
  return new Listing(async function* () {
    for await (const batch of entries()) yield batch.map(([, store]) => store).filter(fits);
  }, toArray);
}

/** The first item, or `undefined`. */
export async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

/**
 * A function that answers whether an object fits a query.
 * @throws InvalidArgumentError for a name of no field, and for a value that is undefined
 */
export function toPredicate<T extends Store>(
  model: Model<T>,
  query: FindQuery<T>,
  operation: string,
): (store: T) => boolean {
  if (typeof query === 'function') return query;
  if (typeof query !== 'object' || query === null) {
    throw new InvalidArgumentError(`${operation}: a function or values of fields are expected; got ${show(query)}`);
  }
  const wanted = Object.entries(query);
  model.checkNames(Object.keys(query), operation);
  for (const [name, value] of wanted) {
    if (value !== undefined) continue;
    throw new InvalidArgumentError(
      `${operation}: ${name} is undefined, which would fit everything; leave it out, or give a function`,
    );
  }
  return (store) => wanted.every(([name, value]) => isDeepStrictEqual(store[name as keyof T], value));
}
