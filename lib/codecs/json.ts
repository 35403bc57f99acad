import type { Codec } from './codec.js';
import { fromPlain, toPlain } from './plain.js';

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
 * Properties that are undefined are left out.
 */
export function json<T = unknown>({ types = false, indent = 0 }: JsonOptions = {}): Codec<T> {
  const options = { tagged: types };
  const end = indent === 0 ? '' : '\n';
  return {
    name: 'json',
    decimalIntegers: indent === 0,
    encode: (value) => Buffer.from(JSON.stringify(toPlain(value, options), null, indent) + end),
    decode: (bytes) => {
      const value: unknown = JSON.parse(utf8.decode(bytes));
      return (types ? fromPlain(value) : value) as T;
    },
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
