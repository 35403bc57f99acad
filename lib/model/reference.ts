import { toKey } from './names.js';
import { modelOf } from './registered.js';
import type { Store } from './store.js';

/** The class that a reference points to. */
export type RefTarget<T extends Store = Store> = (abstract new (...args: never[]) => T) & { readonly name: string };

/**
 * A reference to an object of a Store class by its key: written as the key, resolved when asked. A missing object is never created.
 *
 * @example
 * ann.mentor = User.ref('bob');
 * const mentor = await ann.mentor.load();
 */
export class Ref<T extends Store> {
  /** The key of the object. */
  readonly key: string;
  readonly #target: () => RefTarget<T>;

  /**
   * `User.ref(key)` is shorter.
   * @throws InvalidKeyError
   */
  constructor(target: () => RefTarget<T>, key: string) {
    this.#target = target;
    this.key = toKey(key, 'a reference');
  }

  /** The class of the object. */
  get target(): RefTarget<T> {
    return this.#target();
  }

  /** The object, if it is active in memory. */
  get current(): T | undefined {
    return modelOf<T>(this.#target()).manager.get(this.key);
  }

  /** The object: the active one, or loaded; `undefined` if there is none. */
  load(): Promise<T | undefined> {
    return modelOf<T>(this.#target()).manager.load(this.key);
  }

  /** Whether this points to objects of that class. */
  refersTo(target: RefTarget): boolean {
    return modelOf(this.#target()) === modelOf(target);
  }
}
