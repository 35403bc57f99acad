import { Ref, type RefTarget } from '../reference.js';
import type { Store } from '../store.js';
import { OwnType } from './field-type.js';
import { misfit } from './misfit.js';

/** A `Ref` to an object of a Store class, as its key. */
export class RefType<T extends Store> extends OwnType<Ref<T>> {
  readonly #target: () => RefTarget<T>;

  constructor(target: () => RefTarget<T>) {
    super();
    this.#target = target;
  }

  override encode(value: Ref<T>): string {
    if (!(value instanceof Ref)) throw misfit(value, 'a Ref; write User.ref(user), or User.ref(key)');
    if (!value.refersTo(this.#target())) {
      throw misfit(value, `a reference to ${this.#target().name}, but to ${value.target.name}`);
    }
    return value.key;
  }

  override decode(form: unknown): Ref<T> {
    if (typeof form !== 'string') throw misfit(form, 'a key');
    return new Ref(this.#target, form);
  }
}
