import { type FieldType, OwnType } from './field-type.js';
import { misfit, within } from './misfit.js';

/** An array of values of one type, as an array. */
export class ListType<T> extends OwnType<T[]> {
  readonly #item: FieldType<T>;

  constructor(item: FieldType<T>) {
    super();
    this.#item = item;
  }

  override encode(value: readonly T[]): unknown[] {
    if (!Array.isArray(value)) throw misfit(value, 'an array');
    return encodeItems(value, this.#item);
  }

  override decode(form: unknown): T[] {
    return decodeItems(form, this.#item);
  }
}

/** The forms of items, in an array. */
export function encodeItems<T>(items: Iterable<T>, type: FieldType<T>): unknown[] {
  const forms: unknown[] = [];
  try {
    for (const item of items) forms.push(type.encode(item));
  } catch (error) {
    throw within(forms.length, error);
  }
  return forms;
}

/** The items of an array of forms. */
export function decodeItems<T>(forms: unknown, type: FieldType<T>): T[] {
  if (!Array.isArray(forms)) throw misfit(forms, 'an array');
  const items: T[] = [];
  try {
    for (const form of forms) items.push(type.decode(form));
  } catch (error) {
    throw within(items.length, error);
  }
  return items;
}
