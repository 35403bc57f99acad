import { CorruptDataError, InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import type { FindQuery, Listing } from './listing.js';
import { Manager } from './manager.js';
import type { Construction, StoreClass } from './model.js';
import { Ref } from './reference.js';
import { MODEL, modelOf, unregistered } from './registered.js';
import { reload, remove, type SaveOptions, StoreState, save } from './saving.js';
import type { Service } from './service.js';

/** What the base class has: not fields. */
type OwnNames = keyof Store;

/** Values for the fields of a class: its own properties but methods. */
export type Values<T> = {
  [K in Exclude<keyof T, OwnNames> as T[K] extends (...args: never[]) => unknown ? never : K]?: T[K] | undefined;
};

/** A class of which objects are made: for the typed statics. */
export type ModelClass<T extends Store> = abstract new (...args: never[]) => T;

/** Options of `toDict` and its kin. */
export interface SessionOption {
  /** Whether session fields are taken along; `false` by default. */
  readonly session?: boolean | undefined;
}

let getState: (store: Store) => StoreState;
let setState: (store: Store, state: StoreState) => void;

/**
 * A model: subclass it, decorate the subclass with `@StoredIn(service)` and its properties with `@Field()`.
 *
 * An object is active, the one of its key in memory, as soon as it is built, whether by `new User('ann')` or `User.create('ann', values)`.
 *
 * @example
 * @StoredIn(service)
 * class User extends Store {
 *   @Field() name = '';
 *   @SessionField() client?: Client;
 * }
 * const ann = User.create('ann', { name: 'Ann' });
 * await ann.save();
 */
export abstract class Store {
  /**
   * The manager of the class. For queries of your own, subclass `Manager` and assign an object of it:
   * `static override readonly manager = new UserManager();`. Each class has its own.
   */
  static readonly manager: Manager = new Manager();

  /** The key: lower-case ASCII letters, digits, `_` and `-`, 1 to 128 of them. */
  readonly key: string;
  #state: StoreState | undefined;

  static {
    // Known to other copies of the package, which can then say what is wrong.
    Object.defineProperty(this, Symbol.for('keepsake.Store'), { value: true });
    getState = (store) => {
      store.#state ??= new StoreState();
      return store.#state;
    };
    setState = (store, state) => {
      store.#state = state;
    };
  }

  /**
   * Builds an active object with its fields' defaults; `create` sets values too.
   * @throws InvalidKeyError for a key that is not letters, digits, `_` and `-`
   * @throws DuplicateKeyError when the key's object is active already
   * @throws UnregisteredClassError for a class without `@StoredIn`
   */
  constructor(key: string) {
    const model = (new.target as unknown as typeof Store)[MODEL as never] as
      | { storeClass: unknown; toKey(key: unknown): string }
      | undefined;
    if (model === undefined || model.storeClass !== new.target) throw unregistered(new.target);
    this.key = model.toKey(key);
  }

  /**
   * Builds an active object with values for its fields.
   * @throws InvalidArgumentError for a value of no field; and as the constructor does
   */
  static create<T extends Store>(this: ModelClass<T>, key: string, values?: Values<T>): T {
    return modelOf<T>(this).create(key, values as Record<string, unknown> | undefined);
  }

  /** The active object of a key, or `undefined`; see `Manager.get`. */
  static get<T extends Store>(this: ModelClass<T>, key: string): T | undefined {
    return modelOf<T>(this).manager.get(key);
  }

  /** The object of a key: the active one, or loaded and active then; `undefined` when there is none. See `Manager.load`. */
  static load<T extends Store>(this: ModelClass<T>, key: string): Promise<T | undefined> {
    return modelOf<T>(this).manager.load(key);
  }

  /** The object of a key, or a new one with these values. See `Manager.loadOrCreate`. */
  static loadOrCreate<T extends Store>(this: ModelClass<T>, key: string, values?: Values<T>): Promise<T> {
    return modelOf<T>(this).manager.loadOrCreate(key, values);
  }

  /** Those that fit, active and saved; see `Manager.find`. */
  static find<T extends Store>(this: ModelClass<T>, query: FindQuery<T>): Listing<T, T[]> {
    return modelOf<T>(this).manager.find(query);
  }

  /** The active objects by key, live; see `Manager.active`. */
  static active<T extends Store>(this: ModelClass<T>): ReadonlyMap<string, T> {
    return modelOf<T>(this).manager.active();
  }

  /** The saved objects by key; see `Manager.saved`. */
  static saved<T extends Store>(this: ModelClass<T>): Listing<[string, T], Map<string, T>> {
    return modelOf<T>(this).manager.saved();
  }

  /** The active and the saved objects by key; see `Manager.all`. */
  static all<T extends Store>(this: ModelClass<T>): Listing<[string, T], Map<string, T>> {
    return modelOf<T>(this).manager.all();
  }

  /**
   * A reference to an object, by its key or itself.
   * @throws InvalidKeyError
   * @throws InvalidArgumentError for an object of another class
   */
  static ref<T extends Store>(this: ModelClass<T>, target: string | T): Ref<T> {
    if (typeof target === 'object' && target !== null) modelOf<T>(this).checkStore(target, 'ref');
    return new Ref<T>(() => this, target instanceof Store ? target.key : target);
  }

  /** The service that keeps the class. */
  get service(): Service {
    return modelOf(this.constructor).service;
  }

  /** The manager of the class. */
  get manager(): Manager {
    return modelOf(this.constructor).manager;
  }

  /** Whether this is the object of its key in memory. */
  get active(): boolean {
    return modelOf(this.constructor).active.get(this.key) === this;
  }

  /**
   * Saves the fields. Resolves when this state, or a newer one, is written as the backend's durability says; saves of one object that overlap
   * become one. What was last read or written is not written again. An object that is not active becomes so.
   * @throws EncodeError for a value that cannot be saved, with class, key, field and path; what was saved stays as it was
   * @throws DuplicateKeyError at the first save of a new object under a key that is saved already, unless `overwrite`
   * @throws ConflictError with `concurrency: 'optimistic'`, when what is saved is not what this object last loaded or saved
   * @throws DeletedError after `delete`
   */
  async save(options: SaveOptions = {}): Promise<void> {
    await save(modelOf(this.constructor), this, options);
  }

  /**
   * Reads the fields again; what was changed since is gone.
   * @returns `false` when nothing is saved under the key
   * @throws CorruptDataError for a file that cannot be read as this class; the object stays as it was
   */
  async load(): Promise<boolean> {
    return reload(modelOf<this>(this.constructor), this);
  }

  /**
   * Removes what is saved, and the object from the active ones; saving it again rejects.
   * @returns whether anything was saved
   */
  async delete(): Promise<boolean> {
    return remove(modelOf(this.constructor), this);
  }

  /** The forms of the fields, as they are saved; the key is not among them. A copy. */
  toDict({ session = false }: SessionOption = {}): Record<string, unknown> {
    return modelOf(this.constructor).toDict(this, session);
  }

  /**
   * Sets fields from their forms. Fields that `dict` does not hold stay; keys of no field are kept and saved again.
   * @throws CorruptDataError for a form that does not fit its field; the object stays as it was
   */
  fromDict(dict: Record<string, unknown>, { session = false }: SessionOption = {}): this {
    modelOf(this.constructor).fromDict(this, copyOfData(dict), session);
    return this;
  }

  /** `toDict` as JSON text. */
  toJson(options?: SessionOption): string {
    return JSON.stringify(this.toDict(options));
  }

  /**
   * `fromDict` of JSON text.
   * @throws CorruptDataError for what is no JSON, and as `fromDict` does
   */
  fromJson(text: string, options?: SessionOption): this {
    return this.fromDict(parse(text, this.constructor.name, this.key), options);
  }

  /** What `JSON.stringify` writes: `toDict()`. */
  toJSON(): Record<string, unknown> {
    return this.toDict();
  }
}

function copyOfData(dict: unknown): Record<string, unknown> {
  if (typeof dict === 'object' && dict !== null && !Array.isArray(dict)) {
    try {
      return structuredClone(dict) as Record<string, unknown>;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new InvalidArgumentError(`fromDict: ${why}; what toDict gives is expected`, { cause });
    }
  }
  throw new InvalidArgumentError(`fromDict: an object such as toDict gives is expected; got ${show(dict)}`);
}

function parse(text: string, className: string, key: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CorruptDataError(`${className} ${show(key)}: fromJson: ${why}`, { key, cause });
  }
}

/** What keepsake knows of an object beside its fields. */
export function stateOf(store: Store): StoreState {
  return getState(store);
}

/** Lets an object carry on with what is known of another: its saves under way and queued, and what it read or wrote last. */
export function handState(state: StoreState, to: Store): void {
  setState(to, state);
}

export type { Construction, StoreClass };
