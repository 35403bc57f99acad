import { Store } from './store.js';

const TEMPORARY = Symbol.for('keepsake.temporary');

// A mixin's constructor must take any arguments: TypeScript's rule for mixins.
// biome-ignore lint/suspicious/noExplicitAny: as said
type Mixable = abstract new (...args: any[]) => Store;

/**
 * Makes a Store class one that is never saved: `save()` does nothing, `load()` answers `false`. Its objects live in memory, and across a hot reload.
 *
 * @example
 * @StoredIn(service)
 * class Visitor extends TempStoreMixin(User) {}
 */
export function TempStoreMixin<C extends Mixable>(Base: C): C {
  abstract class Temporary extends Base {
    override async save(): Promise<void> {}

    override async load(): Promise<boolean> {
      return false;
    }

    override async delete(): Promise<boolean> {
      this.manager.removeActive(this);
      return false;
    }
  }
  Object.defineProperty(Temporary.prototype, TEMPORARY, { value: true });
  return Temporary;
}

/** A Store that is never saved: `save()` does nothing, `load()` answers `false`. */
export abstract class TempStore extends TempStoreMixin(Store) {}

/** Whether objects of a prototype are never saved. */
export function isTemporary(prototype: object): boolean {
  return TEMPORARY in prototype;
}
