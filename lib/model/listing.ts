import { flatten } from '../backend/flatten.js';
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
