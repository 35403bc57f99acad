import { fromPlain, toPlain } from '../../codecs/plain.js';
import { OwnType } from './field-type.js';

/**
 * Any value of JSON, and Date, Map, Set, bigint and bytes within it, in a tagged form such as `{"$date": "…"}`: what a field without a `type`
 * holds.
 */
export class ValueType extends OwnType<unknown> {
  override encode(value: unknown): unknown {
    return typeof value === 'boolean' || value === null ? value : toPlain(value, TAGGED);
  }

  override decode(form: unknown): unknown {
    return fromPlain(form);
  }
}

const TAGGED = { tagged: true };
