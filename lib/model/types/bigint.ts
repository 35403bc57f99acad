import { OwnType } from './field-type.js';
import { misfit } from './misfit.js';

/** A `bigint`, as decimal text. */
export class BigIntType extends OwnType<bigint> {
  override encode(value: bigint): string {
    if (typeof value !== 'bigint') throw misfit(value, 'a bigint');
    return value.toString();
  }

  override decode(form: unknown): bigint {
    if (typeof form !== 'string' || !/^-?[0-9]+$/.test(form)) throw misfit(form, 'decimal text, such as "123"');
    return BigInt(form);
  }
}
