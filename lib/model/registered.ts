import { UnregisteredClassError } from '../errors.js';
import { show } from '../show.js';
import type { Model } from './model.js';
import type { Store } from './store.js';

/** Where a registered class keeps its model. */
export const MODEL = Symbol('keepsake.model');

/** Classes that `@StoredIn` replaced, by what they were: some compilers still mean these inside the class's own body. */
const replaced = new WeakMap<object, object>();

/** Remembers that `leaf` stands in place of `target`. */
export function replaceClass(target: object, leaf: object): void {
  replaced.set(target, leaf);
}

/**
 * The model of a registered class.
 * @throws UnregisteredClassError for any other class
 */
export function modelOf<T extends Store>(storeClass: unknown): Model<T> {
  const own = ownModel<T>(storeClass) ?? ownModel<T>(replaced.get(storeClass as object));
  if (own !== undefined) return own;
  throw unregistered(storeClass);
}

function ownModel<T extends Store>(storeClass: unknown): Model<T> | undefined {
  const model = (storeClass as { [MODEL]?: Model<T> } | undefined)?.[MODEL];
  return model?.storeClass === storeClass ? model : undefined;
}

/** The error of building an object of a class that is not registered. */
export function unregistered(storeClass: unknown): UnregisteredClassError {
  if (typeof storeClass !== 'function') {
    return new UnregisteredClassError(`a Store class was expected; got ${show(storeClass)}`);
  }
  const name = storeClass.name === '' ? 'this class' : storeClass.name;
  if (replaced.has(storeClass)) {
    return new UnregisteredClassError(
      `inside the body of ${name} this compiler binds the name to the undecorated class: write "new this(…)" in static methods, and "new this.constructor(…)" or a function outside the class elsewhere`,
    );
  }
  return new UnregisteredClassError(
    `${name} is not registered: decorate it with @StoredIn(service), or use what service.register(${name}) returns`,
  );
}
