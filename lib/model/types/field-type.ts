import type { Store } from '../store.js';

/**
 * Why fields are serialised and deserialised. `'save'`: for the backend, and for `toDict` and its kin. `'reload'`: for the object that takes this one's
 * place in this process. `'handOver'`: for another process.
 */
export type Purpose = 'save' | 'reload' | 'handOver';

/**
 * How the values of a field are kept. Subclass it and override `encode` and `decode`; override the other hooks for fields that do more than
 * hold a value. One instance may serve many fields of many classes, so it must hold nothing that belongs to one of them.
 *
 * @example
 * class Temperature extends FieldType<number> {
 *   override encode(celsius: number) { return `${celsius} °C`; }
 *   override decode(form: unknown) { return Number.parseFloat(String(form)); }
 * }
 */
export abstract class FieldType<T = unknown> {
  /**
   * The JSON form of a value. `null` and `undefined` arrive only where the type holds them.
   * Throw any error for a value that cannot be written: it becomes an `EncodeError` that names class, key, field and path.
   */
  abstract encode(value: T): unknown;

  /**
   * The value of a JSON form. Throw any error for a form that is not yours: it becomes a `CorruptDataError`.
   */
  abstract decode(form: unknown): T;

  /** Called once for each registered class that has the field; may install a descriptor on its prototype. */
  contributeToClass(_storeClass: typeof Store, _name: string): void {}

  /** Called for each new object, after its defaults and given values are set. */
  contributeToInstance(_store: Store, _name: string): void {}

  /**
   * The form of the field of an object; `undefined` leaves it out. Calls `encode` unless the field is not set.
   *
   * Override it, and `deserialise`, for a field that refers to something which outlives a reload, such as a socket. For a session field and
   * `'reload'` the form may be anything, also that very thing; for `'handOver'` it must be JSON, and the object
   * must stay as it is, since it may go on.
   */
  serialise(store: Store, name: string, _purpose: Purpose = 'save'): unknown {
    const value = (store as unknown as Record<string, unknown>)[name];
    return value === undefined ? undefined : this.encode(value as T);
  }

  /**
   * Sets the field of an object from its form. Calls `decode`. It may be called for the former object too, when a reload fails, with the
   * form that it gave.
   */
  deserialise(store: Store, name: string, form: unknown, _purpose: Purpose = 'save'): void {
    (store as unknown as Record<string, unknown>)[name] = this.decode(form);
  }
}

/** A type of keepsake's own, whose forms are known to be JSON. */
export abstract class OwnType<T = unknown> extends FieldType<T> {}
