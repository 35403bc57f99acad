import { fromBase64 } from '../../codecs/plain.js';
import { OwnType } from './field-type.js';
import { misfit } from './misfit.js';

/** A `Uint8Array`, as base64 text. */
export class BytesType extends OwnType<Uint8Array> {
  override encode(value: Uint8Array): string {
    if (!(value instanceof Uint8Array)) throw misfit(value, 'a Uint8Array');
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }

  override decode(form: unknown): Uint8Array {
    const bytes = fromBase64(form);
    if (bytes === undefined) throw misfit(form, 'base64 text');
    return bytes;
  }
}
