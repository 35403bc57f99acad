import { toPlain } from '../../codecs/plain.js';
import { type FieldType, OwnType } from './field-type.js';

const PLAIN = { tagged: false };

/**
 * Checks that what a type of the user's made is JSON, of which nothing would be lost.
 * @throws EncodeError
 */
export function checkForm(form: unknown): void {
  if (typeof form !== 'boolean' && form !== null) toPlain(form, PLAIN);
}

/** A type of the user's within one of keepsake's: its forms are checked. */
class CheckedType extends OwnType<unknown> {
  readonly #type: FieldType;

  constructor(type: FieldType) {
    super();
    this.#type = type;
  }

  override encode(value: unknown): unknown {
    const form = this.#type.encode(value);
    checkForm(form);
    return form;
  }

  override decode(form: unknown): unknown {
    return this.#type.decode(form);
  }
}

/** A type as it is used within another. */
export function checked(type: FieldType): FieldType {
  return type instanceof OwnType ? type : new CheckedType(type);
}
