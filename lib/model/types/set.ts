import { type FieldType, OwnType } from './field-type.js';
import { decodeItems, encodeItems } from './list.js';
import { misfit } from './misfit.js';

/** A `Set` of values of one type, as an array. */
export class SetType<T> extends OwnType<Set<T>> {
  readonly #item: FieldType<T>;

  constructor(item: FieldType<T>) {
    super();
    this.#item = item;
  }

  override encode(value: Set<T>): unknown[] {
    if (!(value instanceof Set)) throw misfit(value, 'a Set');
    return encodeItems(value, this.#item);
  }

  override decode(form: unknown): Set<T> {
    return new Set(decodeItems(form, this.#item));
  }
}
