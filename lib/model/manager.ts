import { isDeepStrictEqual } from 'node:util';
import type { Backend } from '../backend/backend.js';
import { checkSignal } from '../backend/bounded.js';
import type { Awaitable } from '../backend/driver.js';
import { eachOf } from '../backend/operations.js';
import type { SignalOption } from '../backend/options.js';
import { DeclarationError, InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import type { Document } from './documents.js';
import { Following } from './following.js';
import { type FindQuery, Listing, toArray, toMap } from './listing.js';
import type { Model } from './model.js';
import { isKey } from './names.js';
import { ReadOnlyMap } from './read-only-map.js';
import type { Store, Values } from './store.js';

const SAVES_AT_ONCE = 32;

/**
 * Knows the objects of one Store class: the active ones (in memory) and the saved ones. Subclass it for queries of your own, and assign an object
 * of it to the class: `static override readonly manager = new UserManager();`.
 *
 * @example
 * class UserManager extends Manager<User> {
 *   byName(name: string) {
 *     return this.first((user) => user.name === name);
 *   }
 * }
 */
export class Manager<T extends Store = Store> {
  #bound: Model<T> | undefined;
  #view: ReadonlyMap<string, T> | undefined;
  readonly #loading = new Map<string, Promise<T | undefined>>();
  readonly #removals = new Map<string, Promise<void>>();
  /** Keys that are being loaded and of which a removal has begun meanwhile. */
  readonly #outdated = new Set<string>();

  /**
   * A fresh manager for a subclass that has none of its own. Override it where the constructor takes arguments.
   * @throws DeclarationError, at the declaration of a class, when it does not give another manager
   */
  clone(): Manager<T> {
    return new (this.constructor as new () => Manager<T>)();
  }

  /** Called once, when the class is declared. Call `super.contributeToClass` when you override it. */
  contributeToClass(_storeClass: typeof Store, _name: string): void {}

  /** Ties the manager to the model of its class; for keepsake itself. */
  bind(model: Model<T>): void {
    this.#bound = model;
  }

  /** Whether the manager belongs to a class. */
  get isBound(): boolean {
    return this.#bound !== undefined;
  }

  get #model(): Model<T> {
    if (this.#bound !== undefined) {
      this.#bound.checkCurrent();
      return this.#bound;
    }
    throw new DeclarationError(
      'this manager belongs to no class; assign it as the static property manager of a Store class',
    );
  }

  /** The objects in memory, saved or not, by key: a live view that cannot change them. */
  active(): ReadonlyMap<string, T> {
    this.#view ??= new ReadOnlyMap(this.#model.active);
    return this.#view;
  }

  /**
   * Everything on the backend by key. The active object stands for its key; others are detached: read, but not active until `addActive` or
   * `save`. A file that cannot be read is left out and reported, see `onCorrupt`; one whose name is no key of a model is left alone.
   */
  saved(): Listing<[string, T], Map<string, T>> {
    return new Listing(() => this.#saved(), toMap);
  }

  /** The active and the saved objects by key; an active one stands for its key. */
  all(): Listing<[string, T], Map<string, T>> {
    return new Listing(() => this.#all(), toMap);
  }

  async *#saved(): AsyncGenerator<[string, T][], void, undefined> {
    const model = this.#model;
    if (model.temporary) return;
    const documents = await model.documents();
    for await (const batch of documents.entryBatches()) {
      const stores: [string, T][] = [];
      for (const [key, document] of batch) {
        if (!isKey(key)) continue;
        const store = model.active.get(key) ?? (await this.#detached(key, document, documents));
        if (store !== undefined) stores.push([key, store]);
      }
      yield stores;
    }
  }

  #detached(key: string, document: Document, documents: Backend<Document>): Awaitable<T | undefined> {
    try {
      return this.#model.hydrate(key, document, () => documents.locate(key));
    } catch (error) {
      return this.#model.service.leaveOut(error, key, documents);
    }
  }

  async *#all(): AsyncGenerator<[string, T][], void, undefined> {
    const active = [...this.#model.active];
    const given = new Set(active.map(([key]) => key));
    yield active;
    for await (const batch of this.#saved()) yield batch.filter(([key]) => !given.has(key));
  }

  /** The active object of a key, or `undefined`. */
  get(key: string): T | undefined;
  /** The active objects of keys, by key; `undefined` where there is none. */
  get(keys: Iterable<string>): Map<string, T | undefined>;
  get(keys: string | Iterable<string>): T | undefined | Map<string, T | undefined> {
    const model = this.#model;
    if (typeof keys === 'string') return model.active.get(model.toKey(keys));
    return new Map(this.#toKeys(keys, 'get').map((key) => [key, model.active.get(key)]));
  }

  /**
   * The object of a key: the active one, or loaded, and active from then on; `undefined` when there is none. Calls at once give one object.
   * @throws CorruptDataError for a file that cannot be read as this class
   */
  load(key: string): Promise<T | undefined>;
  /** The objects of keys, by key; `undefined` where there is none. */
  load(keys: Iterable<string>): Promise<Map<string, T | undefined>>;
  async load(keys: string | Iterable<string>): Promise<T | undefined | Map<string, T | undefined>> {
    if (typeof keys === 'string') return this.#load(this.#model.toKey(keys));
    const wanted = this.#toKeys(keys, 'load');
    const found = new Map<string, T | undefined>(wanted.map((key) => [key, undefined]));
    await eachOf(wanted, async (key) => {
      found.set(key, await this.#load(key));
    });
    return found;
  }

  async #load(key: string): Promise<T | undefined> {
    const model = this.#model;
    const active = model.active.get(key);
    if (active !== undefined || model.temporary) return active;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#read(key).finally(() => {
        this.#loading.delete(key);
        this.#outdated.delete(key);
      });
      this.#loading.set(key, loading);
    }
    return loading;
  }

  async #read(key: string): Promise<T | undefined> {
    const model = this.#model;
    const documents = await model.documents();
    let document: Document | undefined;
    do {
      await this.#removals.get(key);
      this.#outdated.delete(key);
      document = await documents.get(key);
      // Somebody may have built the object meanwhile, or deleted what was read.
      const active = model.active.get(key);
      if (active !== undefined || document === undefined) return active;
    } while (this.#outdated.has(key));
    const store = model.hydrate(key, document, () => documents.locate(key));
    model.activate(store);
    return store;
  }

  /** The object of a key, loaded if need be, or a new one with these values. */
  async loadOrCreate(key: string, values?: Values<T>): Promise<T> {
    // Another call may have created it while this one looked.
    return (await this.load(key)) ?? this.get(key) ?? this.create(key, values);
  }

  /**
   * A new object with these values, active at once.
   * @throws DuplicateKeyError when the key's object is active already
   */
  create(key: string, values?: Values<T>): T {
    return this.#model.create(key, values as Record<string, unknown> | undefined);
  }

  /** Whether there is an object of the key, active or saved. */
  async has(key: string): Promise<boolean> {
    const model = this.#model;
    const checked = model.toKey(key);
    if (model.active.has(checked)) return true;
    if (model.temporary || this.#removals.has(checked)) return false;
    return (await model.documents()).has(checked);
  }

  /**
   * Makes a detached object the one of its key in memory.
   * @throws DuplicateKeyError when another object is by now
   * @throws InvalidArgumentError for an object of another class
   */
  addActive(store: T): void {
    this.#model.checkStore(store, 'addActive');
    this.#model.activate(store);
  }

  /**
   * Lets go of an object: what is not saved of it is lost once nobody else holds it. What is saved stays.
   * @returns whether it was active
   */
  removeActive(store: T): boolean {
    this.#model.checkStore(store, 'removeActive');
    const { active } = this.#model;
    return active.get(store.key) === store && active.delete(store.key);
  }

  /**
   * Removes an object, by itself or its key: what is saved, and from memory.
   * @returns whether there was one
   */
  async delete(target: string | T): Promise<boolean> {
    const model = this.#model;
    if (typeof target !== 'string') {
      this.#model.checkStore(target, 'delete');
      const { active } = target;
      return (await target.delete()) || active;
    }
    const key = model.toKey(target);
    const active = model.active.get(key);
    if (active !== undefined) return this.delete(active);
    if (model.temporary) return false;
    model.service.checkOpen('delete');
    const documents = model.documents();
    return model.service.track(this.removing(key, async () => (await documents).delete(key)));
  }

  /**
   * Saves every active object that has changed. All are tried.
   * @throws what the one that failed threw; an AggregateError where several did
   */
  async saveAll(): Promise<void> {
    const failures: unknown[] = [];
    await eachOf(
      [...this.#model.active.values()],
      async (store) => {
        // Saving would make active again what was removed meanwhile.
        if (store.active) await store.save().catch((error: unknown) => failures.push(error));
      },
      SAVES_AT_ONCE,
    );
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, `${failures.length} objects could not be saved`);
  }

  /**
   * Those of `all()` that fit: `await` gives an array, `for await` one at a time.
   * @param query a function, or the values that fields must have (compared deeply)
   * @throws InvalidArgumentError for a name of no field, and for a value that is undefined
   */
  find(query: FindQuery<T>): Listing<T, T[]> {
    const fits = this.#toPredicate(query, 'find');
    const all = () => this.#all();
    return new Listing(async function* () {
      for await (const batch of all()) yield batch.map(([, store]) => store).filter(fits);
    }, toArray);
  }

  /** The first that `find` meets, or `undefined`. */
  async first(query: FindQuery<T>): Promise<T | undefined> {
    for await (const store of this.find(query)) return store;
    return undefined;
  }

  /** How many objects there are, active or saved, or how many of them fit. */
  async count(query?: FindQuery<T>): Promise<number> {
    let counted = 0;
    if (query !== undefined) {
      for await (const _ of this.find(query)) counted++;
      return counted;
    }
    const { active, temporary } = this.#model;
    counted = active.size;
    if (temporary) return counted;
    for await (const key of (await this.#model.documents()).keys()) {
      if (isKey(key) && !active.has(key)) counted++;
    }
    return counted;
  }

  /**
   * Keeps active objects in step with what others save: other processes, and people who edit the files. Resolves when every later change is seen, and what was
   * changed before is made good.
   *
   * An active object without unsaved changes is read again in place, as by `load()`; one with unsaved changes is left alone. Each change is told by the service's event
   * `'followed'`; a conflict to which nobody listens is a process warning. What is saved and cannot be read is told by the event `'corrupt'`, and never moved.
   *
   * It goes on through a reload and a suspension of the service, and ends with the service, by `stop()` and by the signal. What ends it otherwise is the event
   * `'unfollowed'`, and a process warning where nobody listens. It keeps the process running.
   *
   * @example
   * service.on('followed', ({ outcome, key }) => console.log(outcome, key));
   * await User.manager.follow();
   * @throws UnsupportedError where the backend cannot be watched, see `capabilities.watch`
   */
  async follow({ signal }: SignalOption = {}): Promise<Following> {
    const model = this.#model;
    checkSignal(signal, 'follow');
    signal?.throwIfAborted();
    if (model.temporary) return new Following(async () => undefined);
    return model.service.followNamed(model.name, signal);
  }

  /** Runs the removal of a key, and lets saves and loads of the key wait for it; for keepsake itself. */
  removing(key: string, work: () => Promise<boolean>): Promise<boolean> {
    const before = this.#removals.get(key);
    const removal = (before === undefined ? work() : before.then(work)).finally(() => {
      if (this.#removals.get(key) === settled) this.#removals.delete(key);
    });
    const settled = removal.then(ignore, ignore);
    this.#removals.set(key, settled);
    this.outdate(key);
    return removal;
  }

  /** Lets a load of the key that is under way read again, since what is saved has changed; for keepsake itself. */
  outdate(key: string): void {
    if (this.#loading.has(key)) this.#outdated.add(key);
  }

  /** Resolves when the key's removal has ended, if one is under way; for keepsake itself. */
  removalOf(key: string): Promise<unknown> | undefined {
    return this.#removals.get(key);
  }

  /** Goes on with the removals under way of the manager that a reload puts this one in place of; for keepsake itself. */
  succeed(former: Manager): void {
    for (const [key, removal] of former.#removals) {
      this.#removals.set(key, removal);
      removal.then(() => {
        if (this.#removals.get(key) === removal) this.#removals.delete(key);
      });
    }
  }

  #toKeys(keys: Iterable<string>, operation: string): string[] {
    if (typeof keys !== 'object' || keys === null || !(Symbol.iterator in keys)) {
      throw new InvalidArgumentError(`${operation}: a key or an iterable of keys is expected; got ${show(keys)}`);
    }
    return [...keys].map((key) => this.#model.toKey(key));
  }

  #toPredicate(query: FindQuery<T>, operation: string): (store: T) => boolean {
    if (typeof query === 'function') return query;
    if (typeof query !== 'object' || query === null) {
      throw new InvalidArgumentError(`${operation}: a function or values of fields are expected; got ${show(query)}`);
    }
    const wanted = Object.entries(query);
    this.#model.checkNames(Object.keys(query), operation);
    for (const [name, value] of wanted) {
      if (value !== undefined) continue;
      throw new InvalidArgumentError(
        `${operation}: ${name} is undefined, which would fit everything; leave it out, or give a function`,
      );
    }
    return (store) => wanted.every(([name, value]) => isDeepStrictEqual(store[name as keyof T], value));
  }
}

function ignore(): void {}
