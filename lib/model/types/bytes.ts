import { FieldType } from './field-type.js';
import { misfit } from './misfit.js';

/** A `Uint8Array`, as base64 text. */
export class BytesType extends FieldType<Uint8Array> {
  override encode(value: Uint8Array): string {
    if (!(value instanceof Uint8Array)) throw misfit(value, 'a Uint8Array');
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }

  override decode(form: unknown): Uint8Array {
    if (typeof form !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(form)) throw misfit(form, 'base64 text');
    return new Uint8Array(Buffer.from(form, 'base64'));
  }
}
