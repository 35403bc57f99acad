import type { Store, Values } from './store.js';

/** What `find` takes: a function that answers whether an object fits, or the values that some fields must have. */
export type FindQuery<T extends Store> = ((store: T) => boolean) | Readonly<Values<T>>;

/**
 * A listing to wait for or to walk through: `await` gives all at once, `for await` one at a time, without holding them all. Nothing is read
 * before.
 */
export class Listing<Item, All> implements PromiseLike<All>, AsyncIterable<Item> {
  readonly #items: () => AsyncGenerator<Item, void, undefined>;
  readonly #gather: (items: AsyncIterable<Item>) => Promise<All>;

  constructor(
    items: () => AsyncGenerator<Item, void, undefined>,
    gather: (items: AsyncIterable<Item>) => Promise<All>,
  ) {
    this.#items = items;
    this.#gather = gather;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    return this.#items();
  }

  // biome-ignore lint/suspicious/noThenProperty: a listing is there to be awaited
  then<Result = All, Failure = never>(
    onFulfilled?: ((all: All) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    return this.#gather(this.#items()).then(onFulfilled, onRejected);
  }
}

/** All entries in a Map. */
export async function toMap<T>(entries: AsyncIterable<[string, T]>): Promise<Map<string, T>> {
  const map = new Map<string, T>();
  for await (const [key, value] of entries) map.set(key, value);
  return map;
}

/** All items in an array. */
export async function toArray<T>(items: AsyncIterable<T>): Promise<T[]> {
  const array: T[] = [];
  for await (const item of items) array.push(item);
  return array;
}
