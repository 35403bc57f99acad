import { type FieldType, OwnType } from './field-type.js';

/** `null`, or a value of another type. */
export class NullableType<T> extends OwnType<T | null> {
  readonly #type: FieldType<T>;

  constructor(type: FieldType<T>) {
    super();
    this.#type = type;
  }

  override encode(value: T | null): unknown {
    return value === null ? null : this.#type.encode(value);
  }

  override decode(form: unknown): T | null {
    return form === null ? null : this.#type.decode(form);
  }
}
