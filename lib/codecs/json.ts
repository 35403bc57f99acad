import { checkOptions } from '../backend/checks.js';
import { OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import type { SynchronousCodec } from './codec.js';
import { fromPlain, isPlain, toPlain } from './plain.js';

/** Options of {@link json}. */
export interface JsonOptions {
  /** Whether Date, Map, Set, bigint and bytes are carried too, in a tagged form such as `{"$date": "…"}`; `false` by default. */
  readonly types?: boolean | undefined;
  /** Spaces of indentation, 0 to 10; with any, the text ends in a newline. 0 by default. */
  readonly indent?: number | undefined;
}

/**
 * Values as JSON in UTF-8. What JSON would drop or change is refused with an `EncodeError` that names the path: undefined in an array,
 * NaN, Infinity, -0, functions, symbols, objects of classes, lone surrogates, cycles; and without `types`, Date, Map, Set, bigint, bytes.
 * Properties that are undefined are left out, and what an array carries beside its items. With `types`, a Buffer comes back as a
 * `Uint8Array`.
 * @throws OutOfRangeError for an `indent` that is no whole number from 0 to 10
 */
export function json<T = unknown>(options: JsonOptions = {}): SynchronousCodec<T> {
  checkOptions(options, ['types', 'indent'], 'json');
  const { types = false, indent = 0 } = options;
  if (!Number.isInteger(indent) || indent < 0 || indent > 10) {
    throw new OutOfRangeError(`json: indent must be a whole number from 0 to 10; got ${show(indent)}`);
  }
  const form = { tagged: types };
  const end = indent === 0 ? '' : '\n';
  return {
    name: 'json',
    decimalIntegers: indent === 0,
    encode: (value) => {
      const plain = isPlain(value, types) ? value : toPlain(value, form);
      return Buffer.from(JSON.stringify(plain, null, indent) + end);
    },
    decode: (bytes) => {
      const value: unknown = JSON.parse(utf8.decode(bytes));
      return (types ? fromPlain(value) : value) as T;
    },
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
