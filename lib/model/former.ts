import type { Backend } from '../backend/backend.js';
import { InvalidArgumentError } from '../errors.js';
import type { Document } from './documents.js';
import { type FindQuery, firstOf, fitting, Listing, toMap, toPredicate } from './listing.js';
import type { Model } from './model.js';
import { isKey } from './names.js';
import { modelOf } from './registered.js';
import { type ModelClass, type Store, stateOf } from './store.js';

/** The models as they were; see `Service.asOf`. */
export class FormerModels {
  readonly #time: number;

  constructor(time: number) {
    this.#time = time;
  }

  /**
   * The objects of a class as they were.
   * @throws UnregisteredClassError for a class without `@StoredIn`
   */
  of<T extends Store>(storeClass: ModelClass<T>): FormerObjects<T> {
    return new FormerObjects(modelOf<T>(storeClass), this.#time);
  }
}

/**
 * The objects of a class as they were at a moment. Each that it gives is a new one, which is not active: to save, load or delete it, or to make it
 * active, is an `UnsupportedError`. Its references lead to what is present.
 *
 * Every method rejects with an `UnsupportedError` where the backend has no history, or none of that time.
 */
export class FormerObjects<T extends Store> {
  readonly #model: Model<T>;
  readonly #time: number;

  constructor(model: Model<T>, time: number) {
    this.#model = model;
    this.#time = time;
  }

  /**
   * The object of a key as it was, or `undefined`.
   * @throws CorruptDataError for what cannot be read as this class
   */
  async load(key: string): Promise<T | undefined> {
    const checked = this.#model.toKey(key);
    const document = await (await this.#documents()).get(checked);
    return document && this.#hydrate(checked, document);
  }

  /** Whether there was an object of the key. */
  async has(key: string): Promise<boolean> {
    return (await this.#documents()).has(this.#model.toKey(key));
  }

  /** All that were saved, by key. What cannot be read is left out and reported, see `onCorrupt`. */
  saved(): Listing<[string, T], Map<string, T>> {
    return new Listing(() => this.#saved(), toMap);
  }

  /**
   * Those that fitted; see `Manager.find`.
   * @throws InvalidArgumentError for a name of no field, and for a value that is undefined
   */
  find(query: FindQuery<T>): Listing<T, T[]> {
    return fitting(() => this.#saved(), toPredicate(this.#model, query, 'find'));
  }

  /** The first that `find` meets, or `undefined`. */
  async first(query: FindQuery<T>): Promise<T | undefined> {
    return firstOf(this.find(query));
  }

  /** How many objects were saved, or how many of them fitted. */
  async count(query?: FindQuery<T>): Promise<number> {
    let counted = 0;
    if (query !== undefined) for await (const _ of this.find(query)) counted++;
    else for await (const key of (await this.#documents()).keys()) if (isKey(key)) counted++;
    return counted;
  }

  async #documents(): Promise<Backend<Document>> {
    this.#model.checkCurrent();
    if (this.#model.temporary) {
      throw new InvalidArgumentError(`${this.#model.className} is never saved, so it has no history`);
    }
    return (await this.#model.documents()).asOf(this.#time);
  }

  async *#saved(): AsyncGenerator<[string, T][], void, undefined> {
    const documents = await this.#documents();
    for await (const batch of documents.entryBatches()) {
      const stores: [string, T][] = [];
      for (const [key, document] of batch) {
        if (!isKey(key)) continue;
        const store = await this.#readable(key, document, documents);
        if (store !== undefined) stores.push([key, store]);
      }
      yield stores;
    }
  }

  async #readable(key: string, document: Document, documents: Backend<Document>): Promise<T | undefined> {
    try {
      return this.#hydrate(key, document);
    } catch (error) {
      return this.#model.service.leaveOut(error, key, documents);
    }
  }

  #hydrate(key: string, document: Document): T {
    const store = this.#model.hydrate(key, document, undefined);
    stateOf(store).asOf = this.#time;
    return store;
  }
}
